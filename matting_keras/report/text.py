"""The scores of several models side by side, as lines of text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matting_keras.report.figures import TRUTHS, shown

if TYPE_CHECKING:
    from matting_keras.evaluate import Evaluation

WIDTH = 30

SEEN = 0.01
"""Mean alpha of an empty picture above which a network finds somebody in it."""


def header(first: Evaluation) -> str:
    """The lines above a table: what was measured on what, and the names of the columns.

    Args:
        first: of the evaluations in the table; all are of the same photos and figures.
    """
    columns = [*first.figures, *(f"{name}~" for name in first.band_summary)]
    return "\n".join(
        [
            f"{first.data}: {len(first.rows)} photos. {TRUTHS[first.truth]}",
            "Mean per photo, at the photos' own size; SAD, Grad and Conn in thousands; "
            "~ inside the unknown band alone.",
            f"{'model':{WIDTH}} {'input':>10}" + "".join(f"{name:>9}" for name in columns),
        ]
    )


def worst(evaluations: Sequence[Evaluation]) -> str:
    """The picture on which each model is most wrong, and on how many it finds somebody.

    Args:
        evaluations: of pictures in which nobody is.
    """
    lines = []
    for evaluation in evaluations:
        means = [row["MAD"] for row in evaluation.rows]
        most = max(evaluation.rows, key=lambda row: row["MAD"])
        lines.append(
            f"{evaluation.model}: at worst {most['MAD']:.4f}, {most['name']}; over "
            f"{SEEN} on {sum(mean > SEEN for mean in means)} of {len(means)}"
        )
    return "\n".join(lines)


def line(evaluation: Evaluation) -> str:
    """One model's line: its input in pixels, - where it has no fixed size, ×2 where seen twice."""
    values = [*evaluation.summary.items(), *evaluation.band_summary.items()]
    area = f"{evaluation.area:,}" if evaluation.area else "-"
    area += "×2" if evaluation.looks == 2 else ""
    figures = "".join(f"{shown(name, value):>9}" for name, value in values)
    return f"{evaluation.model:{WIDTH}} {area:>10}{figures}"
