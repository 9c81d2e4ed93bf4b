"""Putting a person in front of another background, inside the training pipeline."""

from __future__ import annotations

import tensorflow as tf


def over(
    image: tf.Tensor, alpha: tf.Tensor, background: tf.Tensor, rough: tf.Tensor, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Composite a person over a background.

    A rough mask is drawn a pixel or two outside the person; taken as it is, it would carry a rim
    of the old background along and teach the network to look for the rim. It is therefore
    softened and pulled inwards first, and what comes out is the truth for this sample.

    Args:
        image: float32 (height, width, channels), 0..255.
        alpha: float32 (height, width, 1), 0..1.
        background: float32, same shape as image.
        rough: bool scalar: the alpha is a hard mask.
        seed: int32 of shape (2,).

    Returns:
        The composite and its alpha. The person's light is changed a little against the scene's.
    """
    alpha = tf.cond(rough, lambda: pulled_in(alpha), lambda: alpha)
    gain = 1 + 0.15 * tf.random.stateless_uniform((), seed, -1.0, 1.0)
    return alpha * image * gain + (1 - alpha) * background, alpha


def hardness(number: tf.Tensor, ramp: int) -> tf.Tensor:
    """How much of the scene a composite shows: eleven plateaus, 0, 0.1 ... 1.

    Args:
        number: of the sample, int32 scalar.
        ramp: samples on each plateau, at least 1.

    Source: the easy-to-hard training of portrait U²-Net, whose plateaus are counted in epochs.
    """
    return tf.minimum(tf.cast(number // ramp, tf.float32) / 10, 1.0)


def eased(scene: tf.Tensor, hard: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Fade a scene into one even colour, in front of which a person is easy to see.

    Args:
        scene: float32 (height, width, channels), 0..255.
        hard: float32 scalar, 0 for the colour alone to 1 for the scene alone.
        seed: int32 of shape (2,); draws the colour.
    """
    colour = tf.random.stateless_uniform((1, 1, scene.shape[-1]), seed, 0.0, 255.0)
    return hard * scene + (1 - hard) * colour


def pulled_in(alpha: tf.Tensor) -> tf.Tensor:
    """A hard mask with a soft border that begins inside its old one.

    Args:
        alpha: float32 (height, width, 1), 0..1.
    """
    padded = tf.pad(alpha, ((2, 2), (2, 2), (0, 0)), mode="SYMMETRIC")[None]
    smooth = tf.nn.avg_pool2d(tf.nn.avg_pool2d(padded, 3, 1, "VALID"), 3, 1, "VALID")[0]
    return tf.clip_by_value(2 * smooth - 1, 0.0, 1.0)
