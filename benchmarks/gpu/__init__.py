"""Training on a GPU machine without network: what it is given, and how fast it is."""
