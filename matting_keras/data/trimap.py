"""Trimaps: where an alpha is certain, and the band of hair and soft edge where it is not."""

from __future__ import annotations

import numpy as np

from matting_keras.errors import InputError
from matting_keras.media.opencv import opencv

REACH = 0.02
"""Width of the unknown band on either side of an edge, as a share of the shorter side."""

CERTAIN = 0.05
"""An alpha this near to 0 or to 1 is background or person."""

BACKGROUND, UNKNOWN, PERSON = 0, 128, 255
"""A trimap's three values, as files keep them."""


def unknown_band(alpha: np.ndarray, reach: float | None = None) -> np.ndarray:
    """Find the pixels within reach of an edge or of anything soft.

    Args:
        alpha: float (height, width), 0..1. Of a hard mask the band lies along its border.
        reach: in pixels; None takes `REACH` of the shorter side, 2 pixels at least.

    Returns:
        bool (height, width). The picture's own border is no edge; an alpha that is 0 or 1
        everywhere has no band.

    Raises:
        InputError: an alpha that is not (height, width), or a negative reach.

    Example:
        >>> alpha = np.array([[0, 0, 0, 0, 1, 1, 1, 1]], "float32")
        >>> unknown_band(alpha, reach=1).astype(int).tolist()
        [[0, 0, 0, 1, 1, 0, 0, 0]]
    """
    if alpha.ndim != 2:
        raise InputError(f"a trimap is made of an alpha (height, width), got {alpha.shape}.")
    if reach is None:
        reach = max(2.0, REACH * min(alpha.shape))
    if reach < 0:
        raise InputError(f"a trimap's reach is in pixels, 0 or more, got {reach}.")
    person = _depth(alpha >= 1 - CERTAIN) > reach
    background = _depth(alpha <= CERTAIN) > reach
    return ~(person | background)


def trimap(alpha: np.ndarray, reach: float | None = None) -> np.ndarray:
    """Turn an alpha into a trimap.

    Args and errors as for `unknown_band`.

    Returns:
        uint8 (height, width): 0 background, 128 unknown, 255 person.

    Example:
        >>> trimap(np.array([[0, 0, 0, 1, 1, 1]], "float32"), reach=1).tolist()
        [[0, 0, 128, 128, 255, 255]]
    """
    certain = np.where(alpha > 0.5, np.uint8(PERSON), np.uint8(BACKGROUND))
    return np.where(unknown_band(alpha, reach), np.uint8(UNKNOWN), certain)


def _depth(area: np.ndarray) -> np.ndarray:
    """How far inside an area each pixel lies: 0 outside, 1 at its border."""
    if area.all():
        return np.full(area.shape, np.inf, np.float32)
    cv2 = opencv()
    return cv2.distanceTransform(area.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
