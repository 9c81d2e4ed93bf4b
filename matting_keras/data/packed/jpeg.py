"""What JPEG does to a picture, without writing one: blocks of eight, cosines, quantisation.

As libjpeg does it by default, but for rounding: the two colour planes are halved, and doubled
smoothly.
"""

from __future__ import annotations

from contextlib import nullcontext

import keras
import numpy as np
from keras import ops

WORST, BEST = 30, 95
"""Qualities, as in `data.augment`."""

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

HALF = 2.0**-10
"""What is this little below one half counts as one half."""

_PLACES = np.arange(8)
COSINES = np.cos((2 * _PLACES[None, :] + 1) * _PLACES[:, None] * np.pi / 16) / 2
COSINES[0] /= np.sqrt(2)
COSINES = COSINES.astype("float32")

TO_PLANES = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], "float32"
)
TO_COLOURS = np.linalg.inv(TO_PLANES.astype("float64")).astype("float32")


def compressed(image, quality):
    """A picture after JPEG.

    Args:
        image: float32 (batch, height, width, 1 or 3), 0..255; sides are multiples of 16.
        quality: float32 (batch,), 1..100.

    Returns:
        float32 of the same shape, 0..255.
    """
    with _exactly():
        image = _rounded(image) - 128
        if image.shape[-1] == 1:
            return _shown(_quantised(image[..., 0], quality, LIGHT)[..., None])
        planes = _mixed(image, TO_PLANES)
        # The colour planes are centred already: taking 128 off moves only the light.
        light = _quantised(planes[..., 0], quality, LIGHT)
        colours = [_doubled(_quantised(_halved(planes[..., p]), quality, COLOUR)) for p in (1, 2)]
        return _shown(_mixed(ops.stack([light, *colours], -1), TO_COLOURS))


def _exactly():
    """Steps of 1 in values up to 1024: the short float formats of a GPU's products are felt."""
    if keras.backend.backend() != "jax":
        return nullcontext()
    import jax

    return jax.default_matmul_precision("highest")


def _mixed(image, matrix: np.ndarray):
    return ops.stack([ops.sum(image * row, -1) for row in matrix], -1)


def _shown(image):
    return ops.clip(_rounded(image + 128), 0, 255)


def _rounded(values):
    # Halves are frequent: of flat blocks all values are eighths. Which way they go must not depend
    # on the last digit, in which backends differ.
    return ops.floor(values + (0.5 + HALF))


def _quantised(plane, quality, table: tuple[int, ...]):
    batch, height, width = ops.shape(plane)
    scale = ops.where(quality < 50, ops.floor(5000 / quality), 200 - 2 * quality)
    steps = np.array(table, "float32").reshape(1, 1, 8, 1, 8)
    steps = ops.clip(ops.floor((steps * scale[:, None, None, None, None] + 50) / 100), 1, 255)
    blocks = ops.reshape(plane, (batch, height // 8, 8, width // 8, 8))
    found = _cosines(blocks, COSINES) / steps
    # libjpeg rounds halves away from 0 here.
    found = ops.sign(found) * _rounded(ops.abs(found)) * steps
    return ops.reshape(_rounded(_cosines(found, COSINES.T)), (batch, height, width))


def _cosines(blocks, matrix: np.ndarray):
    blocks = ops.einsum("bhiwj,vj->bhiwv", blocks, matrix)
    return ops.einsum("bhiwv,ui->bhuwv", blocks, matrix)


def _halved(plane):
    batch, height, width = ops.shape(plane)
    return ops.mean(ops.reshape(plane, (batch, height // 2, 2, width // 2, 2)), (2, 4))


def _doubled(plane):
    for axis in (1, 2):
        padded = ops.pad(plane, [(int(axis == a),) * 2 for a in range(3)], mode="symmetric")
        before = padded[:, :-2] if axis == 1 else padded[:, :, :-2]
        after = padded[:, 2:] if axis == 1 else padded[:, :, 2:]
        pair = ops.stack([0.75 * plane + 0.25 * before, 0.75 * plane + 0.25 * after], axis + 1)
        sides = [side * (1 + (a == axis)) for a, side in enumerate(ops.shape(plane))]
        plane = ops.reshape(pair, sides)
    return plane
