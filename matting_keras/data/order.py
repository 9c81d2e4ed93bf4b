"""Which photos make up which batch, and how a photo is placed where nothing is drawn.

Everything here follows from sizes and a seed alone, whatever computes the batches.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from matting_keras.data.sample import Sample
from matting_keras.errors import InputError
from matting_keras.geometry import fit_inside, nearest_bucket

Shapes = Sequence[tuple[int, int]]


def check_enough(samples: Sequence[Sample], batch_size: int, scenes: bool) -> None:
    """Refuse photos that no batch can be made of.

    Args:
        samples: to learn from.
        batch_size: photos per batch.
        scenes: whether there are pictures to composite in front of.

    Raises:
        InputError: fewer photos than one batch, or cut-outs without scenes.
    """
    if len(samples) < batch_size:
        raise InputError(
            f"{len(samples)} photos for training are fewer than one batch of {batch_size}; add "
            "photos or pass a smaller batch (trainer.batch_size=N)."
        )
    if not scenes and any(sample.cutout for sample in samples):
        raise InputError(
            "cut-outs have no background of their own; name pictures without people to show them "
            "in front of: --backgrounds DIR."
        )


def wanted_shapes(sizes: Sequence[tuple[int, int]], shapes: Shapes) -> np.ndarray:
    """The number of the shape with the nearest aspect ratio, int (N,), for each (height, width)."""
    return np.array([shapes.index(nearest_bucket(*size, shapes)) for size in sizes])


class Planned:
    """An endless plan that can be asked for any batch by its number."""

    def __init__(self, batches: Iterator[tuple[int, np.ndarray]]):
        self._batches = batches
        self._known: list[tuple[int, np.ndarray]] = []

    def __getitem__(self, step: int) -> tuple[int, np.ndarray]:
        while len(self._known) <= step:
            self._known.append(next(self._batches))
        return self._known[step]


def training_plan(
    samples: Sequence[Sample],
    sizes: Sequence[tuple[int, int]],
    shapes: Shapes,
    batch_size: int,
    seed: int,
    scenes: bool,
    stray: float = 0.0,
) -> Planned:
    """The batches of a run: the number of a shape in `shapes`, and which photos, for each.

    Args:
        samples: to learn from.
        sizes: their (height, width); a photo goes to the shape with the nearest aspect ratio.
        shapes: the closed set of (height, width).
        batch_size: photos per batch.
        seed: decides the order.
        scenes: whether there are pictures to composite in front of.
        stray: share of photos that go to a shape drawn at random.

    Raises:
        InputError: fewer photos than one batch, or cut-outs without scenes.
    """
    check_enough(samples, batch_size, scenes)
    wanted = wanted_shapes(sizes, shapes)
    return Planned(plan(wanted, batch_size, seed, stray, len(shapes)))


def plan(
    wanted: np.ndarray, batch_size: int, seed: int, stray: float = 0.0, shapes: int = 0
) -> Iterator[tuple[int, np.ndarray]]:
    """Which photos make up which batch, for ever: every epoch a new order, no photo twice.

    Photos that do not fill a batch of their shape are carried over into the next epoch, so none
    is starved and no batch is short.

    Args:
        wanted: the number of each photo's shape, int (N,).
        batch_size: photos per batch.
        seed: decides the order.
        stray: share of photos that go to a shape drawn at random, each epoch to another.
        shapes: how many there are to draw from.

    Yields:
        The number of a shape and `batch_size` photo indices.
    """
    waiting: defaultdict[int, list[int]] = defaultdict(list)
    epoch = 0
    while True:
        random = np.random.default_rng((seed, epoch))
        order, chosen = random.permutation(len(wanted)), wanted
        if stray:
            strays = random.random(len(wanted)) < stray
            chosen = np.where(strays, random.integers(shapes, size=len(wanted)), wanted)
        for index in order:
            queue = waiting[int(chosen[index])]
            queue.append(int(index))
            if len(queue) == batch_size:
                yield int(chosen[index]), np.array(queue, "int32")
                queue.clear()
        epoch += 1


def in_order(
    sizes: Sequence[tuple[int, int]], shapes: Shapes, batch_size: int
) -> list[tuple[tuple[int, int], list[int]]]:
    """Every photo once, by shape: the shape and the photo indices of each batch.

    Args:
        sizes: (height, width) of each photo.
        shapes: the closed set of (height, width).
        batch_size: photos per batch; the last batch of a shape may be smaller.
    """
    buckets: dict[tuple[int, int], list[int]] = {}
    for index, size in enumerate(sizes):
        buckets.setdefault(nearest_bucket(*size, shapes), []).append(index)
    return [
        (shape, indices[start : start + batch_size])
        for shape, indices in sorted(buckets.items())
        for start in range(0, len(indices), batch_size)
    ]


def fitted(photo: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A packed photo scaled into a shape, aspect kept, its border repeated to fill the rest."""
    inner, outer = fit_inside(*photo.shape[:2], shape)
    resized = np.stack(
        [
            np.asarray(
                Image.fromarray(photo[..., c]).resize(inner[::-1], Image.Resampling.BILINEAR)
            )
            for c in range(photo.shape[-1])
        ],
        axis=-1,
    )
    around = ((0, outer[0] - inner[0]), (0, outer[1] - inner[1]), (0, 0))
    return np.pad(resized, around, mode="edge")
