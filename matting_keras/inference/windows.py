"""Where in a picture to look closer."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from matting_keras.geometry import MULTIPLE
from matting_keras.inference.parts import sure
from matting_keras.media.opencv import opencv

FOUND = 0.5
"""An alpha above this may be somebody."""

MINOR = 0.05
"""What has less than this share of the alpha of the largest part is no reason to look there."""

MARGIN = 0.1
"""What a closer look sees around who was found, as a share of their longer side."""

NARROWEST = 1 / 4
"""Of the picture's sides, that a closer look sees at least."""

WORTHWHILE = 1.25
"""A closer look shows everybody at least so much larger, in area; else it is one at the whole."""

SPARE = 2
"""Pixels of the picture in each that a finer look sees; a photo's own are blurred and noisy."""

Box = tuple[tuple[float, float], tuple[float, float]]
"""From where to where, as shares of a picture's height, then of its width."""


class Window(NamedTuple):
    """Where a closer look sees the picture.

    Attributes:
        size: (height, width) that the whole picture has, so close.
        top: first row of it that is seen.
        left: first column.
        rows: how many are seen, a multiple of 32.
        columns: likewise.
        nearer: how much larger everything is than in the first look, in area.
        zoom: as much of that as comes of leaving out where nobody is; the rest is finer sight.
    """

    size: tuple[int, int]
    top: int
    left: int
    rows: int
    columns: int
    nearer: float
    zoom: float

    @property
    def seen(self) -> tuple[slice, slice]:
        """As an index of what is as large as `size`."""
        rows = slice(self.top, self.top + self.rows)
        return rows, slice(self.left, self.left + self.columns)


def closer(
    alpha: np.ndarray,
    size: tuple[int, int],
    area: int,
    finer: float = 1.0,
    shape: tuple[int, int] | None = None,
) -> Window | None:
    """Where to look closer at somebody whom the first look found.

    Args:
        alpha: float32 (rows, columns) in 0..1: what was found in the whole picture.
        size: the picture's own (height, width): nearer than that there is nothing to see.
        area: pixels that the network is to see, about.
        finer: how many times as many it may see of who is certain, where the picture is large.
        shape: (rows, columns) of the first look; None where the alpha is of it.

    Returns:
        A window around all who are not much smaller than the largest; None where nobody was found,
        or where they fill the picture already and it has no more to show.

    Example:
        >>> alpha = np.zeros((256, 320), "float32")
        >>> alpha[128:, 32:96] = 1
        >>> window = closer(alpha, (900, 1200), 320 * 256, finer=3)
        >>> window[:5], f"{window.nearer:.2f}", f"{window.zoom:.2f}"
        (((657, 822), 300, 52, 352, 224), '6.59', '6.49')
        >>> closer(np.ones_like(alpha), (300, 400), 320 * 256) is None
        True
    """
    box = box_around(alpha)
    if box is None:
        return None
    shape = shape or alpha.shape
    shares = [max(end - start, NARROWEST) for start, end in box]
    fills, most = math.prod(shares) * math.prod(shape), math.prod(size) / math.prod(shape)
    zoom = min(area / fills, most)
    nearer = max(zoom, min(finer * area / fills, most / SPARE))
    # From close by things look like people, too: a finer look is at who is certain already.
    if nearer > zoom and sure(alpha).max() < FOUND:
        nearer = zoom
    if nearer < WORTHWHILE:
        return None
    sides = [side * math.sqrt(nearer) for side in shape]
    seen = [
        max(1, round(side * share / MULTIPLE)) * MULTIPLE
        for side, share in zip(sides, shares, strict=True)
    ]
    # Where all of a side is seen, the picture is stretched a little to fill the window.
    whole = [
        there if share == 1 else max(there, round(side))
        for side, share, there in zip(sides, shares, seen, strict=True)
    ]
    firsts = [
        min(max(round((start + end) / 2 * side - there / 2), 0), side - there)
        for (start, end), side, there in zip(box, whole, seen, strict=True)
    ]
    return Window((whole[0], whole[1]), *firsts, *seen, nearer, zoom)


def box_around(alpha: np.ndarray, margin: float = MARGIN, minor: float = MINOR) -> Box | None:
    """From where to where somebody is, as shares of height and of width.

    Args:
        alpha: float32 (rows, columns) in 0..1.
        margin: around them, as a share of their longer side.
        minor: what has less than this share of the alpha of the largest part does not count.

    Returns:
        The first and last row and the first and last column; None where nobody is.

    Example:
        >>> alpha = np.zeros((100, 200), "float32")
        >>> alpha[40:80, 20:40] = 1
        >>> box_around(alpha, margin=0.1)
        ((0.36, 0.84), (0.08, 0.22))
    """
    count, labels = opencv().connectedComponents((alpha > FOUND).astype(np.uint8), connectivity=8)
    if count < 2:
        return None
    parts = np.bincount(labels.ravel(), alpha.ravel(), minlength=count)
    parts[0] = 0  # what lies around them
    found = (parts > minor * parts.max())[labels]
    ends = [np.flatnonzero(found.any(axis))[[0, -1]] + (0, 1) for axis in (1, 0)]
    around = margin * max(last - first for first, last in ends)
    rows, columns = (
        (float(max(0, first - around) / side), float(min(side, last + around) / side))
        for (first, last), side in zip(ends, alpha.shape, strict=True)
    )
    return rows, columns
