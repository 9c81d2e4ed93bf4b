"""Masks as people draw them."""

import numpy as np
from scipy import ndimage


def roughened(alpha: np.ndarray) -> np.ndarray:
    """A mask as drawn by hand: hard, a few pixels too wide, without single hairs."""
    wide = ndimage.binary_dilation(alpha > 0.5, iterations=3)
    return (ndimage.gaussian_filter(wide.astype("float32"), 4) > 0.5).astype("float32")
