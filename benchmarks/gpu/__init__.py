"""Training on a GPU machine without network, without TensorFlow and for a few minutes only."""

import time

BEGAN = time.perf_counter()
"""When the process began, nearly: what is bought is minutes, and imports take some of them."""
