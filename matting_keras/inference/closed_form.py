"""The soft edge of an alpha, solved for from the colours around it: closed-form matting.

A network decides where a person ends; which hair is whose the picture's colours tell better. Within
three by three pixels alpha is nearly a slope times red, green and blue, plus an offset. All pixels
of the edge together are to break that as little as they can, and to stay near what the network is
sure of.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from matting_keras.errors import InputError
from matting_keras.inference.levels import stretched
from matting_keras.inference.refine import inverted, refine_alpha
from matting_keras.inference.scale import shrink
from matting_keras.media.opencv import opencv

SOLVED = 800 * 800
"""Pixels at most at which an alpha is solved for; it is drawn at a larger picture's own by
`refine.refine_alpha`. Time and memory grow with the edge's area there."""

SOFT = (0.05, 0.95)
"""Between these an alpha is soft, and is solved for."""

REACH = 4
"""And this many pixels beyond, for a network's edge lies a little beside the picture's."""

TRUST = 3e-3
"""How much it costs to leave an alpha that the network is sure of."""

HUNCH = 0.3
"""Share of that which it costs to leave any alpha, one half too."""

NOISE = 1e-5
"""Sum of squares over a window, of colours in 0..1, that may be noise. Less takes more steps."""

STEPS = 60
"""Of conjugate gradients, at most, each time: nearly all of what there is to gain."""

SETTLED = 1e-3
"""Of what there is to correct: so little left, and the solver stops."""

NEARLY = (0.1, 0.9)
"""What is nearly sure once it is solved for is sure the second time: so an edge that lay far beside
the picture's goes on to it."""

MOST = 1 / 4
"""Of `SOLVED`: where more is soft, the alpha has no edges but is in doubt, and is left alone."""

NEAR, AROUND = 3, 5
"""Side of a window, and of all windows together that a pixel is in."""

FRAME = AROUND // 2
"""Pixels laid around a picture, so that all of its pixels have neighbours."""


class _System(NamedTuple):
    """The equations of a picture's unknown pixels, in reading order.

    Attributes:
        weights: float32 (25, unknown): the matting Laplacian's rows, for the pixels around.
        around: int (25, unknown): which unknown pixels these are; their count for known ones.
        pull: float32 (unknown,): where the colours alone would move an alpha, and how hard.
    """

    weights: np.ndarray
    around: np.ndarray
    pull: np.ndarray


def draw_alpha(rgb: np.ndarray, alpha: np.ndarray, guide: np.ndarray | None = None) -> np.ndarray:
    """Bring an alpha to its picture's size, with its soft edge solved for.

    Args:
        rgb: the picture, uint8 (height, width, 3).
        alpha: float32 (rows, columns) in 0..1, usually smaller.
        guide: uint8 RGB (rows, columns, 3): the picture at the alpha's size, as the network saw
            it; None shrinks the picture.

    Returns:
        float32 (height, width) in 0..1.

    Raises:
        InputError: as `refine.refine_alpha`.

    Example:
        >>> disc = np.hypot(*(np.mgrid[:100, :100] - 49.5)) < 40
        >>> picture = np.where(disc[..., None], [200, 120, 90], [20, 60, 160]).astype("uint8")
        >>> blurred = opencv().GaussianBlur(disc.astype("float32"), (0, 0), 3)
        >>> bool(np.abs(draw_alpha(picture, blurred) - disc).mean() < 0.002)
        True
    """
    most = max(SOLVED, alpha.size)
    if rgb.size <= 3 * most:
        return solve_alpha(rgb, refine_alpha(rgb, alpha, guide))
    scale = math.sqrt(3 * most / rgb.size)
    small = shrink(rgb, tuple(max(1, round(side * scale)) for side in rgb.shape[:2]))
    return refine_alpha(rgb, solve_alpha(small, refine_alpha(small, alpha, guide)), small)


