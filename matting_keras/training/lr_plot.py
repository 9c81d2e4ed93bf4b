"""The picture of a learning rate range test."""

from __future__ import annotations

import os

import numpy as np

from matting_keras.atomic import atomic_path
from matting_keras.errors import InputError
from matting_keras.training.lr_curve import RangeTest

# Okabe and Ito's colours, which people tell apart who do not see red or green.
BLUE, ORANGE, GREEN, GRAY = "#0072b2", "#d55e00", "#009e73", "#8c8c8c"

ENDS = {
    "complete": "all steps done",
    "diverged": "stopped where the loss diverged",
    "not finite": "stopped where the loss was no number",
}


def draw(found: RangeTest, path: str | os.PathLike) -> None:
    """Draw losses over rates, with the suggestion, as a PNG of 1200 × 720.

    Args:
        found: by a range test.
        path: the file to write.

    Raises:
        InputError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError(
            f"a plot of learning rates needs matplotlib ({error}); pip install "
            "'matting-keras[plots]', that is '.[plots]' in a checkout."
        ) from error
    figure = Figure(figsize=(10, 6), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(found.rates, found.losses, color=GRAY, linewidth=0.9, label="loss of each step")
    axes.plot(found.rates, found.smoothed, color=BLUE, linewidth=2.2, label="smoothed")
    axes.set_xscale("log" if found.ramp == "exponential" else "linear")
    _limit(axes, found)
    _mark(axes, found)
    axes.set_xlabel("learning rate", fontsize=12)
    axes.set_ylabel("loss", fontsize=12)
    axes.set_title(_title(found), fontsize=13, loc="left")
    axes.grid(which="major", color="#e0e0e0", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=11)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")


def _title(found: RangeTest) -> str:
    return f"Learning rate range test: {len(found.rates)} steps, {ENDS[found.ended]}"


def _limit(axes, found: RangeTest) -> None:
    low, high = min(found.losses), max(found.smoothed)
    margin = max(high - low, 1e-3 * abs(high), 1e-12)
    # One exploded loss would flatten everything that matters.
    axes.set_ylim(low - 0.1 * margin, high + 0.4 * margin)


def _mark(axes, found: RangeTest) -> None:
    """Lines at the candidates, the one that is suggested thick, with its number beside it."""
    if found.steepest is None:
        axes.text(0.02, 0.03, "no suggestion: the loss never fell", transform=axes.transAxes)
        return
    names = {"steepest": "steepest fall", "conservative": "a tenth of where it diverged"}
    for name, colour in (("steepest", ORANGE), ("conservative", GREEN)):
        rate = getattr(found, name)
        if rate is None:
            continue
        chosen = rate == found.suggestion
        axes.axvline(
            rate,
            color=colour,
            linestyle="-" if chosen else "--",
            linewidth=2 if chosen else 1.2,
            label=f"{names[name]}: {rate:.2e}",
        )
        if chosen:
            _name(axes, found, colour)


def _name(axes, found: RangeTest, colour: str) -> None:
    """A dot on the curve at the suggestion, and its number where there is room for it."""
    rate = found.suggestion
    index = int(np.argmin(np.abs(np.log(found.rates) - np.log(rate))))
    axes.plot(rate, found.smoothed[index], "o", color=colour, markersize=8, zorder=3)
    right = 2 * index > len(found.rates)
    axes.annotate(
        f"suggestion {rate:.3g}",
        (rate, 0.04),
        xycoords=("data", "axes fraction"),
        xytext=(-8 if right else 8, 0),
        textcoords="offset points",
        ha="right" if right else "left",
        color=colour,
        fontsize=12,
        fontweight="bold",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 2},
    )
