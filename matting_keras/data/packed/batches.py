"""Batches of packed photos: which ones, and the numbers by which the device changes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from matting_keras.data.order import Shapes, fitted, in_order, training_plan
from matting_keras.data.packed import draws
from matting_keras.data.packed.bank import Bank
from matting_keras.data.share import ALL, Share
from matting_keras.data.store import Store


class TrainingBatches:
    """Endless batches, in the order in which `data.pipeline` has them; any can be asked for.

    Args:
        store: the photos.
        sizes: their (height, width); a photo goes to the shape with the nearest aspect ratio.
        shapes: the closed set of (height, width).
        batch_size: photos per batch.
        seed: decides order and augmentation.
        scenes: pictures without people for compositing, or None for none.
        ramp: batches after which composites get a tenth harder; 0 for whole scenes from the first.
        resident: bytes of photos that may stay on the device.
        share: which rows of every batch to make.
        stray: share of photos that go to a shape drawn at random.

    Raises:
        InputError: fewer photos than one batch, or cut-outs without scenes.
    """

    def __init__(
        self,
        store: Store,
        sizes: Sequence[tuple[int, int]],
        shapes: Shapes,
        batch_size: int,
        *,
        seed: int,
        scenes: Store | None = None,
        ramp: int = 0,
        resident: int = 0,
        share: Share = ALL,
        stray: float = 0.0,
    ):
        scened = scenes is not None
        self._plan = training_plan(store.samples, sizes, shapes, batch_size, seed, scened, stray)
        self.shapes = shapes
        self.seed = seed
        self.ramp = ramp * batch_size
        self.share = share
        self._rough = np.array([sample.rough for sample in store.samples])
        self._cutout = np.array([sample.cutout for sample in store.samples])
        self._people, self._scenes = Bank(store), Bank(scenes) if scenes else None
        banks = [bank for bank in (self._people, self._scenes) if bank]
        if sum(bank.nbytes for bank in banks) <= resident and all(map(Bank.can_stay, banks)):
            for bank in banks:
                bank.stay()

    def __getitem__(self, step: int) -> dict:
        """Batch number `step`, for `augment.Augment`.

        Returns:
            "canvas", uint8 (batch, height, width, 0), which has a shape and no bytes; "draw",
            float32 (batch, `draws.WIDTH`); "key", int32 (batch,); "rough" and "cutout", bool
            (batch,); "hard", float32 (batch,); "people" and "scenes", from `Bank.take`.
        """
        bucket, index = self._plan[step]
        mine = self.share.rows(len(index))
        numbers = np.arange(step * len(index), (step + 1) * len(index))[mine]
        index = index[mine]
        draw = draws.rows(self.seed, numbers)
        batch = {
            "canvas": np.zeros((len(index), *self.shapes[bucket], 0), "uint8"),
            "draw": draw,
            "key": draws.keys(self.seed, numbers),
            "rough": self._rough[index],
            "cutout": self._cutout[index],
            "hard": self._hardness(numbers),
            "people": self._people.take(index),
        }
        if self._scenes:
            chosen = (draw[:, draws.SCENE] * len(self._scenes)).astype("int32")
            batch["scenes"] = self._scenes.take(chosen)
        return batch

    def _hardness(self, numbers: np.ndarray) -> np.ndarray:
        """As `compose.hardness`: eleven plateaus, 0, 0.1 ... 1."""
        if not self.ramp:
            return np.ones(len(numbers), "float32")
        return np.minimum(numbers // self.ramp / 10, 1).astype("float32")


class HeldBatches:
    """Every photo once, placed as `pipeline.validation_batches` places it.

    Args:
        store: the photos held back.
        sizes: their (height, width).
        shapes: the closed set of (height, width).
        batch_size: photos per batch; the last batch of a shape may be smaller.
    """

    def __init__(
        self,
        store: Store,
        sizes: Sequence[tuple[int, int]],
        shapes: Shapes,
        batch_size: int,
    ):
        self._store = store
        self._batches = in_order(sizes, shapes, batch_size)
        self._made: dict[int, dict] = {}

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, number: int) -> dict:
        """Batch `number`: "placed", uint8 (batch, height, width, channels + 1), and "rough"."""
        if number not in self._made:
            shape, indices = self._batches[number]
            self._made[number] = {
                "placed": np.stack([fitted(self._store[i], shape) for i in indices]),
                "rough": np.array([self._store.samples[i].rough for i in indices]),
            }
        return self._made[number]