def solve_alpha(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Solve for the soft pixels of an alpha, and those next to them, from the picture's colours.

    Args:
        rgb: the picture, uint8 (height, width, 3).
        alpha: float32 (height, width) in 0..1.

    Returns:
        float32 (height, width) in 0..1: the same beyond the edge. An alpha that is in doubt nearly
        everywhere, or a picture of fewer than three pixels a side, comes back as it is.

    Raises:
        InputError: sizes that differ.

    Source: Levin, Lischinski and Weiss, "A Closed-Form Solution to Natural Image Matting", 2008,
    equations 12 and 13. Theirs is told by hand what is certain; ours starts from a network's alpha,
    takes it the more seriously the surer it is, stops before all is settled, and goes on once from
    what it has found.
    """
    if rgb.shape != (*alpha.shape, 3):
        raise InputError(f"the alpha is {alpha.shape} but its picture {rgb.shape[:2]}; same sizes.")
    once = _solved(rgb, alpha)
    nearly = np.where(once == alpha, alpha, stretched(once, *NEARLY))
    return _solved(rgb, nearly)


def _solved(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    band = _band(alpha)
    if min(alpha.shape) < NEAR or not 0 < np.count_nonzero(band) <= MOST * SOLVED:
        return alpha
    result, unknown = alpha.copy(), band > 0
    found = alpha[unknown]
    trust = TRUST * (HUNCH + (2 * found - 1) ** 2)
    result[unknown] = np.clip(found + _moved(_system(rgb, alpha, band), trust), 0, 1)
    return result


def _band(alpha: np.ndarray) -> np.ndarray:
    """What is solved for: soft pixels, where hard ones meet, and what is within reach of either.

    Of what is soft amid the person, as a reflection that a network doubts, or amid the background,
    the colours around know one side only: it is left as it is.
    """
    cv2 = opencv()
    soft = ((alpha > SOFT[0]) & (alpha < SOFT[1])).view(np.uint8)
    person, ring = (alpha > 0.5).view(np.uint8), np.ones((NEAR, NEAR), np.uint8)
    soft |= cv2.dilate(person, ring) - cv2.erode(person, ring)
    side = 2 * REACH + 1
    band = cv2.dilate(soft, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    count, labels = cv2.connectedComponents(band)
    sides = (alpha <= SOFT[0], alpha >= SOFT[1])
    ends = [np.bincount(labels[side], minlength=count) > 0 for side in sides]
    return band * (ends[0] & ends[1])[labels]


def _system(rgb: np.ndarray, alpha: np.ndarray, band: np.ndarray) -> _System:
    """Sum up, for each unknown pixel, the windows that it is in."""
    framed = [np.pad(plane, FRAME) for plane in (band, _centres(band), *opencv().split(rgb))]
    places, centres = (np.flatnonzero(marks) for marks in framed[:2])
    near, around = (_offsets(side, framed[0].shape[1])[:, None] for side in (NEAR, AROUND))
    values = np.stack([plane.ravel()[centres + near] for plane in framed[2:]]) / np.float32(255)
    values -= values.mean(axis=1, keepdims=True)
    slopes = _slopes(values)

    window = _numbers(centres, framed[0].size)[places - near]
    rows = np.zeros((AROUND**2, len(places)), np.float32)
    costs = np.zeros((NEAR**2, len(centres) + 1), np.float32)  # the last: of no window, nothing
    for one in range(NEAR**2):
        costs[:, :-1] = -1 / NEAR**2 - (slopes[:, one, None] * values).sum(axis=0)
        costs[one, :-1] += 1
        for other in range(NEAR**2):
            down, right = np.subtract(divmod(other, NEAR), divmod(one, NEAR)) + FRAME
            rows[down * AROUND + right] += costs[other].take(window[one])
    pull = -np.einsum("ij,ij->j", rows, np.pad(alpha, FRAME).ravel()[places + around])
    return _System(rows, _numbers(places, framed[0].size)[places + around], pull)


def _centres(band: np.ndarray) -> np.ndarray:
    """Of all windows within the picture in which an unknown pixel is."""
    centres = opencv().dilate(band, np.ones((NEAR, NEAR), np.uint8))
    centres[[0, -1]] = 0
    centres[:, [0, -1]] = 0
    return centres


def _offsets(side: int, width: int) -> np.ndarray:
    """From a pixel to those of the square around it, in a flat picture."""
    steps = np.arange(side) - side // 2
    return (steps[:, None] * width + steps).ravel()


def _numbers(places: np.ndarray, size: int) -> np.ndarray:
    """Which of these places each pixel of a flat picture is; their count where it is none."""
    numbers = np.full(size, len(places))
    numbers[places] = np.arange(len(places))
    return numbers


def _slopes(values: np.ndarray) -> np.ndarray:
    """What an alpha of 1 at a window's pixel, and of 0 at the others, makes of the window's slopes.

    Args:
        values: float32 (3, 9, windows): red, green and blue, less their mean in the window.

    Returns:
        float32 (3, 9, windows): of the line by least squares, its slopes times red, green and blue.
    """
    # Colours that hardly differ leave next to nothing to divide by; float32 would not do.
    inverse = inverted(
        *(
            np.einsum("ij,ij->j", values[i], values[j]).astype(np.float64) + NOISE * (i == j)
            for i in range(3)
            for j in range(i, 3)
        )
    )
    inverse = np.float32(inverse)[:, :, None]
    return np.stack([(line * values).sum(axis=0) for line in inverse])


def _moved(system: _System, trust: np.ndarray) -> np.ndarray:
    """How far each unknown alpha moves: conjugate gradients (Hestenes and Stiefel, 1952)."""
    diagonal = system.weights[AROUND**2 // 2] + trust
    moved, rest = np.zeros_like(trust), system.pull
    step = np.zeros(len(trust) + 1, np.float32)  # known alphas do not move
    step[:-1] = easy = rest / diagonal
    left = first = float(rest @ easy)
    others = np.empty_like(system.weights)
    for _ in range(STEPS):
        if left <= SETTLED**2 * first:
            break
        way = step[:-1]
        np.take(step, system.around, out=others, mode="clip")  # three times as fast as by [...]
        back = np.einsum("ij,ij->j", system.weights, others) + trust * way
        length = left / float(way @ back)
        moved, rest = moved + length * way, rest - length * back
        easy = rest / diagonal
        before, left = left, float(rest @ easy)
        step[:-1] = easy + left / before * way
    return moved
