"""Where on a photo each pixel of a canvas looks: the same for tf.data and on the device.

Beyond a photo's edge there is nothing to see. A scene is continued by its reflection, but a person
so continued stands on their own head: a network that learns from small people in wide scenes would
learn from rows of them. A person cut out of a photo is therefore continued as bodies go on, and one
that keeps their background stays inside their photo.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from keras import ops

from matting_keras.data.strengths import AugmentConfig

KEPT = 0.85
"""Least magnification of a photo that keeps its background: beyond it is its reflection."""

CUT = 0.05
"""Share of an edge that a person covers, from which on the edge is said to cut them."""

FALL = (1.5, 4.0)
"""Pixels down for each pixel outwards: how steeply shoulders and arms fall beyond the sides."""

WIDEN = 1.2
"""Most that a body widens below the photo, as a share, over the photo's width."""


class Person(NamedTuple):
    """What decides how a photo's person goes on beyond the photo.

    Attributes:
        cut: bool (batch, 3), of `cut_edges`.
        anew: bool (batch,): placed in front of another background, not in their own.
        draw: float32 (batch, 2), uniform in 0..1: steepness at the sides, widening below.
    """

    cut: object
    anew: object
    draw: object


class Places(NamedTuple):
    """Where a canvas looks.

    Attributes:
        y: float32 (batch, height, width), row on the photo, inside it.
        x: the same, column.
        shown: the same, 1 where there may be somebody, 0 above the top of their photo.
    """

    y: object
    x: object
    shown: object


