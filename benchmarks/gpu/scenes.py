"""`matting_keras.data.compose` once more in jax: people in front of other backgrounds."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def over(
    image: jax.Array, alpha: jax.Array, background: jax.Array, rough: jax.Array, light: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Composite people over backgrounds.

    Args:
        image: float32 (batch, height, width, channels), 0..255.
        alpha: float32 (batch, height, width, 1), 0..1.
        background: float32, same shape as image.
        rough: bool (batch,): the alpha is a hard mask, so it is softened and pulled inwards first.
        light: float32 (batch,), uniform in -1..1: the person's light against the scene's.

    Returns:
        The composites and their alphas.
    """
    alpha = jnp.where(rough[:, None, None, None], pulled_in(alpha), alpha)
    gain = 1 + 0.15 * light[:, None, None, None]
    return alpha * image * gain + (1 - alpha) * background, alpha


def pulled_in(alpha: jax.Array) -> jax.Array:
    """Hard masks with a soft border that begins inside their old one."""
    smooth = jnp.pad(alpha, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="symmetric")
    for axis in (1, 2, 1, 2):
        length = smooth.shape[axis] - 2
        smooth = sum(jax.lax.slice_in_dim(smooth, i, i + length, axis=axis) for i in range(3)) / 3
    return jnp.clip(2 * smooth - 1, 0.0, 1.0)


def eased(scene: jax.Array, hard: jax.Array, colour: jax.Array) -> jax.Array:
    """Fade scenes into one even colour each.

    Args:
        scene: float32 (batch, height, width, channels), 0..255.
        hard: float32 scalar, 0 for the colour alone to 1 for the scene alone.
        colour: float32 (batch, 1, 1, channels), 0..255.
    """
    return hard * scene + (1 - hard) * colour


def hardness(step: jax.Array, ramp: int) -> jax.Array:
    """How much of a scene shows: eleven plateaus of `ramp` steps, 0, 0.1 ... 1."""
    return jnp.minimum((step // ramp).astype(jnp.float32) / 10, 1.0)


def unknown_band(alpha: jax.Array, reach: int, certain: float = 0.05) -> jax.Array:
    """The pixels within reach of an edge or of anything soft.

    As `matting_keras.data.trimap.unknown_band`, but within reach means a square window, not a disc.

    Args:
        alpha: float32 (batch, height, width, 1), 0..1.
        reach: in pixels.
        certain: an alpha this near to 0 or to 1 is background or person.

    Returns:
        float32 of the same shape: 1 inside the band, 0 elsewhere.
    """
    window = (1, 2 * reach + 1, 2 * reach + 1, 1)
    options = {"window_dimensions": window, "window_strides": (1,) * 4, "padding": "SAME"}
    highest = jax.lax.reduce_window(alpha, -jnp.inf, jax.lax.max, **options)
    lowest = jax.lax.reduce_window(alpha, jnp.inf, jax.lax.min, **options)
    return ((highest > certain) & (lowest < 1 - certain)).astype(jnp.float32)
