"""Changes that a photo may undergo without its person becoming somebody else.

Geometry moves photo and alpha together, as channels of one picture: Keras' own layers resample
masks with nearest neighbours, which would turn soft hair hard. Everything is drawn from a stateless
seed, so sample k of a run is the same whoever computes it and whenever.
"""

from __future__ import annotations

import tensorflow as tf

from matting_keras.data.placement import Person, look, places
from matting_keras.data.strengths import CAST, RELIGHT
from matting_keras.data.strengths import AugmentConfig as AugmentConfig


def warp(
    photo: tf.Tensor,
    shape: tf.Tensor,
    config: AugmentConfig,
    seed: tf.Tensor,
    cut: tf.Tensor | None = None,
    anew: tf.Tensor | bool = False,
) -> tf.Tensor:
    """Flip, zoom, turn and shift a photo into a shape of given size, aspect kept.

    Args:
        photo: (height, width, channels), any numeric type, alpha last.
        shape: the wanted (height, width), int32.
        config: how strongly.
        seed: int32 of shape (2,).
        cut: bool (3,), of `placement.cut_edges`; None for scenes.
        anew: bool scalar: the person is placed in front of another background.

    Returns:
        float32 (shape[0], shape[1], channels); what lies outside the photo is as `placement` says.
    """
    draw = tf.random.stateless_uniform((1, 5), seed, -1.0, 1.0)
    person = None
    if cut is not None:
        body = tf.random.stateless_uniform((1, 2), seed + 29)
        person = Person(cut[None], tf.convert_to_tensor(anew)[None], body)
    size = tf.shape(photo)[None, :2]
    found = places(size, draw, (shape[0], shape[1]), config, person)
    pixels = tf.reshape(photo, (-1, photo.shape[-1]))

    def read(rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.gather(pixels, rows * size[0, 1] + columns), tf.float32)

    return look(read, found, size, alpha=person is not None)[0]


def relight(
    image: tf.Tensor, alpha: tf.Tensor, config: AugmentConfig, seed: tf.Tensor
) -> tf.Tensor:
    """Now and then give the person and what is behind them light of their own each.

    Args:
        image: float32 (height, width, 1 or 3), 0..255.
        alpha: float32 (height, width, 1), 0..1.
        config: how often.
        seed: int32 of shape (2,).

    Returns:
        float32 of the image's shape, 0..255.
    """
    draw = tf.random.stateless_uniform((9,), seed, -1.0, 1.0)

    def lit(light: tf.Tensor) -> tf.Tensor:
        share = tf.clip_by_value(image / 255, 1e-4, 1.0) ** tf.exp(light[0] * RELIGHT)
        return 255 * share * (1 + light[1 : 1 + image.shape[-1]] * CAST)

    def both() -> tf.Tensor:
        return tf.minimum(alpha * lit(draw[1:5]) + (1 - alpha) * lit(draw[5:9]), 255.0)

    return tf.cond((draw[0] + 1) / 2 < config.relight, both, lambda: image)


def recolour(image: tf.Tensor, config: AugmentConfig, seed: tf.Tensor) -> tf.Tensor:
    """Change light, colour and the camera's quality.

    Args:
        image: float32 (height, width, 1 or 3), 0..255.
        config: how strongly.
        seed: int32 of shape (2,).

    Returns:
        float32 of the same shape, 0..255.
    """
    draw = tf.random.stateless_uniform((12,), seed, -1.0, 1.0)
    chance = (draw[6:] + 1) / 2
    if image.shape[-1] == 3:
        gray = tf.reduce_sum(image * [0.299, 0.587, 0.114], -1, keepdims=True)
        keep = tf.where(chance[0] < config.grayscale, 0.0, 1 + draw[0] * config.colour)
        image = gray + (image - gray) * keep
        image = image * (1 + draw[1:4] * config.colour)
    gamma = tf.exp(draw[4] * config.gamma)
    image = tf.pow(tf.clip_by_value(image / 255, 1e-4, 1.0), gamma) * 255
    extra = tf.random.stateless_uniform((2,), seed + 1, -1.0, 1.0)
    mean = tf.reduce_mean(image)
    image = mean + (image - mean) * (1 + extra[0] * config.contrast)
    image = image + extra[1] * config.brightness
    image = tf.cond(chance[1] < config.blur, lambda: _blur(image, chance[2] + 0.5), lambda: image)
    image = tf.cond(
        chance[3] < config.noise,
        lambda: image + _noise(tf.shape(image), chance[4] * 12, seed),
        lambda: image,
    )
    image = tf.clip_by_value(image, 0.0, 255.0)
    return tf.cond(chance[5] < config.jpeg, lambda: _jpeg(image, seed + 2), lambda: image)


def _blur(image: tf.Tensor, sigma: tf.Tensor) -> tf.Tensor:
    taps = tf.exp(-(tf.range(-3.0, 4.0) ** 2) / (2 * sigma**2))
    taps = taps / tf.reduce_sum(taps)
    channels = image.shape[-1]
    padded = tf.pad(image, ((3, 3), (3, 3), (0, 0)), mode="REFLECT")[None]
    for kernel in (taps[:, None], taps[None, :]):
        kernel = tf.tile(kernel[:, :, None, None], (1, 1, channels, 1))
        padded = tf.nn.depthwise_conv2d(padded, kernel, (1, 1, 1, 1), "VALID")
    return padded[0]


def _noise(shape: tf.Tensor, sigma: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    return tf.random.stateless_normal(shape, seed + 3) * sigma


def _jpeg(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    values = tf.cast(tf.round(image), tf.uint8)
    values = tf.image.stateless_random_jpeg_quality(values, 30, 95, seed)
    values = tf.ensure_shape(values, image.shape)
    return tf.cast(values, tf.float32)
