"""Scores on the people held back, at fixed sizes: mIoU and MAD over all pixels."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import keras
import numpy as np
from keras import ops

from benchmarks.gpu.step import State
from matting_keras.metrics import confusion, mean_iou


class Validation:
    """The held-back photos on the GPU, in batches of one shape each.

    Args:
        model: the network.
        photos: uint8 (height, width, channels + 1), alpha last; of a few shapes.
        batch_size: photos at a time.
    """

    def __init__(self, model: keras.Model, photos: Sequence[np.ndarray], batch_size: int = 32):
        self.model = model
        self.batches: list[tuple[jax.Array, int]] = []
        shapes = sorted({photo.shape for photo in photos})
        for shape in shapes:
            mine = np.stack([photo for photo in photos if photo.shape == shape])
            for first in range(0, len(mine), batch_size):
                some = mine[first : first + batch_size]
                # Full batches, so that a shape is compiled once; what repeats is not counted.
                full = np.resize(some, (batch_size, *shape))
                self.batches.append((jnp.asarray(full), len(some)))
        self._programs: dict[tuple[int, ...], jax.stages.Compiled] = {}

    def compile(self, state: State) -> float:
        """Compile for all shapes; returns seconds."""
        began = time.perf_counter()
        examples = {batch.shape: batch for batch, _ in self.batches}
        score = jax.jit(self._score)
        lowered = [score.lower(*state[:2], batch) for batch in examples.values()]
        with ThreadPoolExecutor(len(lowered)) as pool:
            made = pool.map(lambda program: program.compile(), lowered)
            self._programs = dict(zip(examples, made, strict=True))
        return time.perf_counter() - began

    def __call__(self, state: State) -> dict[str, float]:
        """Score the weights of a state."""
        found = [
            (self._programs[batch.shape](*state[:2], batch), batch, count)
            for batch, count in self.batches
        ]
        counts = sum(np.asarray(rows, "float64")[:count].sum(0) for rows, _, count in found)
        pixels = sum(count * batch.shape[1] * batch.shape[2] for _, batch, count in found)
        return {"val_mIoU": float(mean_iou(*counts[:4])), "val_MAD": float(counts[4] / pixels)}

    def _score(self, trained, others, batch) -> jax.Array:
        """float32 (batch, 5): the four counts of `confusion` and the absolute difference."""
        values = batch.astype(jnp.float32)
        found, _ = self.model.stateless_call(trained, others, values[..., :-1], training=False)
        found = found["alpha"] if isinstance(found, dict) else found

        def row(truth, alpha):
            return jnp.stack([*confusion(truth, alpha, ops), jnp.abs(truth - alpha).sum()])

        return jax.vmap(row)(values[..., -1:] / 255, found)
