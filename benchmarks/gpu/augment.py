"""`matting_keras.data.augment` once more in jax, for whole batches on the GPU.

The same random numbers give the same picture as there. TensorFlow is what that module is written
in, and the machine has none. `config` is an `AugmentConfig`, or anything with its attributes.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.gpu.jpeg import compressed
from benchmarks.gpu.photos import Photos, read

LUMA = (0.299, 0.587, 0.114)


def warp(
    photos: Photos, index: jax.Array, draw: jax.Array, shape: tuple[int, int], config: Any
) -> jax.Array:
    """Flip, zoom, turn and shift photos into one shape, aspect kept.

    Args:
        photos: where the photos are.
        index: int32 (batch,), which ones.
        draw: float32 (batch, 5), uniform in -1..1.
        shape: (height, width) of the result.
        config: how strongly.

    Returns:
        float32 (batch, *shape, channels), alpha last, all 0..255; what lies outside a photo is
        its reflection.
    """
    size = photos.size[index].astype(jnp.float32)
    flip = jnp.where(jnp.abs(draw[:, 0]) < config.flip, -1.0, 1.0)
    low, high = math.log(config.zoom[0]), math.log(config.zoom[1])
    zoom = jnp.exp(low + (draw[:, 1] + 1) / 2 * (high - low))
    angle = draw[:, 2] * config.rotate * math.pi / 180
    # Pixels of the photo per pixel of the shape: at zoom 1 the photo just fills it.
    step = jnp.min(size / jnp.array(shape, jnp.float32), axis=1) / zoom
    cos, sin = (v[:, None, None] for v in (jnp.cos(angle) * step, jnp.sin(angle) * step))
    centre = ((size - 1) / 2 + draw[:, 3:5] * config.shift * size)[:, :, None, None]
    down = jnp.arange(shape[0], dtype=jnp.float32)[None, :, None] - (shape[0] - 1) / 2
    right = jnp.arange(shape[1], dtype=jnp.float32)[None, None, :] - (shape[1] - 1) / 2
    right = right * flip[:, None, None]
    x = centre[:, 1] + cos * right - sin * down
    y = centre[:, 0] + sin * right + cos * down
    height, width = (photos.size[index, side][:, None, None] for side in (0, 1))
    return _bilinear(photos, index, _reflected(y, height), _reflected(x, width), height, width)


def _reflected(place: jax.Array, length: jax.Array) -> jax.Array:
    """Coordinates inside 0..length - 1; the edge pixel is repeated: c b a | a b c | c b a."""
    length = length.astype(jnp.float32)
    place = jnp.mod(place, 2 * length)
    place = jnp.where(place >= length, 2 * length - place - 1, place)
    return jnp.clip(place, 0, length - 1)


def _bilinear(photos, index, y, x, height, width) -> jax.Array:
    top, left = jnp.floor(y), jnp.floor(x)
    down, right = (y - top)[..., None], (x - left)[..., None]
    top, left = top.astype(jnp.int32), left.astype(jnp.int32)
    below, beside = jnp.minimum(top + 1, height - 1), jnp.minimum(left + 1, width - 1)
    upper = (1 - right) * read(photos, index, top, left) + right * read(photos, index, top, beside)
    lower = (1 - right) * read(photos, index, below, left)
    lower += right * read(photos, index, below, beside)
    return (1 - down) * upper + down * lower


def recolour(
    image: jax.Array,
    draw: jax.Array,
    extra: jax.Array,
    noise: jax.Array,
    quality: jax.Array,
    config: Any,
) -> jax.Array:
    """Change light, colour and the camera's quality.

    Args:
        image: float32 (batch, height, width, 1 or 3), 0..255.
        draw: float32 (batch, 12), uniform in -1..1.
        extra: float32 (batch, 2), uniform in -1..1.
        noise: float32, of the image's shape, normal.
        quality: float32 (batch,), JPEG's, 1..100.
        config: how strongly.

    Returns:
        float32 of the same shape, 0..255.
    """
    draw, extra = draw[:, :, None, None, None], extra[:, :, None, None, None]
    chance = (draw[:, 6:] + 1) / 2
    if image.shape[-1] == 3:
        gray = jnp.sum(image * jnp.array(LUMA), -1, keepdims=True)
        keep = jnp.where(chance[:, 0] < config.grayscale, 0.0, 1 + draw[:, 0] * config.colour)
        image = gray + (image - gray) * keep
        image = image * (1 + jnp.moveaxis(draw[:, 1:4, 0], 1, -1) * config.colour)
    gamma = jnp.exp(draw[:, 4] * config.gamma)
    image = jnp.power(jnp.clip(image / 255, 1e-4, 1.0), gamma) * 255
    mean = jnp.mean(image, (1, 2, 3), keepdims=True)
    image = mean + (image - mean) * (1 + extra[:, 0] * config.contrast)
    image = image + extra[:, 1] * config.brightness
    # What is never wanted is not even compiled.
    if config.blur:
        image = jnp.where(chance[:, 1] < config.blur, _blur(image, chance[:, 2] + 0.5), image)
    if config.noise:
        image = jnp.where(chance[:, 3] < config.noise, image + noise * chance[:, 4] * 12, image)
    image = jnp.clip(image, 0.0, 255.0)
    if config.jpeg:
        image = jnp.where(chance[:, 5] < config.jpeg, compressed(image, quality), image)
    return image


def _blur(image: jax.Array, sigma: jax.Array) -> jax.Array:
    taps = [jnp.exp(-(place**2) / (2 * sigma**2)) for place in range(-3, 4)]
    total = sum(taps)
    for axis in (1, 2):
        around = [(0, 0)] * 4
        around[axis] = (3, 3)
        padded = jnp.pad(image, around, mode="reflect")
        length = image.shape[axis]
        image = sum(
            tap / total * jax.lax.slice_in_dim(padded, place, place + length, axis=axis)
            for place, tap in enumerate(taps)
        )
    return image
