"""Pictures and alphas at other sizes."""

from __future__ import annotations

import numpy as np
from PIL import Image

from matting_keras.media.opencv import opencv


def shrink(rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scale a picture down as photos are shrunk for training.

    Pillow's BILINEAR averages with a triangle when it shrinks. BOX looks crisper but is not what
    the networks learned from, and scores less.

    Args:
        rgb: uint8 (height, width, 3), or float32 (height, width).
        size: the wanted (height, width).

    Returns:
        An array of that size and the same type.
    """
    if rgb.shape[:2] == tuple(size):
        return rgb
    return np.asarray(Image.fromarray(rgb).resize(size[::-1], Image.Resampling.BILINEAR))


def shrink_quickly(rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Like `shrink`, in a tenth of the time and less exactly: halved as often as it can be."""
    cv2 = opencv()
    height, width = rgb.shape[:2]
    while height >= 2 * size[0] and width >= 2 * size[1]:
        # Here OpenCV averages 2x2 pixels, and is at its fastest.
        height, width = -(-height // 2), -(-width // 2)
        rgb = cv2.resize(rgb, (width, height))
    return rgb if (height, width) == tuple(size) else cv2.resize(rgb, size[::-1])


def enlarge(alpha: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scale an alpha (rows, columns) to (height, width) bilinearly; it is averaged to shrink.

    Returns:
        float32 (height, width) within 0..1, always a copy.
    """
    result = (
        opencv().resize(alpha, size[::-1]) if larger(size, alpha.shape) else shrink(alpha, size)
    )
    return np.clip(result, 0, 1)


def larger(size: tuple[int, int], than: tuple[int, int]) -> bool:
    """Whether a size is another one enlarged, in one direction at least and shrunk in none."""
    return tuple(size) != tuple(than) and size[0] >= than[0] and size[1] >= than[1]
