"""One picture of the results: latency by size and engine, and where a frame's time goes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from matting_keras.atomic import atomic_path
from matting_keras.benchmark.frame import STAGES
from matting_keras.benchmark.latency import cores
from matting_keras.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PLOTTED = ("latency", "frame")
"""The parts that a plot shows."""

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999")
"""Okabe and Ito's palette, which most colour-blind readers can tell apart."""

ROW = 0.32
"""Inches of height a bar."""

GAP = 0.7
"""Bars' heights between groups of bars."""

READABLE = 0.06
"""Share of the longest bar from which a stage has room for its number."""


def require() -> None:
    """Make sure that plots can be drawn.

    Raises:
        InputError: matplotlib is not installed.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"--plot needs matplotlib ({error}); pip install 'matting-keras[plots]'."
        ) from error


def plot(facts: dict, path: str | os.PathLike) -> None:
    """Draw the results as one PNG.

    Args:
        facts: what the benchmark found; parts other than `PLOTTED` are left out.
        path: the file to write.

    Raises:
        InputError: matplotlib is not installed.
    """
    require()
    from matplotlib.figure import Figure

    shown = [part for part in PLOTTED if part in facts]
    heights = [2.2 + ROW * _bars(facts, part) for part in shown]
    # A figure without pyplot: no window, no state that outlives the call.
    figure = Figure(figsize=(9, sum(heights)), layout="constrained")
    axes = figure.subplots(len(shown), 1, squeeze=False, height_ratios=heights)[:, 0]
    for part, place in zip(shown, axes, strict=True):
        _PANELS[part](place, facts[part])
    machine = facts["machine"]
    figure.suptitle(f"{machine['processor']}, {machine['cores']} cores", fontsize=11)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)


def _latency(place: Axes, part: dict) -> None:
    rows = sorted(part["rows"], key=lambda row: (row["width"] * row["height"], row["model"]))
    runtimes = list(dict.fromkeys(row["runtime"] for row in rows))
    most = max(cores(row["threads"]) for row in rows)
    ticks: dict[str, list[float]] = {}
    named = set()
    for number, row in enumerate(rows):
        ticks.setdefault(_group(row), [])
        at = number + GAP * len(ticks)
        ticks[_group(row)].append(at)
        engine = f"{row['runtime']}, {row['threads']}"
        bars = place.barh(
            at,
            row["median_ms"],
            color=COLOURS[runtimes.index(row["runtime"]) % len(COLOURS)],
            alpha=1 if cores(row["threads"]) == most else 0.5,
            # A name that begins with _ is left out of the legend.
            label=f"_{engine}" if engine in named else engine,
        )
        named.add(engine)
        place.bar_label(bars, [f"{row['median_ms']:.1f}"], padding=3, fontsize=8)
    middles = [sum(places) / len(places) for places in ticks.values()]
    place.set_yticks(middles, list(ticks))
    _finish(place, "One picture through the network, median ms", "runtime, threads")


def _frame(place: Axes, part: dict) -> None:
    names = []
    longest = max(row["sum_ms"] for row in part["rows"])
    for number, row in enumerate(part["rows"]):
        left, at = 0.0, 2 * number
        for stage, colour in zip(STAGES, COLOURS, strict=False):
            value = row["stages_ms"][stage]
            label = f"_{stage}" if number else stage
            place.barh(at, value, left=left, color=colour, label=label)
            if value > READABLE * longest:
                place.text(left + value / 2, at, f"{value:.1f}", ha="center", va="center", size=8)
            left += value
        whole = place.barh(at + 1, row["end_to_end_ms"], color="#bbbbbb")
        rate = f"{row['end_to_end_ms']:.1f} ms, {row['frames_per_second']:.1f} frames/s"
        place.bar_label(whole, [rate], padding=3, fontsize=8)
        names += [f"{row['model']}, {row['runtime']}", "the demo's loop, untouched"]
    place.set_yticks(range(len(names)), names)
    size = f"{part['width']}×{part['height']}"
    _finish(place, f"One frame of a {size} webcam, median ms", "stage")


def _finish(place: Axes, title: str, legend: str) -> None:
    place.invert_yaxis()
    place.set_title(title, loc="left", fontsize=10)
    place.margins(x=0.2, y=0.02)
    place.set_xlim(left=0)
    place.spines[["top", "right"]].set_visible(False)
    place.legend(
        title=legend, fontsize=8, title_fontsize=8, loc="upper left", bbox_to_anchor=(1, 1)
    )


def _group(row: dict) -> str:
    return f"{row['model']}\n{row['width']}×{row['height']}"


def _bars(facts: dict, part: str) -> int:
    return len(facts[part]["rows"]) * (2 if part == "frame" else 1)


_PANELS = {"latency": _latency, "frame": _frame}
