"""Measuring what this package does, on this machine: `matting-keras benchmark`.

No module here imports Keras or TensorFlow when imported.
"""
