"""Looking at a photo twice: as it is, then mirrored, and closer or finer where that shows more."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from matting_keras.geometry import MULTIPLE, Canvas
from matting_keras.inference.engines import Runtime
from matting_keras.inference.finish import Finish
from matting_keras.inference.parts import sure
from matting_keras.inference.pipeline import Prepared, run
from matting_keras.inference.scale import enlarge, shrink
from matting_keras.media.opencv import opencv

LOOKS = (1, 2)

FINEST = 4
"""How many times as many pixels as the first look a second one may have: of larger inputs networks
see too little of the whole at once."""

LOOKS_HELP = (
    "2: at a photo as it is and mirrored, closer where somebody is small in it and finer where it "
    "is large, as shipped weights are used: finds people and edges better, and nobody where nobody "
    "is, in two to four times the time; films have 1"
)

FINER_HELP = (
    "how many times as many pixels the second look may have at a large photo, 1 to "
    f"{FINEST} (default: up to 3 for shipped weights, 1 for others)"
)

DOUBT = 0.05
"""Added to how sure a look is, so that two that know nothing count alike."""

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

EDGE = 3.0
"""How far from what the first look is unsure of a finer one counts, in pixels of the first."""

SURE = 0.9
"""From this alpha on a look is sure of a person, from 1 less this down of none."""

AWAY = 0.1
"""What a finer look counts far from any edge: it sees less of the whole there than the first."""


def both(first: np.ndarray, second: np.ndarray, weight: float | np.ndarray = 1.0) -> np.ndarray:
    """The mean of two looks, in which the one that is surer of a pixel counts for more there.

    The plain mean finds the same people, but leaves half of what one look is sure of and the other
    is not: a sleeve becomes a ghost. The weights are squares of the distance from one half.

    Args:
        first: alpha in 0..1, of any shape.
        second: likewise.
        weight: of the second, where both are as sure; a number, or one for each pixel.

    Returns:
        Their mean, float32; where both are as sure and weigh as much, the plain one.

    Example:
        >>> [f"{alpha:.3f}" for alpha in both(np.float32([1, 0.6]), np.float32([0.5, 0.4]))]
        ['0.996', '0.500']
    """
    weights = [(np.abs(alpha - 0.5) + DOUBT) ** 2 for alpha in (first, second)]
    weights[1] *= weight
    mean = (weights[0] * first + weights[1] * second) / (weights[0] + weights[1])
    return mean.astype(np.float32)


def twice(look: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """What somebody else's network finds in a picture and in its mirror image, as `both`.

    Args:
        look: gives the alpha (height, width) of a picture (height, width, 3).
    """
    return lambda image: both(look(image), look(np.ascontiguousarray(image[:, ::-1]))[:, ::-1])


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
    alpha: np.ndarray, size: tuple[int, int], area: int, finer: float = 1.0
) -> Window | None:
    """Where to look closer at somebody whom the first look found.

    Args:
        alpha: float32 (rows, columns) in 0..1: the first look at the whole picture.
        size: the picture's own (height, width): nearer than that there is nothing to see.
        area: pixels that the network is to see, about.
        finer: how many times as many it may see of who is certain, where the picture is large.

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
    box = _box(alpha)
    if box is None:
        return None
    shares = [max(end - start, NARROWEST) for start, end in box]
    fills, most = math.prod(shares) * alpha.size, math.prod(size) / alpha.size
    zoom = min(area / fills, most)
    nearer = max(zoom, min(finer * area / fills, most / SPARE))
    # From close by things look like people, too: a finer look is at who is certain already.
    if nearer > zoom and sure(alpha).max() < FOUND:
        nearer = zoom
    if nearer < WORTHWHILE:
        return None
    sides = [side * math.sqrt(nearer) for side in alpha.shape]
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


