"""The best, the median and the worst photos, each as a strip of small pictures."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from matting_keras.inference.composite import composite
from matting_keras.report.figures import column, shown

if TYPE_CHECKING:
    from matting_keras.evaluate import Evaluation

DOZEN = 12
SIDE = 300
"""Longest side of a small picture: about twice what a strip shows it at."""

QUALITY = 80
FALSE_PERSON = (213, 94, 0)
MISSED_PERSON = (0, 114, 178)
"""Orange and blue are told apart by all common kinds of colour blindness."""

PLAIN = (92, 160, 148)
"""Behind the cut-out: dark hair, light hair and grey halos all stand out against it."""


def strips(evaluation: Evaluation) -> str:
    """Groups of photos by their MAD, the worst first.

    Args:
        evaluation: its photos are matted again one by one, so memory stays flat.

    Returns:
        HTML. No photo appears twice; photos without a MAD are left out, which is said.
    """
    mads = column(evaluation.rows, "MAD")
    html = []
    for title, chosen in choose(mads):
        low, high = shown("MAD", mads[chosen].min()), shown("MAD", mads[chosen].max())
        span = low if low == high else f"{low} to {high}"
        html.append(
            f"<h4>{title} <small>MAD {span}</small></h4><div class=strips>"
            + "".join(_strip(evaluation, int(at)) for at in chosen)
            + "</div>"
        )
    left_out = int(np.isnan(mads).sum())
    if left_out:
        html.append(f"<p class=note>Without a MAD and so not shown: {left_out}.</p>")
    return "".join(html)


def choose(mads: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Pick the worst, the median and the best dozen.

    Args:
        mads: float (photos,); those that are NaN are never picked.

    Returns:
        A title and indices for each group. Fewer than three dozen are shared out in thirds, at
        most one dozen makes a single group.

    Example:
        >>> [(title, len(chosen)) for title, chosen in choose(np.arange(100.0))]
        [('Worst 12', 12), ('Median 12', 12), ('Best 12', 12)]
    """
    order = np.argsort(mads, kind="stable")[: int(np.isfinite(mads).sum())]
    if len(order) <= DOZEN:
        return [("All photos, the worst first", order[::-1])] if len(order) else []
    if len(order) < 3 * DOZEN:
        worst, median, best = (part[::-1] for part in np.array_split(order[::-1], 3))
    else:
        middle = (len(order) - DOZEN) // 2
        best, worst = order[:DOZEN], order[-DOZEN:]
        median = order[middle : middle + DOZEN]
    named = [("Worst", worst[::-1]), ("Median", median), ("Best", best)]
    return [(f"{name} {len(chosen)}", chosen) for name, chosen in named]


def legend() -> str:
    """What the pictures of a strip are, in order, and what the colours of the error mean."""
    return (
        "<p class=legend>Photo, true matte, predicted matte, error, and the person on a plain "
        f"colour. Error: <span><i style='background:{_css(FALSE_PERSON)}'></i> background taken "
        f"for person</span> <span><i style='background:{_css(MISSED_PERSON)}'></i> person "
        "missed</span>; the stronger the colour, the larger the error. Edge MAD is taken in "
        "the hair and soft edge only.</p>"
    )


def error_picture(rgb: np.ndarray, truth: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Where a matte is wrong, painted over a faint photo.

    Args:
        rgb: uint8 (height, width, 3) at the size wanted.
        truth: true alpha, float32 in 0..1, of any size.
        alpha: predicted alpha, of the truth's size.

    Returns:
        uint8 (height, width, 3): FALSE_PERSON where alpha is too large, MISSED_PERSON where it is
        too small, mixed in by the size of the error.
    """
    size = rgb.shape[1::-1]
    # Shrunk apart: side by side, the two would cancel out.
    false, missed = (
        _shrink_plane(np.clip(sign * (alpha - truth), 0, 1), size)[..., None] for sign in (1, -1)
    )
    gray = rgb.mean(axis=2, keepdims=True) * 0.35 + 255 * 0.65
    mixed = (
        gray * (1 - false - missed)
        + false * np.array(FALSE_PERSON)
        + missed * np.array(MISSED_PERSON)
    )
    return np.clip(mixed + 0.5, 0, 255).astype(np.uint8)


def _strip(evaluation: Evaluation, index: int) -> str:
    row = evaluation.rows[index]
    name = escape(str(row["name"]))
    rgb, truth, alpha = evaluation.again(index)
    size = _fitted(rgb.shape[:2])
    small = np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS))
    true, found = (_shrink_plane(np.clip(plane, 0, 1), size) for plane in (truth, alpha))
    pictures = [
        ("Photo", small),
        ("Truth", _gray(true)),
        ("Prediction", _gray(found)),
        ("Error", error_picture(small, truth, alpha)),
        ("Composite", composite(small, found, PLAIN)),
    ]
    cells = "".join(_cell(title, name, picture) for title, picture in pictures)
    return f"<article class=strip><header><b>{name}</b>{_figures(row)}</header>{cells}</article>"


def _figures(row: dict) -> str:
    """The figures that tell a photo's story: all over, as a shape, and in the hair."""
    pairs = [(figure, row.get(figure)) for figure in ("MAD", "mIoU")]
    pairs.append(("edge MAD", (row.get("band") or {}).get("MAD")))
    return "".join(f"<span>{title} {shown('MAD', value)}</span>" for title, value in pairs)


def _cell(title: str, name: str, picture: np.ndarray) -> str:
    height, width = picture.shape[:2]
    return (
        f"<figure><img loading=lazy decoding=async width={width} height={height} "
        f'alt="{title} of {name}" src="{data_uri(picture)}">'
        f"<figcaption>{title}</figcaption></figure>"
    )


def data_uri(picture: np.ndarray) -> str:
    """A uint8 picture, gray or RGB, as a JPEG inside an address."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def _fitted(shape: Sequence[int]) -> tuple[int, int]:
    """(width, height) of a small picture; a photo that is small already keeps its size."""
    scale = min(1.0, SIDE / max(shape))
    return tuple(max(1, round(side * scale)) for side in shape[::-1])


def _shrink_plane(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    image = Image.fromarray(np.ascontiguousarray(plane, dtype=np.float32))
    return np.asarray(image.resize(size, Image.Resampling.BOX))


def _gray(plane: np.ndarray) -> np.ndarray:
    return (np.clip(plane, 0, 1) * 255 + 0.5).astype(np.uint8)


def _css(colour: tuple[int, int, int]) -> str:
    return "#" + "".join(f"{value:02x}" for value in colour)
