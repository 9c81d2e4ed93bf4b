"""From a picture to the network's input and from its alpha back to the picture's size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from matting_keras.errors import InputError
from matting_keras.geometry import Canvas, best_canvas
from matting_keras.inference.closed_form import draw_alpha
from matting_keras.inference.engines import Runtime
from matting_keras.inference.refine import refine_alpha
from matting_keras.inference.scale import enlarge, shrink, shrink_quickly
from matting_keras.media.images import Photo

BATCH = 8
"""Pictures run together; more gains nothing on a CPU and costs memory."""


class Prepared(NamedTuple):
    """A picture on its way through a network.

    Attributes:
        values: uint8 RGB (height, width, 3), scaled and padded to the network's input.
        canvas: where the picture lies in it.
        size: the picture's own (height, width).
        own: the picture's own transparency at that size, or None.
        rgb: its full-size pixels, uint8 RGB.
        refine: one of `refine.METHODS`: how the alpha comes back to the picture's size.
    """

    values: np.ndarray
    canvas: Canvas
    size: tuple[int, int]
    own: np.ndarray | None
    rgb: np.ndarray
    refine: str


def prepare(photo: Photo, area: int, refine: str = "guided", quick: bool = False) -> Prepared:
    """Scale a picture to about `area` pixels, nearly in its aspect, or pad it right and below.

    Args:
        photo: any size from 1x1 up.
        area: wanted height times width of the network's input, in pixels.
        refine: one of `refine.METHODS`: how the alpha will come back to the picture's size.
        quick: do all as is good enough for the frames of a video: scale in a tenth of the time,
            and solve for nothing.

    Returns:
        What `matte` takes. Padding repeats the last row and column, so that the network sees
        no edge where there is none.
    """
    height, width = photo.rgb.shape[:2]
    canvas = best_canvas(height, width, area)
    values = (shrink_quickly if quick else shrink)(photo.rgb, canvas.inner)
    refine = "guided" if quick and refine == "closed-form" else refine
    below, right = (outer - inner for outer, inner in zip(canvas.outer, canvas.inner, strict=True))
    values = np.pad(values, ((0, below), (0, right), (0, 0)), mode="edge")
    return Prepared(values, canvas, (height, width), photo.alpha, photo.rgb, refine)


Again = Callable[[Sequence[Prepared], np.ndarray], Sequence[tuple[np.ndarray, Prepared]]]
"""Takes pictures of one shape and the alphas found in them, gives each a better alpha, and the
picture at that alpha's size."""


def matte(
    pictures: Iterable[Prepared], runtime: Runtime, again: Again | None = None
) -> list[np.ndarray]:
    """Run prepared pictures, those of one shape together, and bring each alpha to full size.

    Args:
        pictures: from `prepare`; taken one by one, a few of each shape at a time.
        runtime: from `runtimes.open_runtime`.
        again: what looks a second time, as `looks.SecondLook`; None looks once.

    Returns:
        One float32 alpha (height, width) in 0..1 for each, in the order given.

    Raises:
        InputError: the network gave something that is not an alpha.
    """
    waiting: dict[tuple[int, ...], dict[int, Prepared]] = {}
    alphas: dict[int, np.ndarray] = {}
    for index, picture in enumerate(pictures):
        alike = waiting.setdefault(picture.values.shape, {})
        alike[index] = picture
        if len(alike) == BATCH:
            alphas |= _matted(waiting.pop(picture.values.shape), runtime, again)
    for alike in waiting.values():
        alphas |= _matted(alike, runtime, again)
    return [alphas[index] for index in range(len(alphas))]


def _matted(
    pictures: dict[int, Prepared], runtime: Runtime, again: Again | None
) -> dict[int, np.ndarray]:
    alike = list(pictures.values())
    alphas = run(runtime, np.stack([picture.values for picture in alike]).astype(np.float32))
    found = again(alike, alphas) if again else zip(alphas, alike, strict=True)
    return {index: restore(*pair) for index, pair in zip(pictures, found, strict=True)}


def restore(alpha: np.ndarray, picture: Prepared) -> np.ndarray:
    """Crop a network's alpha (height, width) to the picture and bring it to the picture's size.

    Returns:
        float32 (height, width) in 0..1, times the picture's own transparency.
    """
    alpha = inner(alpha, picture)
    height, width = alpha.shape
    if picture.refine == "off":
        alpha = enlarge(alpha, picture.size)
    else:
        drawn = draw_alpha if picture.refine == "closed-form" else refine_alpha
        alpha = drawn(picture.rgb, alpha, picture.values[:height, :width])
    return alpha if picture.own is None else alpha * picture.own


def inner(alpha: np.ndarray, picture: Prepared) -> np.ndarray:
    """Of a network's alpha (height, width) what belongs to the picture, within 0..1."""
    height, width = picture.canvas.inner
    return np.clip(alpha[:height, :width], 0, 1)


def run(runtime: Runtime, batch: np.ndarray) -> np.ndarray:
    """What a network finds in pictures.

    Args:
        runtime: from `runtimes.open_runtime`.
        batch: float32 RGB 0..255 (batch, height, width, 3).

    Returns:
        float32 (batch, height, width).

    Raises:
        InputError: the network gave something that is not an alpha.
    """
    alpha = np.asarray(runtime.run(batch), dtype=np.float32)
    if alpha.shape != (*batch.shape[:3], 1):
        raise InputError(
            f"the network gave an output of shape {alpha.shape} for {batch.shape[0]} pictures of "
            f"{batch.shape[1]}x{batch.shape[2]}; expected {(*batch.shape[:3], 1)}. Export it "
            "again with 'matting-keras export'."
        )
    if not np.isfinite(alpha).all():
        raise InputError(
            "the network gave NaN or infinite values; its weights are damaged or its training "
            "diverged. Use an earlier checkpoint."
        )
    return alpha[..., 0]