def joined(first: np.ndarray, second: np.ndarray, window: Window) -> np.ndarray:
    """What two looks found, of which the second was closer, finer or both.

    Who was seen closer was seen better, wherever. What was seen finer has finer edges, but less of
    the whole was seen at once: a sleeve that the first look is sure of stays, whatever a finer one
    makes of its middle.

    Args:
        first: alpha in 0..1 (rows, columns), enlarged to the window's.
        second: likewise.
        window: where the second look was.

    Returns:
        Their mean, float32.
    """
    if window.nearer == window.zoom:
        return both(first, second, window.nearer)
    away = max(AWAY, window.zoom - 1)
    cv2, unsure = opencv(), (first > 1 - SURE) & (first < SURE)
    far = cv2.distanceTransform((~unsure).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_3)
    # Where nothing is unsure it says "as far as can be", of which a square is no number.
    far = np.minimum(far, sum(first.shape)) / (EDGE * math.sqrt(window.nearer))
    return both(first, second, away + (window.nearer - away) * np.exp(-(far**2)))


class SecondLook:
    """What a first look at photos found, and what a second one adds to it.

    A person's mirror image is as likely as the person, so what a network says of one only is an
    accident of its training. Where people are small in a picture the second look is at them alone:
    as long, with more to see. Where the picture is large it is finer: longer, with finer edges.

    Args:
        runtime: the network, with nothing done to its alphas.
        area: pixels that it is to see, about.
        finish: what is done to the alphas in the end.
        finer: how many times as many pixels a second look may have, where a picture is large.
    """

    def __init__(self, runtime: Runtime, area: int, finish: Finish, finer: float = 1.0):
        self._runtime, self._area, self._finish, self._finer = runtime, area, finish, finer

    def __call__(
        self, pictures: Sequence[Prepared], alphas: np.ndarray
    ) -> list[tuple[np.ndarray, Prepared]]:
        """Look again.

        Args:
            pictures: of one shape.
            alphas: float32 (pictures, rows, columns): what the first look found.

        Returns:
            For each an alpha, and the picture at its size.

        Raises:
            InputError: the network gave something that is not an alpha.
        """
        done: dict[int, tuple[np.ndarray, Prepared]] = {}
        whole = []
        for index, (picture, alpha) in enumerate(zip(pictures, alphas, strict=True)):
            rows, columns = picture.canvas.inner
            alpha = np.clip(alpha[:rows, :columns], 0, 1)
            window = closer(alpha, picture.size, self._area, self._finer)
            if window:
                done[index] = self._nearer(picture, alpha, window)
            else:
                whole.append(index)
        if whole:
            again = self._mirrored(np.stack([pictures[index].values for index in whole]))
            for index, found in zip(whole, again, strict=True):
                done[index] = self._finish(both(alphas[index], found)), pictures[index]
        return [done[index] for index in range(len(pictures))]

    def _nearer(
        self, picture: Prepared, alpha: np.ndarray, window: Window
    ) -> tuple[np.ndarray, Prepared]:
        values = shrink(picture.rgb, window.size)
        found = self._mirrored(np.ascontiguousarray(values[window.seen])[None])[0]
        afar = enlarge(alpha, window.size)
        alpha = afar.copy()
        alpha[window.seen] = joined(afar[window.seen], np.clip(found, 0, 1), window)
        alpha, canvas = self._finish(alpha, afar), Canvas(window.size, window.size)
        return alpha, picture._replace(values=values, canvas=canvas)

    def _mirrored(self, values: np.ndarray) -> np.ndarray:
        turned = np.ascontiguousarray(values[:, :, ::-1]).astype(np.float32)
        return run(self._runtime, turned)[:, :, ::-1]


def _box(alpha: np.ndarray) -> list[tuple[float, float]] | None:
    """From where to where somebody is, with a margin, as shares of height and of width."""
    count, labels = opencv().connectedComponents((alpha > FOUND).astype(np.uint8), connectivity=8)
    if count < 2:
        return None
    parts = np.bincount(labels.ravel(), alpha.ravel(), minlength=count)
    parts[0] = 0  # what lies around them
    found = (parts > MINOR * parts.max())[labels]
    ends = [np.flatnonzero(found.any(axis))[[0, -1]] + (0, 1) for axis in (1, 0)]
    margin = MARGIN * max(last - first for first, last in ends)
    return [
        (float(max(0, first - margin) / side), float(min(side, last + margin) / side))
        for (first, last), side in zip(ends, alpha.shape, strict=True)
    ]
