"""`data.augment.recolour` for whole batches on the device."""

from __future__ import annotations

import math

import numpy as np
from keras import ops

from matting_keras.data.packed.jpeg import compressed
from matting_keras.data.strengths import CAST, RELIGHT, AugmentConfig

LUMA = np.array([0.299, 0.587, 0.114], "float32")

SPREAD = math.sqrt(4 * (2**16 - 1) / 12)
"""Standard deviation of the sum of four bytes."""


def relight(image, alpha, draw, config: AugmentConfig):
    """Now and then give the person and what is behind them light of their own each.

    Args:
        image: float32 (batch, height, width, 1 or 3), 0..255.
        alpha: float32 (batch, height, width, 1), 0..1.
        draw: float32 (batch, 9), uniform in -1..1.
        config: how often.

    Returns:
        float32 of the image's shape, 0..255.
    """
    draw = draw[:, None, None]
    channels = image.shape[-1]

    def lit(light):
        share = ops.power(ops.clip(image / 255, 1e-4, 1.0), ops.exp(light[..., :1] * RELIGHT))
        return 255 * share * (1 + light[..., 1 : 1 + channels] * CAST)

    both = alpha * lit(draw[..., 1:5]) + (1 - alpha) * lit(draw[..., 5:9])
    wanted = (draw[..., :1] + 1) / 2 < config.relight
    return ops.where(wanted, ops.minimum(both, 255.0), image)


def recolour(image, draw, extra, noise, quality, config: AugmentConfig):
    """Change light, colour and the camera's quality.

    Args:
        image: float32 (batch, height, width, 1 or 3), 0..255.
        draw: float32 (batch, 12), uniform in -1..1.
        extra: float32 (batch, 2), uniform in -1..1.
        noise: float32, of the image's shape, normal; unused where config.noise is 0.
        quality: float32 (batch,), JPEG's, 1..100.
        config: how strongly.

    Returns:
        float32 of the same shape, 0..255.
    """
    draw, extra = draw[:, :, None, None, None], extra[:, :, None, None, None]
    chance = (draw[:, 6:] + 1) / 2
    if image.shape[-1] == 3:
        gray = ops.sum(image * LUMA, -1, keepdims=True)
        keep = ops.where(chance[:, 0] < config.grayscale, 0.0, 1 + draw[:, 0] * config.colour)
        image = gray + (image - gray) * keep
        image = image * (1 + ops.moveaxis(draw[:, 1:4, 0], 1, -1) * config.colour)
    gamma = ops.exp(draw[:, 4] * config.gamma)
    image = ops.power(ops.clip(image / 255, 1e-4, 1.0), gamma) * 255
    mean = ops.mean(image, (1, 2, 3), keepdims=True)
    image = mean + (image - mean) * (1 + extra[:, 0] * config.contrast)
    image = image + extra[:, 1] * config.brightness
    # What is never wanted is not even compiled.
    if config.blur:
        image = ops.where(chance[:, 1] < config.blur, _blur(image, chance[:, 2] + 0.5), image)
    if config.noise:
        image = ops.where(chance[:, 3] < config.noise, image + noise * chance[:, 4] * 12, image)
    image = ops.clip(image, 0.0, 255.0)
    if config.jpeg:
        image = ops.where(chance[:, 5] < config.jpeg, compressed(image, quality), image)
    return image


def grain(key, shape: tuple):
    """Noise of deviation 1 that is the same under every backend.

    Args:
        key: int32 (batch,).
        shape: (height, width, channels).

    Returns:
        float32 (batch, *shape). Each number is the sum of the four bytes of a hash, moved and
        scaled: no tails beyond 3.4 deviations, and no arithmetic that rounds.

    Source: the hash is MurmurHash3's last mix (Appleby).
    """
    count = shape[0] * shape[1] * shape[2]
    place = ops.arange(count, dtype="int32")[None] * _word(0x9E3779B1)
    words = _mixed(ops.bitwise_xor(_mixed(place), key[:, None]))
    total = sum(ops.bitwise_and(ops.right_shift(words, 8 * byte), 255) for byte in range(4))
    found = (ops.cast(total, "float32") - 510) / SPREAD
    return ops.reshape(found, (-1, *shape))


def _mixed(words):
    for factor, shift in ((0x85EBCA6B, 16), (0xC2B2AE35, 13)):
        words = ops.bitwise_xor(words, _shifted(words, shift)) * _word(factor)
    return ops.bitwise_xor(words, _shifted(words, 16))


def _shifted(words, places: int):
    """Shifted right, zeros coming in: int32 alone is computed by everything everywhere."""
    return ops.bitwise_and(ops.right_shift(words, places), (1 << (32 - places)) - 1)


def _word(value: int) -> np.int32:
    return np.uint32(value).astype("int32")


def _blur(image, sigma):
    taps = [ops.exp(-(place**2) / (2 * sigma**2)) for place in range(-3, 4)]
    total = sum(taps)
    for axis in (1, 2):
        padded = ops.pad(image, [(3 * (a == axis),) * 2 for a in range(4)], mode="reflect")
        length = ops.shape(image)[axis]
        image = sum(
            tap / total * ops.take(padded, ops.arange(length) + place, axis=axis)
            for place, tap in enumerate(taps)
        )
    return image
