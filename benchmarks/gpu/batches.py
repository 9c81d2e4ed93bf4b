"""Augmented batches, made on the GPU from photos that lie there, and which photo comes when."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.gpu.augment import recolour, warp
from benchmarks.gpu.photos import Photos
from benchmarks.gpu.scenes import eased, hardness, over

WORST, BEST = 30, 95
"""JPEG qualities, as in `matting_keras.data.augment`."""


def batch(
    people: Photos,
    scenes: Photos | None,
    index: jax.Array,
    step: jax.Array,
    key: jax.Array,
    shape: tuple[int, int],
    config: Any,
    ramp: int = 0,
) -> tuple[jax.Array, jax.Array]:
    """Make one batch, as `matting_keras.data.pipeline` makes a sample.

    Args:
        people: photos to learn from.
        scenes: pictures without people, or None for no composites.
        index: int32 (batch,), which people.
        step: int32 scalar, the number of the batch.
        key: of this batch.
        shape: (height, width).
        config: an `AugmentConfig`, or anything with its attributes.
        ramp: steps after which composites get a tenth harder; 0 for none.

    Returns:
        image float32 (batch, *shape, channels) in 0..255, alpha float32 (batch, *shape, 1) in 0..1.
    """
    count, keys = len(index), jax.random.split(key, 6)
    moved = warp(people, index, _uniform(keys[0], count, 5), shape, config)
    image, alpha = moved[..., :-1], moved[..., -1:] / 255
    if scenes is not None and config.composite + config.empty > 0:
        image, alpha = _composited(
            image, alpha, people.rough[index], scenes, step, keys[1], shape, config, ramp
        )
    image = recolour(
        image,
        _uniform(keys[2], count, 12),
        _uniform(keys[3], count, 2),
        jax.random.normal(keys[4], image.shape),
        jax.random.randint(keys[5], (count,), WORST, BEST).astype(jnp.float32),
        config,
    )
    return image, jnp.clip(alpha, 0.0, 1.0)


def _composited(image, alpha, rough, scenes, step, key, shape, config, ramp):
    count, keys = len(image), jax.random.split(key, 5)
    chance = jax.random.uniform(keys[0], (count, 1, 1, 1))
    chosen = jax.random.randint(keys[1], (count,), 0, len(scenes.start))
    scene = warp(scenes, chosen, _uniform(keys[2], count, 5), shape, config)[..., :-1]
    if ramp:
        colour = jax.random.uniform(keys[3], (count, 1, 1, image.shape[-1]), maxval=255.0)
        scene = eased(scene, hardness(step, ramp), colour)
    # An empty scene is a composite with nobody in it.
    shown = jnp.where(chance < config.empty, 0.0, alpha)
    made, truth = over(image, shown, scene, rough, _uniform(keys[4], count, 1)[:, 0])
    use = chance < config.composite + config.empty
    return jnp.where(use, made, image), jnp.where(use, truth, alpha)


def _uniform(key: jax.Array, count: int, draws: int) -> jax.Array:
    return jax.random.uniform(key, (count, draws), minval=-1.0)


class Plan:
    """Which shape and which photos each group of steps takes: follows from the seed alone.

    Every photo of a shape is taken once before any is taken again; shapes come as often as their
    photos are many.

    Args:
        wanted: int (N,), the number of each photo's shape.
        photos: int (N,), their places on the GPU; one that counts twice is in it twice.
        size: photos of a group: steps times batch size.
        seed: decides the order.
    """

    def __init__(self, wanted: np.ndarray, photos: np.ndarray, size: int, seed: int):
        self.members = {int(b): photos[wanted == b] for b in np.unique(wanted)}
        self.shares = np.array([len(m) for m in self.members.values()]) / len(wanted)
        self.size = size
        self.seed = seed
        self._taken = dict.fromkeys(self.members, 0)
        self._number = 0

    def skip(self, groups: int) -> None:
        """Leave groups out, for a run that goes on."""
        for _ in range(groups):
            self._taken[self._shape()] += self.size

    def take(self) -> tuple[int, np.ndarray]:
        """The number of a shape and int32 (size,), the photos of the next group."""
        shape = self._shape()
        first = self._taken[shape]
        self._taken[shape] += self.size
        count = len(self.members[shape])
        rounds = range(first // count, (first + self.size - 1) // count + 1)
        order = np.concatenate([self._round(shape, number) for number in rounds])
        start = first - rounds[0] * count
        return shape, order[start : start + self.size].astype("int32")

    def _shape(self) -> int:
        rng = np.random.default_rng((self.seed, 1, self._number))
        self._number += 1
        return int(rng.choice(list(self.members), p=self.shares))

    def _round(self, shape: int, number: int) -> np.ndarray:
        rng = np.random.default_rng((self.seed, 2, shape, number))
        return rng.permutation(self.members[shape])
