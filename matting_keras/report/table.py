"""All models and all figures side by side."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from matting_keras.report.figures import MEANINGS, NOTHING, best, shown, wanted

if TYPE_CHECKING:
    from matting_keras.evaluate import Evaluation

PARTS = (("summary", "Whole picture"), ("band_summary", "Hair and soft edge only"))


def summary_table(evaluations: Sequence[Evaluation]) -> str:
    """One row a model, one column a figure, the best of each data set marked.

    Returns:
        HTML: a table in a box of its own that scrolls sideways where the page is narrow.
    """
    columns = [(part, figure) for part, _ in PARTS for figure in _figures(evaluations, part)]
    marks = _marks(evaluations, columns)
    rows = "".join(_row(evaluation, columns, marks) for evaluation in evaluations)
    marked = (
        "<p class=note>Marked: the best of its column among models on the same data.</p>"
        if any(marks.values())
        else ""
    )
    return (
        "<div class=scroll tabindex=0 role=region aria-label='Summary table'><table><thead>"
        f"{_heads(evaluations, columns)}</thead><tbody>{rows}</tbody></table></div>{marked}"
        f"{_glossary(evaluations)}"
    )


def conditions(evaluation: Evaluation) -> str:
    """On what data and at which input size: two runs of one model differ in nothing else."""
    size = f", {evaluation.area:,} px" if evaluation.area else ""
    size += ", two looks" if evaluation.looks == 2 else ""
    return escape(evaluation.data) + size


def _figures(evaluations: Sequence[Evaluation], part: str) -> list[str]:
    found = dict.fromkeys(key for e in evaluations for key in getattr(e, part))
    known = [figure for figure in MEANINGS if figure in found]
    return known + [figure for figure in found if figure not in MEANINGS]


def _marks(evaluations: Sequence[Evaluation], columns: list[tuple[str, str]]) -> dict:
    return {
        (data, part, figure): best(
            figure, [getattr(e, part).get(figure) for e in evaluations if e.data == data]
        )
        for data in {e.data for e in evaluations}
        for part, figure in columns
    }


def _heads(evaluations: Sequence[Evaluation], columns: list[tuple[str, str]]) -> str:
    spans = [(title, sum(owner == part for owner, _ in columns)) for part, title in PARTS]
    groups = "".join(
        f"<th class=part scope=colgroup colspan={count}>{title}</th>"
        for title, count in spans
        if count
    )
    names = "".join(
        f"<th scope=col{_edge(columns, at)} title='{wanted(figure)}'>{escape(figure)} "
        f"<small>{'↑' if wanted(figure).startswith('higher') else '↓'}</small></th>"
        for at, (_, figure) in enumerate(columns)
    )
    return (
        f"<tr><td></td>{groups}<td class=edge></td></tr><tr><th scope=col>Model</th>"
        f"{names}<th scope=col class=edge>Photos</th></tr>"
    )


def _row(evaluation: Evaluation, columns: list[tuple[str, str]], marks: dict) -> str:
    cells = []
    for at, (part, figure) in enumerate(columns):
        text = shown(figure, getattr(evaluation, part).get(figure))
        won = text != NOTHING and text == marks[evaluation.data, part, figure]
        body = f"<mark>{text}</mark>" if won else text
        cells.append(f"<td{_edge(columns, at)}>{body}</td>")
    return (
        f"<tr><th scope=row>{escape(evaluation.model)}<small>{conditions(evaluation)}</small></th>"
        f"{''.join(cells)}<td class=edge>{len(evaluation.rows):,}</td></tr>"
    )


def _edge(columns: list[tuple[str, str]], at: int) -> str:
    """A rule is drawn where a part begins."""
    return " class=edge" if at == 0 or columns[at - 1][0] != columns[at][0] else ""


def _glossary(evaluations: Sequence[Evaluation]) -> str:
    terms = "".join(
        f"<dt>{escape(figure)}</dt><dd>{MEANINGS[figure]} {wanted(figure).capitalize()}.</dd>"
        for figure in _figures(evaluations, "summary")
        if figure in MEANINGS
    )
    return (
        f"<details class=terms><summary>What the figures mean</summary><dl>{terms}</dl></details>"
    )
