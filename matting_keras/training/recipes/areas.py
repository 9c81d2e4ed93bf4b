"""What the recipes' losses are made of: means within an area, blurs, dilations, roots.

Everything is keras.ops on float32 maps (batch, height, width, 1), of any height and width, and runs
traced, under XLA, on every backend.
"""

from __future__ import annotations

import math

from keras import ops

SLACK = 1e-6
"""What is added under a root, so that its slope stays finite where there is no error."""


def mean_within(values, area):
    """The mean of values inside an area, over the whole batch; 0 where the area is empty.

    Args:
        values: float32 (batch, height, width, 1).
        area: float32, same shape, 0 or 1.

    Returns:
        A scalar: sum(values * area) / max(sum(area), 1). An area of 0 and 1 has no sum between 0
        and 1, so the maximum only matters where the area is empty: the published codes divide by
        0 there (u-2-net-portrait, and MODNet's adaptation), which is where their NaN came from.

    Example:
        >>> values = ops.reshape(ops.convert_to_tensor([1.0, 2.0, 6.0]), (1, 1, 3, 1))
        >>> area = ops.reshape(ops.convert_to_tensor([1.0, 1.0, 0.0]), (1, 1, 3, 1))
        >>> float(mean_within(values, area)), float(mean_within(values, 0 * area))
        (1.5, 0.0)
    """
    return ops.sum(values * area) / ops.maximum(ops.sum(area), 1.0)


def rooted(squares, area=None):
    """The root of each sample's mean squared error, averaged over the batch.

    Args:
        squares: squared errors, float32 (batch, height, width, 1).
        area: 0 or 1, same shape: where to take the mean; None for everywhere. A sample without
            any area counts as 0.

    Returns:
        A scalar: mean over samples of sqrt(mean square + 1e-6) - sqrt(1e-6). The last term only
        makes a perfect sample, and one without an area, exactly 0; it changes no gradient.
    """
    axes = (1, 2, 3)
    if area is None:
        means = ops.mean(squares, axes)
    else:
        means = ops.sum(squares * area, axes) / ops.maximum(ops.sum(area, axes), 1.0)
    return ops.mean(ops.sqrt(means + SLACK)) - math.sqrt(SLACK)


def trusted_band(target):
    """The unknown band of refined samples; empty for rough ones.

    The border of a rough mask is somebody's guess, so no term may dwell on it.

    Args:
        target: "unknown" (batch, height, width, 1) and "refined" (batch,), 0 or 1.
    """
    return target["unknown"] * ops.reshape(target["refined"], (-1, 1, 1, 1))


def blurred(alpha, size: int, sigma: float):
    """A Gaussian blur that takes nothing from beyond the border.

    Args:
        alpha: float32 (batch, height, width, 1).
        size: taps in each direction, odd.
        sigma: in pixels.

    Returns:
        Same shape. Where the kernel hangs over the border, the weights of what is inside are
        scaled up to sum to 1, so a constant stays the constant. Zero padding, as in
        u-2-net-portrait, pulls a person cut by the border to a half there; reflection, as in
        MODNet, needs maps larger than the kernel.

    Shifted copies are added up rather than convolved: on a GPU a convolution would silently use
    19-bit TF32 products.
    """
    taps = [math.exp(-((i - size // 2) ** 2) / (2 * sigma**2)) for i in range(size)]
    smooth = _weighted(_weighted(alpha, taps, 1), taps, 2)
    inside = ops.ones_like(alpha[:1])
    return smooth / _weighted(_weighted(inside, taps, 1), taps, 2)


def _weighted(values, taps: list[float], axis: int):
    """Sum of shifted copies along one axis, with zeros beyond the border."""
    reach = len(taps) // 2
    around = [(0, 0)] * 4
    around[axis] = (reach, reach)
    padded = ops.pad(values, around)
    total = 0.0
    for shift, tap in enumerate(taps):
        window = [slice(None)] * 4
        window[axis] = slice(shift, (shift - 2 * reach) or None)
        total = total + tap / sum(taps) * padded[tuple(window)]
    return total


def dilated(values, size: int):
    """The largest value in a square around each pixel; beyond the border there is nothing.

    Args:
        values: float32 (batch, height, width, 1).
        size: the square's side in pixels, odd.
    """
    rows = ops.max_pool(values, (size, 1), 1, "same")
    return ops.max_pool(rows, (1, size), 1, "same")


def eroded(values, size: int):
    """The smallest value in a square around each pixel; arguments as for `dilated`."""
    return -dilated(-values, size)


def edges(area, reach):
    """Where the square around a pixel holds both what is inside an area and what is not.

    This is dilation minus erosion, counted with running sums instead of pools, because the
    square's side may be known only when the step runs.

    Args:
        area: float32 (batch, height, width, 1), 0 or 1.
        reach: pixels from the middle of the square to its sides, an int or a tensor.

    Returns:
        float32, same shape, 0 or 1. Beyond the border there is nothing, neither in nor out.

    Example:
        >>> area = ops.reshape(ops.convert_to_tensor([1.0, 1.0, 1.0, 0.0, 0.0]), (1, 1, 5, 1))
        >>> [int(value) for value in ops.reshape(edges(area, 1), (-1,))]
        [0, 0, 1, 1, 0]
    """
    inside = _counted(_counted(area, reach, 1), reach, 2)
    everything = _counted(_counted(ops.ones_like(area[:1]), reach, 1), reach, 2)
    mixed = ops.logical_and(inside > 0.5, inside < everything - 0.5)
    return ops.cast(mixed, "float32")


def _counted(values, reach, axis: int):
    """Sums over the pixels within reach along one axis; whole numbers, so float32 is exact."""
    length = ops.shape(values)[axis]
    around = [(0, 0)] * 4
    around[axis] = (1, 0)
    sums = ops.pad(ops.cumsum(values, axis), around)
    here = ops.arange(length, dtype="int32")
    last = ops.minimum(here + reach, length - 1) + 1
    first = ops.maximum(here - reach, 0)
    return ops.take(sums, last, axis) - ops.take(sums, first, axis)