def cut_edges(photo: np.ndarray) -> np.ndarray:
    """Whether a person is cut by the top of their photo, and above the shoulders by its sides.

    Args:
        photo: uint8 (height, width, channels), alpha last.

    Returns:
        bool (3,): top, left, right. Shoulders and arms may well leave at the sides.
    """
    alpha = photo[..., -1]
    upper = alpha[: max(len(alpha) // 2, 1)]
    edges = (alpha[0], upper[:, 0], upper[:, -1])
    return np.array([edge.mean() > 255 * CUT for edge in edges])


def places(size, draw, shape: tuple, config: AugmentConfig, person: Person | None = None) -> Places:
    """Flip, zoom, turn and shift photos into one shape, aspect kept.

    Args:
        size: int32 (batch, 2), height and width of the photos.
        draw: float32 (batch, 5), uniform in -1..1: flip, zoom, turn, shift down and to the right.
        shape: (height, width) of the canvas.
        config: how strongly.
        person: who is on them; None for scenes, which may go anywhere.

    Returns:
        Where each pixel of the canvas looks.
    """
    size = ops.cast(size, "float32")
    target = [ops.cast(side, "float32") for side in shape]
    step = ops.minimum(size[:, 0] / target[0], size[:, 1] / target[1])
    # Pixels of the photo per pixel of the canvas: at zoom 1 the photo just fills it.
    step = step / _zoom(draw[:, 1], config, person)
    if person:
        between = ops.logical_and(person.cut[:, 1], person.cut[:, 2])
        narrow = ops.logical_and(between, person.anew)
        step = ops.where(narrow, ops.minimum(step, size[:, 1] / target[1]), step)
    centre = (size - 1) / 2 + draw[:, 3:5] * _reach(size, step, target, config)
    down, right = centre[:, 0], centre[:, 1]
    if person:
        stays = ops.logical_not(person.anew)
        top, left, side = (ops.logical_or(person.cut[:, k], stays) for k in range(3))
        down = _inside(down, step * target[0] / 2, size[:, 0], top, stays)
        right = _inside(right, step * target[1] / 2, size[:, 1], left, side)
    y, x = _turned(down, right, step, draw, shape, target, config)
    height, width = size[:, 0, None, None], size[:, 1, None, None]
    mirrored = _reflected(y, height), _reflected(x, width)
    if person is None:
        return Places(*mirrored, ops.ones_like(x))
    body = _continued(y, x, height, width, person.draw)
    anew = person.anew[:, None, None]
    chosen = (ops.where(anew, ours, other) for ours, other in zip(body, mirrored, strict=False))
    return Places(*chosen, ops.where(anew, body.shown, 1.0))


def look(read, found: Places, size, alpha: bool):
    """Interpolate the pixels of photos at the places a canvas looks at.

    Args:
        read: gives pixels of rows and columns, int32 (batch, height, width) each, as float32
            (batch, height, width, channels).
        found: of `places`.
        size: int32 (batch, 2), height and width of the photos.
        alpha: whether the last channel is somebody's alpha, 0 where nobody can be.

    Returns:
        float32 (batch, height, width, channels).
    """
    top, left = ops.floor(found.y), ops.floor(found.x)
    down, right = (found.y - top)[..., None], (found.x - left)[..., None]
    top, left = ops.cast(top, "int32"), ops.cast(left, "int32")
    height, width = (size[:, side][:, None, None] for side in (0, 1))
    below, beside = ops.minimum(top + 1, height - 1), ops.minimum(left + 1, width - 1)
    upper = (1 - right) * read(top, left) + right * read(top, beside)
    lower = (1 - right) * read(below, left) + right * read(below, beside)
    seen = (1 - down) * upper + down * lower
    if not alpha:
        return seen
    return ops.concatenate([seen[..., :-1], seen[..., -1:] * found.shown[..., None]], axis=-1)


def _zoom(draw, config: AugmentConfig, person: Person | None):
    low, high = (math.log(bound) for bound in config.zoom)
    zoom = ops.exp(low + (draw + 1) / 2 * (high - low))
    if person is None:
        return zoom
    low, high = (math.log(max(bound, KEPT)) for bound in config.zoom)
    return ops.where(person.anew, zoom, ops.exp(low + (draw + 1) / 2 * (high - low)))


def _reach(size, step, target: list, config: AugmentConfig):
    """How far a photo may move: by its share, and where it is smaller than the canvas, anywhere."""
    window = step[:, None] * ops.stack(target)
    return config.shift * size + ops.maximum(window - size, 0.0) / 2


def _inside(centre, half, length, first, last):
    """Move a window of 2 x `half` about `centre` so that it ends where it must not leave 0..length.

    `first` and `last` say which of the ends must not; where both must not and it is too long for
    that, it is centred.
    """
    low, high = half - 0.5, length - 0.5 - half
    crowded = ops.logical_and(ops.logical_and(first, last), low > high)
    centre = ops.where(first, ops.maximum(centre, low), centre)
    centre = ops.where(last, ops.minimum(centre, high), centre)
    return ops.where(crowded, (length - 1) / 2, centre)


def _turned(y, x, step, draw, shape: tuple, target: list, config: AugmentConfig) -> tuple:
    flip = ops.where(ops.abs(draw[:, 0]) < config.flip, -1.0, 1.0)
    angle = draw[:, 2] * (config.rotate * math.pi / 180)
    cos, sin = (v[:, None, None] for v in (ops.cos(angle) * step, ops.sin(angle) * step))
    down = ops.arange(shape[0], dtype="float32")[None, :, None] - (target[0] - 1) / 2
    right = ops.arange(shape[1], dtype="float32")[None, None, :] - (target[1] - 1) / 2
    right = right * flip[:, None, None]
    return (
        y[:, None, None] + sin * right + cos * down,
        x[:, None, None] + cos * right - sin * down,
    )


def _reflected(place, length):
    """Coordinates inside 0..length - 1; the edge pixel is repeated: c b a | a b c | c b a."""
    place = ops.mod(place, 2 * length)
    place = ops.where(place >= length, 2 * length - place - 1, place)
    return ops.clip(place, 0.0, length - 1)


def _continued(y, x, height, width, draw) -> Places:
    """A body beyond its photo: it falls off to the sides, widens below, and ends at the top."""
    fall = FALL[0] + (FALL[1] - FALL[0]) * draw[:, 0, None, None]
    column = ops.clip(x, 0.0, width - 1)
    # A photo ends half a pixel beyond the middle of its last one.
    row = y - fall * ops.maximum(ops.abs(x - column) - 0.5, 0.0)
    below = ops.maximum(row - (height - 0.5), 0.0)
    middle = (width - 1) / 2
    column = middle + (column - middle) / (1 + WIDEN * draw[:, 1, None, None] * below / width)
    shown = ops.cast(row >= -0.5, "float32")
    return Places(ops.clip(row, 0.0, height - 1), column, shown)
