"""Photos of any size on the GPU, as one long row of pixels.

A pixel is one word: red, green, blue, alpha in 32 bits, or gray and alpha in 16. The four
neighbours that a bilinear warp reads are four words then, and no photo is padded to the size of
another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

WORDS = {2: np.uint16, 4: np.uint32}
"""The word that holds a pixel of so many channels, alpha included."""


class Photos(NamedTuple):
    """N photos.

    Attributes:
        words: (pixels,), the photos' pixels, row after row.
        start: int32 (N,), where each photo begins.
        size: int32 (N, 2), height and width.
        rough: bool (N,), whether its alpha is a hard mask.
    """

    words: jax.Array
    start: jax.Array
    size: jax.Array
    rough: jax.Array

    @property
    def channels(self) -> int:
        """Of a pixel, alpha included."""
        return self.words.dtype.itemsize


def upload(arrays: Sequence[np.ndarray], rough: Sequence[bool]) -> Photos:
    """Put photos on the GPU.

    Args:
        arrays: uint8 (height, width, 2 or 4), alpha last; all of the same channels.
        rough: of each photo.

    Raises:
        ValueError: more pixels than 32 bits count.
    """
    counts = [array.shape[0] * array.shape[1] for array in arrays]
    if sum(counts) >= 2**31:
        raise ValueError(f"{sum(counts)} pixels are more than an index of 32 bits reaches")
    word = WORDS[arrays[0].shape[-1]]
    words = [np.ascontiguousarray(array).reshape(-1).view(word) for array in arrays]
    return Photos(
        jnp.asarray(np.concatenate(words)),
        jnp.asarray(np.concatenate([[0], np.cumsum(counts)[:-1]]).astype("int32")),
        jnp.asarray(np.array([array.shape[:2] for array in arrays], "int32")),
        jnp.asarray(np.array(rough, bool)),
    )


def read(photos: Photos, index: jax.Array, rows: jax.Array, columns: jax.Array) -> jax.Array:
    """Read pixels.

    Args:
        photos: N photos.
        index: int32 (batch,), which photos.
        rows: int32 (batch, height, width), inside the photos.
        columns: the same.

    Returns:
        float32 (batch, height, width, channels), 0..255.
    """
    start, width = (value[:, None, None] for value in (photos.start[index], photos.size[index, 1]))
    words = photos.words.at[start + rows * width + columns].get(mode="promise_in_bounds")
    return lax.bitcast_convert_type(words, jnp.uint8).astype(jnp.float32)
