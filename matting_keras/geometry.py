"""Sizes and aspect ratios: which shape a picture takes on its way through a network.

Everything here is plain arithmetic on (height, width) pairs; no picture is touched.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

MULTIPLE = 32
"""Every network halves its input five times, so its sides are multiples of 2**5."""

ASPECT_RATIOS = (1 / 2, 9 / 16, 3 / 4, 1.0, 4 / 3, 16 / 9, 2.0)
"""Width over height of phone, photo, square, and screen pictures."""

LARGEST_SIDE = 2048
"""No canvas grows past this side, however long and thin the picture is."""


STRETCHED = 1.15
"""How much one side of a picture may grow against the other to fill its canvas.

Networks see people a little stretched better than beside smeared borders: with Dark-Light at
256 x 256 pixels, EG1800's people gain half a point of mIoU (README of benchmarks/training).
"""


class Canvas(NamedTuple):
    """Where a picture lies on the network's input: scaled to `inner`, padded to `outer`.

    The picture sits at the top left; padding is at the right and bottom only.
    """

    inner: tuple[int, int]
    outer: tuple[int, int]


def buckets(
    area: int, ratios: Sequence[float] = ASPECT_RATIOS, multiple: int = MULTIPLE
) -> tuple[tuple[int, int], ...]:
    """The closed set of training shapes: about `area` pixels each, one per aspect ratio.

    Args:
        area: wanted height times width, in pixels.
        ratios: width over height of each shape.
        multiple: both sides are multiples of this.

    Returns:
        Distinct (height, width) pairs, from tall to wide.

    Example:
        >>> buckets(256 * 256, ratios=(3 / 4, 1, 4 / 3))
        ((288, 224), (256, 256), (224, 288))
    """
    shapes = []
    for ratio in ratios:
        height = max(1, round(math.sqrt(area / ratio) / multiple)) * multiple
        width = max(1, round(math.sqrt(area * ratio) / multiple)) * multiple
        if (height, width) not in shapes:
            shapes.append((height, width))
    return tuple(sorted(shapes, key=lambda shape: shape[1] / shape[0]))


def nearest_bucket(height: int, width: int, shapes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The shape whose aspect ratio is nearest to a picture's, compared as logarithms.

    Example:
        >>> nearest_bucket(800, 600, buckets(256 * 256))
        (288, 224)
    """
    wanted = math.log(width / height)
    return min(shapes, key=lambda shape: abs(math.log(shape[1] / shape[0]) - wanted))


def fit_inside(height: int, width: int, outer: tuple[int, int]) -> Canvas:
    """Scale a picture, aspect kept, to the largest size that fits in `outer`.

    Example:
        >>> fit_inside(800, 600, (288, 224))
        Canvas(inner=(288, 216), outer=(288, 224))
    """
    scale = min(outer[0] / height, outer[1] / width)
    inner = (
        min(outer[0], max(1, round(height * scale))),
        min(outer[1], max(1, round(width * scale))),
    )
    return Canvas(inner, outer)


def best_canvas(height: int, width: int, area: int, multiple: int = MULTIPLE) -> Canvas:
    """The input shape for one picture: near `area` pixels and its aspect, filled where it can be.

    Args:
        height: the picture's height, in pixels, at least 1.
        width: the picture's width, in pixels, at least 1.
        area: wanted height times width of the network's input, in pixels.
        multiple: both sides of the input are multiples of this.

    Returns:
        A `Canvas`. Among the shapes around the wanted size the one is taken whose aspect is
        nearest to the picture's while its area stays nearest to `area`. The picture is stretched
        to fill it, by a few percent; where that took more than `STRETCHED`, as for very long
        pictures, which are limited to `LARGEST_SIDE`, its aspect is kept and the rest padded.

    Example:
        >>> best_canvas(1080, 1920, 256 * 256)
        Canvas(inner=(192, 352), outer=(192, 352))
        >>> best_canvas(100, 2000, 256 * 256)
        Canvas(inner=(64, 1280), outer=(64, 1280))
    """
    ideal = math.sqrt(area * height / width) / multiple
    most = LARGEST_SIDE // multiple
    tallest = min(most, max(1, math.ceil(ideal) + 1))
    canvases = []
    for rows in range(max(1, min(math.floor(ideal) - 1, tallest)), tallest + 1):
        columns = rows * width / height
        for count in {math.floor(columns), math.ceil(columns)}:
            outer = (rows * multiple, min(most, max(1, count)) * multiple)
            canvases.append(fit_inside(height, width, outer))

    def stretch(canvas: Canvas) -> float:
        return math.prod(canvas.outer) / math.prod(canvas.inner)

    def cost(canvas: Canvas) -> float:
        return (1 - 1 / stretch(canvas)) + abs(math.log(math.prod(canvas.outer) / area))

    best = min(canvases, key=cost)
    return Canvas(best.outer, best.outer) if stretch(best) <= STRETCHED else best
