"""How good an alpha is. NumPy first; the Keras metrics of training wrap the same functions."""

from __future__ import annotations

from typing import Any

import numpy as np

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


def picture_iou(truth: np.ndarray, alpha: np.ndarray) -> float:
    """Mean IoU of one picture.

    Args:
        truth: true alpha (height, width), 0..1.
        alpha: predicted alpha, same shape.

    Example:
        >>> float(picture_iou(np.array([[1.0, 0.0]]), np.array([[0.9, 0.2]])))
        1.0
    """
    return float(mean_iou(*confusion(truth, alpha)))


def mad(truth: np.ndarray, alpha: np.ndarray) -> float:
    """Mean absolute difference of two alphas (height, width), 0..1."""
    return float(np.abs(truth.astype("float64") - alpha).mean())


def mse(truth: np.ndarray, alpha: np.ndarray) -> float:
    """Mean squared difference of two alphas (height, width), 0..1."""
    return float(((truth.astype("float64") - alpha) ** 2).mean())


def sad(truth: np.ndarray, alpha: np.ndarray) -> float:
    """Sum of absolute differences of two alphas (height, width), divided by 1000."""
    return float(np.abs(truth.astype("float64") - alpha).sum() / 1000)
