"""How figures depend on the picture, as boxes drawn with HTML."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from matting_keras.report.figures import column, shown, wanted

GROUPS = 4

PERCENTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True)
class Trait:
    """Something photos differ in.

    Attributes:
        title: its name.
        values: float (photos,); NaN where it is not known.
        label: words for the span of some of the values.
    """

    title: str
    values: np.ndarray
    label: Callable[[np.ndarray], str]


def splits(rows: Sequence[dict], figures: Sequence[str]) -> str:
    """How figures depend on the size of the picture, of the person, and on the share of hair.

    Args:
        rows: one dictionary a photo.
        figures: names in the rows.

    Returns:
        HTML, one panel for each; a sentence instead of boxes where all photos are alike.
    """
    traits = [
        Trait("Picture size", column(rows, "height") * column(rows, "width") / 1e6, _megapixels),
        Trait("Subject size", column(rows, "subject"), _percent),
        Trait("Hair and soft edge", column(rows, "unknown"), _percent),
    ]
    grouped = [(trait, groups(trait.values)) for trait in traits]
    notes = [_alike(trait) for trait, found in grouped if len(found) < 2]
    drawn = [(trait, found) for trait, found in grouped if len(found) > 1]
    bodies = [""] * len(drawn)
    for figure in figures:
        values = column(rows, figure)
        boxes = [[_quantiles(values[group]) for group in found] for _, found in drawn]
        # One scale for all boxes of a figure: panels can be compared with each other.
        scale = _scale([box for panel in boxes for box in panel])
        for at, (trait, found) in enumerate(drawn):
            bodies[at] += _figure(figure, _labels(trait, found), boxes[at], scale)
    panels = "".join(
        f"<section class=panel><h4>{trait.title}</h4>{body}</section>"
        for (trait, _), body in zip(drawn, bodies, strict=True)
    )
    return "".join(notes) + (f"<div class=panels>{panels}</div>" if panels else "")


def groups(values: np.ndarray) -> list[np.ndarray]:
    """Split photos into about four groups of like size by one value; equal values stay together.

    Args:
        values: float (photos,); those that are NaN belong to no group.

    Returns:
        Indices of each group's photos, smallest values first.

    Example:
        >>> [group.tolist() for group in groups(np.array([5.0, 1, 2, 4, 3, 6, 8, 7]))]
        [[1, 2], [4, 3], [0, 5], [7, 6]]
    """
    order = np.argsort(values, kind="stable")[: int(np.isfinite(values).sum())]
    if not order.size:
        return []
    distinct, which, counts = np.unique(values[order], return_inverse=True, return_counts=True)
    if len(distinct) > GROUPS:
        # The middle of a run of equals decides; so no run can swallow both ends.
        middle = np.cumsum(counts) - counts / 2
        which = (middle / len(order) * GROUPS).astype(int)[which]
    return [order[which == group] for group in np.unique(which)]


def _alike(trait: Trait) -> str:
    known = trait.values[np.isfinite(trait.values)]
    said = (
        f"the same for all photos ({trait.label(known)}), so there is nothing to compare"
        if known.size
        else "not known of these photos"
    )
    return f"<p class=note>{trait.title}: {said}.</p>"


def _labels(trait: Trait, found: Sequence[np.ndarray]) -> list[str]:
    return [f"{trait.label(trait.values[group])} <small>n {len(group)}</small>" for group in found]


def _quantiles(values: np.ndarray) -> np.ndarray:
    """PERCENTILES and the mean of what is known of one group; NaN where nothing is."""
    values = values[np.isfinite(values)]
    if not values.size:
        return np.full(len(PERCENTILES) + 1, np.nan)
    return np.append(np.quantile(values, PERCENTILES), values.mean())


def _scale(boxes: Sequence[np.ndarray]) -> tuple[float, float] | None:
    known = [box for box in boxes if np.isfinite(box).all()]
    return (float(np.min(known)), float(np.max(known))) if known else None


def _figure(
    figure: str,
    labels: Sequence[str],
    boxes: Sequence[np.ndarray],
    scale: tuple[float, float] | None,
) -> str:
    title = f"<h5>{escape(figure)} <small>{wanted(figure)}</small></h5>"
    if scale is None:
        return f"{title}<p class=note>No photo has this figure.</p>"
    lines = "".join(
        f"<div class=line><span>{label}</span><div class=track>{_box(box, scale)}</div>"
        f"<b>{shown(figure, box[-1])}</b></div>"
        for label, box in zip(labels, boxes, strict=True)
    )
    low, high = (shown(figure, end) for end in scale)
    return (
        f"{title}{lines}<div class='line ends'><span></span>"
        f"<div><small>{low}</small><small>{high}</small></div><small>mean</small></div>"
    )


def _box(box: np.ndarray, scale: tuple[float, float]) -> str:
    if not np.isfinite(box).all():
        return ""
    low, high = scale
    first, left, middle, right, last = (box[:-1] - low) / ((high - low) or 1.0)
    return (
        f'<i style="left:{first:.1%};width:{last - first:.1%}"></i>'
        f'<b style="left:{left:.1%};width:{right - left:.1%}"></b>'
        f'<u style="left:{middle:.1%}"></u>'
    )


def _megapixels(values: np.ndarray) -> str:
    return _span([f"{value:.2f}" for value in (values.min(), values.max())], " MP")


def _percent(values: np.ndarray) -> str:
    decimals = 0 if values.max() >= 0.2 else 1
    return _span([f"{value * 100:.{decimals}f}" for value in (values.min(), values.max())], " %")


def _span(ends: list[str], unit: str) -> str:
    return (ends[0] if ends[0] == ends[1] else "–".join(ends)) + unit
