"""Making training data: labels by a teacher, refined masks, cut-outs and composites, in bulk."""
