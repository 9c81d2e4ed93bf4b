"""Distributions as bars, drawn with HTML so that their text stays text at any width."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np

from matting_keras.report.figures import column, shown, wanted

BARS = 14
"""About so many bars make a histogram: on a phone each still has room for its number."""

NARROWEST = 1e-4
"""A bar's least width: finer than that no figure is printed."""

NEAR = 1e-9
"""What rounding may add; not a difference."""

TICKS = 7
"""At most so many numbers stand below a histogram."""


def histogram(figure: str, rows: Sequence[dict]) -> str:
    """How one figure is distributed over the photos.

    Args:
        figure: its name in the rows.
        rows: one dictionary a photo.

    Returns:
        HTML. Rare values far out share the bar at their end, which is drawn lighter and says so.
    """
    values = column(rows, figure)
    values = values[np.isfinite(values)]
    head = f"<b>{escape(figure)}</b> <small>{wanted(figure)}</small>"
    if not values.size:
        return _chart(head, "<p class=note>No photo has this figure.</p>")
    facts = (
        f"mean {shown(figure, values.mean())}, median {shown(figure, np.median(values))}, "
        f"{values.size} photo{'s' * (values.size != 1)}"
    )
    if shown(figure, values.min()) == shown(figure, values.max()):
        return _chart(f"{head} <span>{facts}</span>", "<p class=note>All are equal.</p>")
    edges = _edges(values)
    counts = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0]
    open_ends = [values.min() < edges[0] - NEAR, values.max() > edges[-1] + NEAR]
    bars = "".join(
        _bar(edges, i, int(count), int(counts.max()), open_ends) for i, count in enumerate(counts)
    )
    return _chart(
        f"{head} <span>{facts}</span>",
        f'<div class=bars role=img aria-label="{escape(figure)}: {facts}">{bars}</div>'
        + _axis(edges)
        + _outside(figure, values, edges, open_ends),
    )


def _edges(values: np.ndarray) -> np.ndarray:
    low, high = np.quantile(values, [0.02, 0.98])
    if high - low < NARROWEST:
        low, high = values.min(), values.max()
    step = _round_step(max(NARROWEST, (high - low) / BARS))
    first, last = math.floor(low / step + NEAR), math.ceil(high / step - NEAR)
    # An end bar that is nearly reached anyway is drawn in full.
    first -= int(NEAR < first - values.min() / step <= 1)
    last += int(NEAR < values.max() / step - last <= 1)
    return np.arange(first, last + 1) * step


def _round_step(rough: float) -> float:
    """The next larger 1, 2 or 5 with zeros."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(nice * power for nice in (1, 2, 5, 10) if nice * power >= rough * (1 - NEAR))


def _bar(edges: np.ndarray, at: int, count: int, most: int, open_ends: list[bool]) -> str:
    below, above = at == 0 and open_ends[0], at == len(edges) - 2 and open_ends[1]
    low, high = _tick(edges[at], edges), _tick(edges[at + 1], edges)
    span = f"below {high}" if below else f"above {low}" if above else f"{low} to {high}"
    kind = " class=open" if below or above else ""
    return (
        f'<i{kind} style="--h:{count / most:.3f}" title="{span}: {count}">'
        f"<b>{count or ''}</b><u></u></i>"
    )


def _axis(edges: np.ndarray) -> str:
    """Numbers below the bars, at round values only."""
    last, step = len(edges) - 1, edges[1] - edges[0]
    whole = np.rint(edges / step).astype(int)
    every = next(n for n in (1, 2, 5, 10, 20) if (whole % n == 0).sum() <= TICKS)
    ticks = "".join(
        f'<span style="left:{at / last:.2%}">{_tick(edges[at], edges)}</span>'
        for at in np.flatnonzero(whole % every == 0)
    )
    return f"<div class=axis aria-hidden=true>{ticks}</div>"


def _tick(value: float, edges: np.ndarray) -> str:
    decimals = max(0, -math.floor(math.log10(edges[1] - edges[0]) + NEAR))
    return f"{value + 0.0:.{decimals}f}"


def _outside(figure: str, values: np.ndarray, edges: np.ndarray, open_ends: list[bool]) -> str:
    words = []
    if open_ends[0]:
        words.append(f"all below {_tick(edges[1], edges)}, down to {shown(figure, values.min())}")
    if open_ends[1]:
        words.append(f"all above {_tick(edges[-2], edges)}, up to {shown(figure, values.max())}")
    return f"<p class=note>Lighter bar: {'; '.join(words)}.</p>" if words else ""


def _chart(head: str, body: str) -> str:
    return f"<figure class=chart><figcaption>{head}</figcaption>{body}</figure>"
