"""Black and white point of an alpha: what is nearly nobody is nobody, what is nearly sure is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from matting_keras.errors import InputError

UNTOUCHED = (0.0, 1.0)

SHIPPED = (0.05, 0.95)
"""Of shipped weights, chosen on photos they have learned from (benchmarks/README.md, levels)."""

LEVELS_HELP = (
    "alphas up to LOW become 0 and from HIGH on 1, as in a photo editor's levels; 0 1 leaves what "
    f"the network says (default: {SHIPPED[0]} {SHIPPED[1]} for shipped weights, else 0 1)"
)


def checked(levels: Sequence[float]) -> tuple[float, float]:
    """The two levels themselves.

    Raises:
        InputError: they are not two, not in this order within 0..1, or the same.
    """
    if len(levels) != 2 or not 0 <= levels[0] < levels[1] <= 1:
        found = " ".join(map(str, levels))
        raise InputError(
            "levels must be two alphas with 0 <= LOW < HIGH <= 1, for example 0.05 0.95; got "
            f"{found or 'none'}."
        )
    return float(levels[0]), float(levels[1])


def stretched(alpha: np.ndarray, low: float, high: float) -> np.ndarray:
    """An alpha with its black and white point moved to 0 and 1.

    Networks learn from masks that contradict each other at edges, so they seldom dare to say 0 or
    1: a veil stays on the background and the person is a little transparent.

    Args:
        alpha: in 0..1, of any shape.
        low: what becomes 0.
        high: what becomes 1.

    Returns:
        The same in float32, straight between the two.

    Example:
        >>> stretched(np.float32([0.05, 0.5, 0.99]), 0.1, 0.9).tolist()
        [0.0, 0.5, 1.0]
    """
    scale = np.float32(1 / (high - low))
    return np.clip((alpha - np.float32(low)) * scale, 0, 1).astype(np.float32, copy=False)
