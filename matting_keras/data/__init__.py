"""Training data: where photos come from, how they are checked, changed and batched."""
