"""tf.data pipelines: multi-aspect batches for training, fixed ones for validation.

The order of samples is a plan that follows from the seed alone. Step k of a run therefore sees the
same photos, changed in the same way, whether the run was interrupted before or not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf
from PIL import Image

from matting_keras.data.augment import AugmentConfig, recolour, warp
from matting_keras.data.band import unknown
from matting_keras.data.compose import eased, hardness, over
from matting_keras.data.store import Store
from matting_keras.errors import InputError
from matting_keras.geometry import fit_inside, nearest_bucket

Shapes = Sequence[tuple[int, int]]


def training_batches(
    store: Store,
    sizes: Sequence[tuple[int, int]],
    shapes: Shapes,
    batch_size: int,
    *,
    seed: int,
    config: AugmentConfig,
    scenes: Store | None = None,
    first_step: int = 0,
    ramp: int = 0,
    targets: bool = False,
) -> tf.data.Dataset:
    """Endless batches of (image, alpha); each batch has one of `shapes`.

    Args:
        store: the photos.
        sizes: their (height, width); a photo goes to the shape with the nearest aspect ratio.
        shapes: the closed set of (height, width).
        batch_size: photos per batch.
        seed: decides order and augmentation.
        config: augmentation.
        scenes: pictures without people for compositing, or None for none.
        first_step: how many batches to leave out, for a run that goes on.
        ramp: batches after which composites get a tenth harder: their background goes from one
            even colour to the scene in ten steps. 0 shows the scene from the first batch on.
        targets: give, in place of alpha, what the recipes' losses read: a dictionary of "alpha",
            "unknown" (1 inside the unknown band) and "refined" (1 where the alpha is no rough
            mask).

    Returns:
        A dataset of image float32 (batch, height, width, channels) in 0..255 and alpha float32
        (batch, height, width, 1) in 0..1.

    Raises:
        InputError: fewer photos than one batch, or cut-outs without scenes.
    """
    if len(store) < batch_size:
        raise InputError(
            f"{len(store)} photos for training are fewer than one batch of {batch_size}; add "
            "photos or pass a smaller batch (trainer.batch_size=N)."
        )
    if scenes is None and any(sample.cutout for sample in store.samples):
        raise InputError(
            "cut-outs have no background of their own; name pictures without people to show them "
            "in front of: --backgrounds DIR."
        )
    wanted = np.array([shapes.index(nearest_bucket(*size, shapes)) for size in sizes])
    planned = Planned(plan(wanted, batch_size, seed))

    def sample(number):
        bucket, indices = planned[int(number) // batch_size]
        return (*shapes[bucket], indices[number % batch_size])

    def place(number):
        # Counting with a Python function, not Dataset.from_generator: TensorFlow's generator op
        # makes malloc hand every freed page back, which cost a third of the processor's time.
        height, width, index = tf.numpy_function(sample, [number], (tf.int64, tf.int64, tf.int32))
        shape = tf.cast(tf.stack([height, width]), tf.int32)
        return index, tf.ensure_shape(shape, (2,)), tf.stack([seed, tf.cast(number, tf.int32)])

    changed = _changer(store, scenes, config, ramp * batch_size, targets)
    dataset = tf.data.Dataset.counter(first_step * batch_size).map(place)
    dataset = dataset.map(changed, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return dataset.batch(batch_size, drop_remainder=True).prefetch(4)


class Planned:
    """An endless plan that can be asked for any batch by its number."""

    def __init__(self, batches: Iterator[tuple[int, np.ndarray]]):
        self._batches = batches
        self._known: list[tuple[int, np.ndarray]] = []

    def __getitem__(self, step: int) -> tuple[int, np.ndarray]:
        while len(self._known) <= step:
            self._known.append(next(self._batches))
        return self._known[step]


def plan(wanted: np.ndarray, batch_size: int, seed: int) -> Iterator[tuple[int, np.ndarray]]:
    """Which photos make up which batch, for ever: every epoch a new order, no photo twice.

    Photos that do not fill a batch of their shape are carried over into the next epoch, so none
    is starved and no batch is short.

    Args:
        wanted: the number of each photo's shape, int (N,).
        batch_size: photos per batch.
        seed: decides the order.

    Yields:
        The number of a shape and `batch_size` photo indices.
    """
    waiting: dict[int, list[int]] = {int(b): [] for b in np.unique(wanted)}
    epoch = 0
    while True:
        for index in np.random.default_rng((seed, epoch)).permutation(len(wanted)):
            queue = waiting[int(wanted[index])]
            queue.append(int(index))
            if len(queue) == batch_size:
                yield int(wanted[index]), np.array(queue, "int32")
                queue.clear()
        epoch += 1


def validation_batches(
    store: Store,
    sizes: Sequence[tuple[int, int]],
    shapes: Shapes,
    batch_size: int,
    targets: bool = False,
) -> tf.data.Dataset:
    """Every photo once, unchanged but for its size; its last row and column fill up the shape.

    Sizes are fixed, so the figures can be compared from epoch to epoch and from run to run.

    Args:
        store: the photos held back.
        sizes: their (height, width).
        shapes: the closed set of (height, width).
        batch_size: photos per batch; the last batch of a shape may be smaller.
        targets: as for `training_batches`.
    """
    buckets: dict[tuple[int, int], list[int]] = {}
    for index, size in enumerate(sizes):
        buckets.setdefault(nearest_bucket(*size, shapes), []).append(index)

    batches = [
        (shape, indices[start : start + batch_size])
        for shape, indices in sorted(buckets.items())
        for start in range(0, len(indices), batch_size)
    ]

    def batch(number):
        shape, indices = batches[int(number)]
        photos = np.stack([fitted(store[i], shape) for i in indices]).astype("float32")
        refined = np.array([not store.samples[i].rough for i in indices], "float32")
        return photos[..., :-1], photos[..., -1:] / 255, refined

    def placed(number):
        image, alpha, refined = tf.numpy_function(batch, [number], (tf.float32,) * 3)
        image = tf.ensure_shape(image, (None, None, None, store.channels))
        alpha = tf.ensure_shape(alpha, (None, None, None, 1))
        if not targets:
            return image, alpha
        refined = tf.ensure_shape(refined, (None,))
        return image, {"alpha": alpha, "unknown": tf.map_fn(unknown, alpha), "refined": refined}

    return tf.data.Dataset.range(len(batches)).map(placed).prefetch(2)


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


def _changer(store: Store, scenes: Store | None, config: AugmentConfig, ramp: int, targets: bool):
    """The function that turns (index, shape, seed) into an augmented (image, alpha).

    `ramp` is in samples, whose number is the second part of the seed.
    """
    channels = store.channels
    rough = tf.constant([sample.rough for sample in store.samples])
    cutout = tf.constant([sample.cutout for sample in store.samples])

    def fetch(from_store: Store, index: tf.Tensor) -> tf.Tensor:
        photo = tf.numpy_function(lambda i: from_store[int(i)], [index], tf.uint8)
        return tf.ensure_shape(photo, (None, None, channels + 1))

    def changed(index, shape, seed):
        moved = warp(fetch(store, index), shape, config, seed)
        image, alpha = moved[..., :-1], moved[..., -1:] / 255
        hard = rough[index]
        if scenes is not None:
            draw = tf.random.stateless_uniform((2,), seed + 5)
            anew = (draw[0] < config.composite + config.empty) | cutout[index]
            image, alpha = tf.cond(
                anew,
                lambda: composited(image, alpha, rough[index], shape, seed, draw),
                lambda: (image, alpha),
            )
            hard = hard & ~anew  # the alpha that a composite was made with is its truth
        image = recolour(image, config, seed + 7)
        image.set_shape((None, None, channels))
        alpha.set_shape((None, None, 1))
        alpha = tf.clip_by_value(alpha, 0.0, 1.0)
        if not targets:
            return image, alpha
        refined = 1 - tf.cast(hard, tf.float32)
        return image, {"alpha": alpha, "unknown": unknown(alpha), "refined": refined}

    def composited(image, alpha, is_rough, shape, seed, draw):
        chosen = tf.cast(draw[1] * len(scenes), tf.int32)
        scene = warp(fetch(scenes, chosen), shape, config, seed + 11)[..., :-1]
        if ramp:
            scene = eased(scene, hardness(seed[1], ramp), seed + 17)
        # An empty scene is a composite with nobody in it.
        alpha = tf.where(draw[0] < config.empty, tf.zeros_like(alpha), alpha)
        return over(image, alpha, scene, is_rough, seed + 13)

    return changed
