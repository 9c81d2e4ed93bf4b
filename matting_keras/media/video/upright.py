"""Pictures as they are to be seen: the right way up, of square pixels."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from matting_keras.media.opencv import opencv

if TYPE_CHECKING:
    import av


def matrix(picture: av.VideoFrame) -> np.ndarray | None:
    """How a frame is to be turned, as the file says: int (2, 2), or None for not at all."""
    data = picture.side_data.get("DISPLAYMATRIX")
    if data is None:
        return None
    found = np.frombuffer(bytes(data), np.int32, 9).reshape(3, 3)[:2, :2]
    return None if (found == np.diag([65536, 65536])).all() else found


def upright(rgb: np.ndarray, matrix: np.ndarray | None) -> np.ndarray:
    """Turn and mirror a frame by multiples of 90 degrees.

    The matrix gives (column, row) on the screen as (column, row) stored, times it.
    """
    if matrix is None:
        return rgb
    cv2 = opencv()
    (a, b), (c, d) = matrix.tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        across, down = a < 0, d < 0
    else:
        rgb = cv2.transpose(rgb)
        across, down = c < 0, b < 0
    if not (across or down):
        return np.ascontiguousarray(rgb)
    return cv2.flip(rgb, -1 if across and down else int(across))


def square(picture: av.VideoFrame, aspect: Fraction | None) -> tuple[int, int]:
    """The (height, width) that makes a frame's pixels square; it only grows."""
    height, width = picture.height, picture.width
    if aspect and Fraction(1, 8) <= aspect <= 8:
        if aspect > 1:
            width = round(width * aspect)
        else:
            height = round(height / aspect)
    return height, width
