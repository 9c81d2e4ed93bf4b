"""Random numbers that are the same under every backend, because the host computes them.

Sample k of a run draws one row of numbers, which follow from the run's seed and from k alone:
whoever computes the sample, whenever, and in whichever batch.
"""

from __future__ import annotations

import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)

WARP = slice(0, 5)
COLOUR = slice(5, 17)
EXTRA = slice(17, 19)
CHANCE, SCENE = 19, 20
SCENE_WARP = slice(21, 26)
FLAT = slice(26, 29)
LIGHT, QUALITY = 29, 30
RELIGHT = slice(31, 40)
BODY = slice(40, 42)
WIDTH = 42
"""Columns of a row: what each is for."""


def rows(seed: int, numbers: np.ndarray, width: int = WIDTH) -> np.ndarray:
    """One row for each sample.

    Args:
        seed: of the run, 0 or more.
        numbers: of the samples, int (N,), 0 or more.
        width: columns.

    Returns:
        float32 (N, width), uniform in 0..1 without 1.

    Source: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014
    (SplitMix64), with one stream a sample.

    Example:
        >>> first, again = rows(3, np.arange(4)), rows(3, np.array([2]))
        >>> bool((first[2] == again[0]).all()), first.shape
        (True, (4, 42))
    """
    return (_streams(seed, numbers, width) >> np.uint64(40)).astype("float32") * np.float32(2**-24)


def keys(seed: int, numbers: np.ndarray) -> np.ndarray:
    """One int32 for each sample, (N,), from which the device makes noise."""
    found = _streams(seed, numbers, WIDTH + 1)[:, -1]
    return (found >> np.uint64(32)).astype("uint32").view("int32")


def _streams(seed: int, numbers: np.ndarray, width: int) -> np.ndarray:
    start = _mixed(_mixed(np.array([seed], "uint64")) ^ numbers.astype("uint64"))
    return _mixed(start[:, None] + np.arange(1, width + 1, dtype="uint64") * GOLDEN)


def _mixed(values: np.ndarray) -> np.ndarray:
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
