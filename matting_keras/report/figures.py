"""What the figures are called, which way is better, and how they are printed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

MEANINGS = {
    "mIoU": "Person and background each: the pixels both mattes agree on, divided by those either "
    "one claims, after cutting at one half; the mean of the two.",
    "IoU": "The same for the person alone.",
    "MAD": "Mean absolute difference of the two mattes, 0 to 1.",
    "MSE": "Mean squared difference: a few pixels that are quite wrong weigh more.",
    "SAD": "Sum of absolute differences over the picture, in thousands; grows with its size.",
    "Grad": "How differently steep the two mattes are, in thousands: the sharpness of edges.",
    "Conn": "What hangs together in one matte and not in the other, in thousands.",
}

TRUTHS = {
    "binary": "The truth is hard masks, each pixel person or not: they tell how well a person is "
    "found, but hair cannot be judged from them, and Grad and Conn mean little.",
    "computed": "The truth was computed with the help of other networks: it favours models like "
    "those, and small differences between models prove nothing.",
    "hand-made": "The truth was made by hand, with soft edges: of all kinds it is the one to "
    "trust most on hair.",
    "empty": "Nobody is in these pictures: MAD is the mean alpha, and all "
    "that is above 0 is wrong.",
    "soft": "The truth has soft edges, but nobody knows how it was made: if networks made it, it "
    "favours models like those.",
}
"""What each kind of truth means for whoever reads the figures."""

HIGHER_IS_BETTER = ("mIoU", "IoU")

THOUSANDS = ("SAD", "Grad", "Conn")

NOTHING = "–"
"""Stands where there is no number."""


def shown(figure: str, value: float | None) -> str:
    """A value as it is printed: two decimals for figures in thousands, four for shares.

    Example:
        >>> shown("MAD", 0.01234), shown("SAD", 9.876), shown("MAD", float("nan"))
        ('0.0123', '9.88', '–')
    """
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:.2f}" if figure in THOUSANDS else f"{value:.4f}"


def wanted(figure: str) -> str:
    """Which way a figure is better, in words."""
    return "higher is better" if figure in HIGHER_IS_BETTER else "lower is better"


def best(figure: str, values: Sequence[float | None]) -> str | None:
    """The best of several values, as it is printed; None where there is nothing to compare.

    What looks the same on the page counts as equally good.

    Example:
        >>> best("mIoU", [0.9, 0.95, None]), best("MAD", [0.02])
        ('0.9500', None)
    """
    known = [value for value in values if shown(figure, value) != NOTHING]
    if len(known) < 2:
        return None
    return shown(figure, max(known) if figure in HIGHER_IS_BETTER else min(known))


def column(rows: Sequence[dict], key: str) -> np.ndarray:
    """One value of every row, float (rows,); NaN where a row lacks it."""
    return np.array([number(row.get(key)) for row in rows])


def number(value: object) -> float:
    """A value as a finite float, or NaN."""
    return float(value) if value is not None and math.isfinite(value) else math.nan
