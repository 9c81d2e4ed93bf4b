"""The page itself: what was measured, the table, and a part for each model."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from matting_keras import __version__
from matting_keras.atomic import atomic_path
from matting_keras.errors import InputError
from matting_keras.report.charts import histogram
from matting_keras.report.figures import TRUTHS
from matting_keras.report.splits import splits
from matting_keras.report.strips import legend, strips
from matting_keras.report.style import STYLE
from matting_keras.report.table import conditions, summary_table

if TYPE_CHECKING:
    from matting_keras.evaluate import Evaluation

CHARTED = ("mIoU", "MAD")


def write_report(evaluations: Sequence[Evaluation], folder: str | os.PathLike) -> Path:
    """Write evaluations as one page that needs no other file.

    Args:
        evaluations: at least one, each with at least one photo. Photos that are shown are matted
            once more, up to 36 for each evaluation.
        folder: gets `index.html`; made if it is missing.

    Returns:
        The page's path.

    Raises:
        InputError: nothing to show, a file where the folder should be, or a place that cannot be
            written.

    Example:
        write_report([evaluate("dark-light", "portraits")], "report")
    """
    folder = Path(folder)
    _check(evaluations, folder)
    # Before the pictures, which take a while, not after them.
    with _errors_of(folder):
        folder.mkdir(parents=True, exist_ok=True)
    page = "".join(_page(evaluations))
    with _errors_of(folder), atomic_path(folder / "index.html") as temporary:
        temporary.write_text(page, encoding="utf-8", newline="\n")
    return folder / "index.html"


def _check(evaluations: Sequence[Evaluation], folder: Path) -> None:
    if not evaluations:
        raise InputError(f"{folder}: no evaluation to report; give at least one.")
    empty = [e for e in evaluations if not e.rows]
    if empty:
        raise InputError(
            f"{folder}: {empty[0].model} on {empty[0].data} has no photos to report; evaluate it "
            "on a folder that holds some."
        )
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; give a folder for the report.")


@contextmanager
def _errors_of(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{folder}: the report cannot be written ({error.strerror or error}); choose another "
            "folder."
        ) from error


def _page(evaluations: Sequence[Evaluation]) -> Iterator[str]:
    title = _title(evaluations)
    yield (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{title}</title><style>{STYLE}</style></head><body><header><h1>{title}</h1>"
    )
    yield _introduction(evaluations)
    yield "</header><main>"
    if len(evaluations) > 1:
        yield _contents(evaluations)
    yield f"<section class=summary><h2>Summary</h2>{summary_table(evaluations)}</section>"
    for at, evaluation in enumerate(evaluations):
        yield from _model(evaluation, at)
    yield "</main></body></html>\n"


def _title(evaluations: Sequence[Evaluation]) -> str:
    models = list(dict.fromkeys(e.model for e in evaluations))
    data = list(dict.fromkeys(e.data for e in evaluations))
    named = [
        found[0] if len(found) == 1 else f"{len(found)} {kind}"
        for found, kind in ((models, "models"), (data, "data sets"))
    ]
    return escape(f"{named[0]} on {named[1]}")


def _introduction(evaluations: Sequence[Evaluation]) -> str:
    photos = {e.data: len(e.rows) for e in evaluations}
    sets = ", ".join(f"{escape(data)}: {count:,}" for data, count in photos.items())
    areas = dict.fromkeys(f"{e.area:,} px" for e in evaluations if e.area)
    sizes = f"<span>input: {', '.join(areas)}</span>" if areas else ""
    truths = dict.fromkeys(e.truth for e in evaluations)
    several = len(truths) > 1
    items = "".join(
        f"<li>{_owners(evaluations, truth) if several else ''}"
        f"{TRUTHS.get(truth, TRUTHS['soft'])}</li>"
        for truth in truths
    )
    return (
        f"<p class=facts><span>matting_keras {escape(__version__)}</span>"
        f"<span>{date.today().isoformat()}</span><span>photos: {sets}</span>"
        f"{sizes}</p><div class=intro>"
        "<p>How close predicted mattes come to true ones, photo by photo, at each photo's own "
        "size. Every figure is the mean over the photos, of the whole picture and once more of "
        "the hair and soft edge alone: the band around a person's outline in which pixels can be "
        f"partly person.</p><ul class=truths>{items}</ul></div>"
    )


def _owners(evaluations: Sequence[Evaluation], truth: str) -> str:
    data = dict.fromkeys(escape(e.data) for e in evaluations if e.truth == truth)
    return f"<b>{', '.join(data)}</b>: "


def _contents(evaluations: Sequence[Evaluation]) -> str:
    entries = "".join(
        f'<li><a href="#m{at}">{escape(e.model)}</a> <small>{conditions(e)}</small></li>'
        for at, e in enumerate(evaluations)
    )
    return f"<nav aria-label=Contents><ol>{entries}</ol></nav>"


def _model(evaluation: Evaluation, at: int) -> Iterator[str]:
    charted = [figure for figure in CHARTED if figure in evaluation.figures]
    photos = len(evaluation.rows)
    size = f"<span>input: {evaluation.area:,} px</span>" if evaluation.area else ""
    yield (
        f'<section class=model id="m{at}"><h2>{escape(evaluation.model)}</h2><p class=facts>'
        f"<span>{escape(evaluation.data)}</span><span>{photos:,} photo{'s' * (photos != 1)}</span>"
        f"{size}<span>truth: {escape(evaluation.truth)}</span></p>"
        "<h3>Distribution</h3><div class=charts>"
    )
    yield from (histogram(figure, evaluation.rows) for figure in charted)
    yield "</div><h3>What it depends on</h3>"
    yield splits(evaluation.rows, charted)
    yield (
        "<p class=note>Photos in about four groups of like number (n). Box: the middle half of a "
        "group; bar in it: the median; line: from the 10th to the 90th percentile; shares are of "
        "the picture's area.</p>"
    )
    # Only the first model's pictures lie open: the others are a click away, the page stays short.
    opened = " open" if at == 0 else ""
    yield f"<details{opened}><summary><h3>Photos</h3></summary>{legend()}"
    yield strips(evaluation)
    yield "</details></section>"
