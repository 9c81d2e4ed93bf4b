"""From a picture to the network's input and from its alpha back to the picture's size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from matting_keras.errors import InputError
from matting_keras.geometry import Canvas, best_canvas
from matting_keras.inference.runtimes import Runtime
from matting_keras.media.images import Photo

BATCH = 8
"""Pictures run together; more gains nothing on a CPU and costs memory."""


class Prepared(NamedTuple):
    """A picture on its way through a network, without its full-size pixels.

    Attributes:
        values: uint8 RGB (height, width, 3), scaled and padded to the network's input.
        canvas: where the picture lies in it.
        size: the picture's own (height, width).
        own: the picture's own transparency at that size, or None.
    """

    values: np.ndarray
    canvas: Canvas
    size: tuple[int, int]
    own: np.ndarray | None


def prepare(photo: Photo, area: int) -> Prepared:
    """Scale a picture to about `area` pixels, aspect kept, and pad it right and below.

    Args:
        photo: any size from 1x1 up.
        area: wanted height times width of the network's input, in pixels.

    Returns:
        What `matte` takes. Padding repeats the last row and column, so that the network sees
        no edge where there is none.
    """
    height, width = photo.rgb.shape[:2]
    canvas = best_canvas(height, width, area)
    values = photo.rgb
    if canvas.inner != (height, width):
        # As photos are shrunk for training: Pillow's BILINEAR averages with a triangle when it
        # shrinks. BOX looks crisper but is not what the networks learned from, and scores less.
        values = np.asarray(
            Image.fromarray(values).resize(canvas.inner[::-1], Image.Resampling.BILINEAR)
        )
    below, right = (outer - inner for outer, inner in zip(canvas.outer, canvas.inner, strict=True))
    values = np.pad(values, ((0, below), (0, right), (0, 0)), mode="edge")
    return Prepared(values, canvas, (height, width), photo.alpha)


def matte(pictures: Sequence[Prepared], runtime: Runtime) -> list[np.ndarray]:
    """Run prepared pictures, those of one shape together, and bring each alpha to full size.

    Args:
        pictures: from `prepare`.
        runtime: from `runtimes.open_runtime`.

    Returns:
        One float32 alpha (height, width) in 0..1 for each, in the order given.

    Raises:
        InputError: the network gave something that is not an alpha.
    """
    shapes: dict[tuple[int, ...], list[int]] = {}
    for index, picture in enumerate(pictures):
        shapes.setdefault(picture.values.shape, []).append(index)
    alphas: dict[int, np.ndarray] = {}
    for indices in shapes.values():
        for start in range(0, len(indices), BATCH):
            some = indices[start : start + BATCH]
            batch = np.stack([pictures[index].values for index in some]).astype(np.float32)
            for index, alpha in zip(some, _run(runtime, batch), strict=True):
                alphas[index] = restore(alpha, pictures[index])
    return [alphas[index] for index in range(len(pictures))]


def restore(alpha: np.ndarray, picture: Prepared) -> np.ndarray:
    """Crop a network's alpha (height, width) to the picture and scale it to the picture's size.

    Returns:
        float32 (height, width) in 0..1, times the picture's own transparency.
    """
    height, width = picture.canvas.inner
    alpha = np.ascontiguousarray(alpha[:height, :width])
    if picture.size != (height, width):
        # Bilinear enlarges without overshoot and, in Pillow, averages when it shrinks.
        image = Image.fromarray(alpha).resize(picture.size[::-1], Image.Resampling.BILINEAR)
        alpha = np.asarray(image)
    alpha = np.clip(alpha, 0, 1)
    return alpha if picture.own is None else alpha * picture.own


def _run(runtime: Runtime, batch: np.ndarray) -> np.ndarray:
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
