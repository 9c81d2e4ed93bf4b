"""Training: recipes, losses, callbacks and the run that ties them together."""
