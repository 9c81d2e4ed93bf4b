"""`data.augment.warp` for whole batches on the device: the same numbers give the same picture."""

from __future__ import annotations

import math

from keras import ops

from matting_keras.data.packed.bank import read
from matting_keras.data.strengths import AugmentConfig


def warp(photos: dict, draw, shape: tuple, config: AugmentConfig):
    """Flip, zoom, turn and shift photos into one shape, aspect kept.

    Args:
        photos: from `bank.Bank.take`.
        draw: float32 (batch, 5), uniform in -1..1.
        shape: (height, width) of the result.
        config: how strongly.

    Returns:
        float32 (batch, *shape, channels), alpha last, all 0..255; what lies outside a photo is its
        reflection.
    """
    target = [ops.cast(side, "float32") for side in shape]
    size = ops.cast(photos["size"], "float32")
    flip = ops.where(ops.abs(draw[:, 0]) < config.flip, -1.0, 1.0)
    low, high = math.log(config.zoom[0]), math.log(config.zoom[1])
    zoom = ops.exp(low + (draw[:, 1] + 1) / 2 * (high - low))
    angle = draw[:, 2] * (config.rotate * math.pi / 180)
    # Pixels of the photo per pixel of the shape: at zoom 1 the photo just fills it.
    step = ops.minimum(size[:, 0] / target[0], size[:, 1] / target[1]) / zoom
    cos, sin = (v[:, None, None] for v in (ops.cos(angle) * step, ops.sin(angle) * step))
    centre = ((size - 1) / 2 + draw[:, 3:5] * config.shift * size)[:, :, None, None]
    down = ops.arange(shape[0], dtype="float32")[None, :, None] - (target[0] - 1) / 2
    right = ops.arange(shape[1], dtype="float32")[None, None, :] - (target[1] - 1) / 2
    right = right * flip[:, None, None]
    x = centre[:, 1] + cos * right - sin * down
    y = centre[:, 0] + sin * right + cos * down
    height, width = (photos["size"][:, side][:, None, None] for side in (0, 1))
    return _bilinear(photos, _reflected(y, height), _reflected(x, width), height, width)


def _reflected(place, length):
    """Coordinates inside 0..length - 1; the edge pixel is repeated: c b a | a b c | c b a."""
    length = ops.cast(length, "float32")
    place = ops.mod(place, 2 * length)
    place = ops.where(place >= length, 2 * length - place - 1, place)
    return ops.clip(place, 0.0, length - 1)


def _bilinear(photos: dict, y, x, height, width):
    top, left = ops.floor(y), ops.floor(x)
    down, right = (y - top)[..., None], (x - left)[..., None]
    top, left = ops.cast(top, "int32"), ops.cast(left, "int32")
    below, beside = ops.minimum(top + 1, height - 1), ops.minimum(left + 1, width - 1)
    upper = (1 - right) * read(photos, top, left) + right * read(photos, top, beside)
    lower = (1 - right) * read(photos, below, left) + right * read(photos, below, beside)
    return (1 - down) * upper + down * lower
