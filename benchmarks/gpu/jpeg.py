"""What JPEG does to a picture, without writing one: blocks of eight, cosines, quantisation.

As libjpeg does it by default, but for rounding: the two colour planes are halved, and doubled
smoothly.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

LIGHT = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)
"""Steps of the light plane at quality 50, row after row: ITU-T T.81, table K.1."""

COLOUR = (
    *(17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99),
    *(24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 32),
)
"""Steps of the two colour planes at quality 50: table K.2."""

_PLACES = np.arange(8)
COSINES = np.cos((2 * _PLACES[None, :] + 1) * _PLACES[:, None] * np.pi / 16) / 2
COSINES[0] /= np.sqrt(2)

TO_PLANES = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
)


def compressed(image: jax.Array, quality: jax.Array) -> jax.Array:
    """A picture after JPEG.

    Args:
        image: float32 (batch, height, width, 1 or 3), 0..255; sides are multiples of 16.
        quality: float32 (batch,), 1..100.

    Returns:
        float32 of the same shape, 0..255.
    """
    image = jnp.round(image) - 128
    if image.shape[-1] == 1:
        return _shown(_quantised(image[..., 0], quality, LIGHT)[..., None])
    planes = jnp.einsum("...c,pc->...p", image, TO_PLANES, precision=lax.Precision.HIGHEST)
    # The colour planes are centred already: taking 128 off all three channels moves only the light.
    light = _quantised(planes[..., 0], quality, LIGHT)
    colours = [_doubled(_quantised(_halved(planes[..., p]), quality, COLOUR)) for p in (1, 2)]
    planes = jnp.stack([light, *colours], -1)
    back = np.linalg.inv(TO_PLANES)
    return _shown(jnp.einsum("...p,cp->...c", planes, back, precision=lax.Precision.HIGHEST))


def _shown(image: jax.Array) -> jax.Array:
    return jnp.clip(jnp.round(image + 128), 0, 255)


def _quantised(plane: jax.Array, quality: jax.Array, table: tuple[int, ...]) -> jax.Array:
    batch, height, width = plane.shape
    scale = jnp.where(quality < 50, jnp.floor(5000 / quality), 200 - 2 * quality)
    steps = jnp.array(table, jnp.float32).reshape(1, 1, 8, 1, 8)
    steps = jnp.clip(jnp.floor((steps * scale[:, None, None, None, None] + 50) / 100), 1, 255)
    blocks = plane.reshape(batch, height // 8, 8, width // 8, 8)
    found = _cosines(blocks, COSINES) / steps
    # Halves are frequent here, and libjpeg rounds them away from 0.
    found = jnp.sign(found) * jnp.floor(jnp.abs(found) + 0.5) * steps
    return jnp.round(_cosines(found, COSINES.T)).reshape(plane.shape)


def _cosines(blocks: jax.Array, matrix: np.ndarray) -> jax.Array:
    # Steps of 1 in values up to 1024: the GPU's short float formats would be felt.
    matrix = jnp.array(matrix, jnp.float32)
    return jnp.einsum("ui,bhiwj,vj->bhuwv", matrix, blocks, matrix, precision=lax.Precision.HIGHEST)


def _halved(plane: jax.Array) -> jax.Array:
    batch, height, width = plane.shape
    return plane.reshape(batch, height // 2, 2, width // 2, 2).mean((2, 4))


def _doubled(plane: jax.Array) -> jax.Array:
    for axis in (1, 2):
        length = plane.shape[axis]
        padded = jnp.pad(plane, [(int(axis == a),) * 2 for a in range(3)], mode="edge")
        before = jax.lax.slice_in_dim(padded, 0, length, axis=axis)
        after = jax.lax.slice_in_dim(padded, 2, length + 2, axis=axis)
        pair = jnp.stack([0.75 * plane + 0.25 * before, 0.75 * plane + 0.25 * after], axis + 1)
        plane = pair.reshape(*(side * (1 + (a == axis)) for a, side in enumerate(plane.shape)))
    return plane
