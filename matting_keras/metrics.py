"""How good an alpha is. NumPy first; the Keras metrics of training wrap the same functions."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import ndimage

from matting_keras.errors import InputError

THRESHOLD = 0.5


def confusion(truth: Any, alpha: Any, xp: Any = np) -> tuple[Any, Any, Any, Any]:
    """Pixel counts of person and background after cutting both alphas at 0.5.

    Args:
        truth: true alpha, 0..1, any shape.
        alpha: predicted alpha, same shape.
        xp: the array library: NumPy, or keras.ops inside a training step.

    Returns:
        Person rightly found, background taken for person, person missed, background rightly left.
    """
    person, found = truth > THRESHOLD, alpha > THRESHOLD
    return tuple(
        xp.sum(xp.cast(both, "float32") if xp is not np else both.astype("float64"))
        for both in (
            xp.logical_and(person, found),
            xp.logical_and(xp.logical_not(person), found),
            xp.logical_and(person, xp.logical_not(found)),
            xp.logical_not(xp.logical_or(person, found)),
        )
    )


def mean_iou(hit: Any, false: Any, missed: Any, clear: Any, xp: Any = np) -> Any:
    """Mean of person's and background's intersection over union, from pixel counts.

    A class that is neither there nor found counts as right.

    Example:
        >>> float(mean_iou(1.0, 1.0, 0.0, 2.0))
        0.5833333333333333
    """
    person, background = hit + false + missed, clear + false + missed
    return (
        xp.where(person > 0, hit / xp.maximum(person, 1), 1.0)
        + xp.where(background > 0, clear / xp.maximum(background, 1), 1.0)
    ) / 2


def picture_iou(truth: np.ndarray, alpha: np.ndarray, where: np.ndarray | None = None) -> float:
    """Mean IoU of one picture, of person and background, both alphas cut at 0.5.

    Args:
        truth: true alpha (height, width), 0..1.
        alpha: predicted alpha, same shape.
        where: bool (height, width): only these pixels count. None counts all.

    Example:
        >>> float(picture_iou(np.array([[1.0, 0.0]]), np.array([[0.9, 0.2]])))
        1.0
    """
    return float(mean_iou(*confusion(*_chosen(truth, alpha, where))))


def foreground_iou(truth: np.ndarray, alpha: np.ndarray, where: np.ndarray | None = None) -> float:
    """Intersection over union of the person alone, both alphas cut at 0.5.

    Args and returns as for `picture_iou`; 1 where nobody is there and nobody is found.

    Example:
        >>> foreground_iou(np.array([[1.0, 1.0, 0.0]]), np.array([[0.9, 0.2, 0.1]]))
        0.5
    """
    hit, false, missed, _ = confusion(*_chosen(truth, alpha, where))
    union = hit + false + missed
    return float(hit / union) if union else 1.0


def mad(truth: np.ndarray, alpha: np.ndarray, where: np.ndarray | None = None) -> float:
    """Mean absolute difference.

    Args:
        truth: true alpha (height, width), 0..1.
        alpha: predicted alpha, same shape.
        where: bool (height, width): only these pixels count, for example a trimap's unknown band.
            None counts all; no pixel at all gives 0.
    """
    return _mean(np.abs(_difference(truth, alpha, where)))


def mse(truth: np.ndarray, alpha: np.ndarray, where: np.ndarray | None = None) -> float:
    """Mean squared difference; arguments as for `mad`."""
    return _mean(_difference(truth, alpha, where) ** 2)


def sad(truth: np.ndarray, alpha: np.ndarray, where: np.ndarray | None = None) -> float:
    """Sum of absolute differences, divided by 1000; arguments as for `mad`."""
    return float(np.abs(_difference(truth, alpha, where)).sum() / 1000)


def grad(truth: np.ndarray, alpha: np.ndarray, where: np.ndarray | None = None) -> float:
    """Gradient error: how differently steep the two alphas are, divided by 1000.

    Both are stretched to 0..1 first and differentiated with a Gaussian of deviation 1.4 pixels;
    the squared differences of the magnitudes are summed. The stretch belongs to the published
    definition; it makes the error of an almost empty prediction large.

    Arguments as for `mad`. Only soft truth makes sense: a hard mask's own staircase is steep.

    Source: Rhemann et al., "A Perceptually Motivated Online Benchmark for Image Matting",
    CVPR 2009, and its published scorer, whose kernel this is.
    """
    magnitudes = [_steepness(_stretched(values)) for values in (truth, alpha)]
    return float((_difference(*magnitudes, where) ** 2).sum() / 1000)


def conn(truth: np.ndarray, alpha: np.ndarray, where: np.ndarray | None = None) -> float:
    """Connectivity error: parts that hang together in one alpha and not in the other, over 1000.

    For each of ten thresholds the largest region that both alphas share is found (4 neighbours).
    A pixel's level is the last threshold at which it belongs to that region; how far its alpha
    rises above the level, where that is at least 0.15, is how disconnected it is.

    Arguments as for `mad`.

    Source: as for `grad`, with its theta of 0.15 and step of 0.1.
    """
    truth, alpha = truth.astype("float64"), alpha.astype("float64")
    level = np.full(truth.shape, -1.0)
    steps = np.linspace(0, 1, 11)
    for below, threshold in pairwise(steps):
        shared = _largest_region((truth >= threshold) & (alpha >= threshold))
        level[(level < 0) & ~shared] = below
    level[level < 0] = 1
    connected = [1 - np.where(v - level >= 0.15, v - level, 0) for v in (truth, alpha)]
    return float(np.abs(_difference(*connected, where)).sum() / 1000)


def dtssd(truth: np.ndarray, alpha: np.ndarray) -> float:
    """How differently two videos change from frame to frame, times 100.

    Args:
        truth: true alphas (frames, height, width), 0..1, at least two frames.
        alpha: predicted alphas, same shape.

    Returns:
        The root of the mean squared difference of the two temporal derivatives, averaged over
        frames, times 100 as it is usually printed.

    Raises:
        InputError: fewer than two frames.

    Source: Erofeev et al., "Perceptually Motivated Benchmark for Video Matting", BMVC 2015.
    """
    if len(truth) < 2:
        raise InputError(f"dtSSD compares frames with the ones before; got {len(truth)} frame(s).")
    change = np.diff(truth.astype("float64"), axis=0) - np.diff(alpha.astype("float64"), axis=0)
    return float(np.sqrt((change**2).mean(axis=(1, 2))).mean() * 100)


def flicker(alpha: np.ndarray) -> float:
    """How much an alpha jumps back and forth, times 100, for videos without a known truth.

    The mean over pixels and frames of how far a frame lies outside of its two neighbours' range.
    A steady motion gives 0; a pixel that is there in every second frame gives 100.

    Args:
        alpha: predicted alphas (frames, height, width), 0..1, at least three frames.

    Raises:
        InputError: fewer than three frames.

    Example:
        >>> flicker(np.array([0.0, 1.0, 0.0, 1.0]).reshape(4, 1, 1))
        100.0
    """
    if len(alpha) < 3:
        raise InputError(f"flicker compares a frame with both neighbours; got {len(alpha)}.")
    values = alpha.astype("float64")
    before, here, after = values[:-2], values[1:-1], values[2:]
    above, below = here - np.maximum(before, after), np.minimum(before, after) - here
    return float(np.maximum(np.maximum(above, below), 0).mean() * 100)


def _chosen(truth: np.ndarray, alpha: np.ndarray, where: np.ndarray | None) -> tuple:
    return (truth, alpha) if where is None else (truth[where], alpha[where])


def _difference(truth: np.ndarray, alpha: np.ndarray, where: np.ndarray | None) -> np.ndarray:
    truth, alpha = _chosen(truth, alpha, where)
    return truth.astype("float64") - alpha


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else 0.0


def _stretched(values: np.ndarray) -> np.ndarray:
    values = values.astype("float64")
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else values


def _steepness(values: np.ndarray) -> np.ndarray:
    deviation, cutoff = 1.4, 0.01
    reach = math.ceil(
        deviation * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * deviation * cutoff))
    )
    at = np.arange(-reach, reach + 1)
    bell = np.exp(-(at**2) / (2 * deviation**2)) / (deviation * math.sqrt(2 * math.pi))
    slope = -at * bell / deviation**2
    bell, slope = (kernel / np.linalg.norm(kernel) for kernel in (bell, slope))
    across, down = (
        ndimage.convolve1d(
            ndimage.convolve1d(values, slope, axis, mode="nearest"), bell, 1 - axis, mode="nearest"
        )
        for axis in (1, 0)
    )
    return np.hypot(across, down)


def _largest_region(mask: np.ndarray) -> np.ndarray:
    regions, count = ndimage.label(mask)
    if not count:
        return np.zeros_like(mask)
    sizes = np.bincount(regions.ravel())
    sizes[0] = 0
    return regions == sizes.argmax()
