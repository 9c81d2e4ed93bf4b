"""Weights: shipped ones by name, files on disk, and other people's formats."""
