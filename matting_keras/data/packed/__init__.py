"""Photos in one small file, and batches that are changed on the device that learns from them.

No file here needs TensorFlow: with `KERAS_BACKEND=jax` a training reads packs where only jax is
installed.
"""
