"""tf.data pipelines: multi-aspect batches for training, fixed ones for validation.

The order of samples is a plan that follows from the seed alone. Step k of a run therefore sees the
same photos, changed in the same way, whether the run was interrupted before or not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from matting_keras.data.augment import AugmentConfig, recolour, relight, warp
from matting_keras.data.band import unknown
from matting_keras.data.compose import eased, hardness, over
from matting_keras.data.order import Shapes, fitted, in_order, training_plan
from matting_keras.data.placement import cut_edges
from matting_keras.data.share import ALL, Share
from matting_keras.data.store import Store


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
    share: Share = ALL,
    stray: float = 0.0,
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
        share: which rows of every batch to make; the others are not even read.
        stray: share of photos that go to a shape drawn at random.

    Returns:
        A dataset of image float32 (batch, height, width, channels) in 0..255 and alpha float32
        (batch, height, width, 1) in 0..1.

    Raises:
        InputError: fewer photos than one batch, or cut-outs without scenes.
    """
    scened = scenes is not None
    planned = training_plan(store.samples, sizes, shapes, batch_size, seed, scened, stray)
    mine = share.rows(batch_size)
    rows = mine.stop - mine.start

    def sample(number):
        bucket, indices = planned[int(number) // batch_size]
        return (*shapes[bucket], indices[number % batch_size])

    def place(number):
        number = number // rows * batch_size + mine.start + number % rows
        # Counting with a Python function, not Dataset.from_generator: TensorFlow's generator op
        # makes malloc hand every freed page back, which cost a third of the processor's time.
        height, width, index = tf.numpy_function(sample, [number], (tf.int64, tf.int64, tf.int32))
        shape = tf.cast(tf.stack([height, width]), tf.int32)
        return index, tf.ensure_shape(shape, (2,)), tf.stack([seed, tf.cast(number, tf.int32)])

    changed = _changer(store, scenes, config, ramp * batch_size, targets)
    dataset = tf.data.Dataset.counter(first_step * rows).map(place)
    dataset = dataset.map(changed, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return dataset.batch(rows, drop_remainder=True).prefetch(4)


def validation_batches(
    store: Store,
    sizes: Sequence[tuple[int, int]],
    shapes: Shapes,
    batch_size: int,
    targets: bool = False,
    share: Share = ALL,
) -> tf.data.Dataset:
    """Every photo once, unchanged but for its size; its last row and column fill up the shape.

    Sizes are fixed, so the figures can be compared from epoch to epoch and from run to run.

    Args:
        store: the photos held back.
        sizes: their (height, width).
        shapes: the closed set of (height, width).
        batch_size: photos per batch; the last batch of a shape may be smaller.
        targets: as for `training_batches`.
        share: which of the batches to make.
    """
    batches = share.whole(in_order(sizes, shapes, batch_size))

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


def _changer(store: Store, scenes: Store | None, config: AugmentConfig, ramp: int, targets: bool):
    """The function that turns (index, shape, seed) into an augmented (image, alpha).

    `ramp` is in samples, whose number is the second part of the seed.
    """
    channels = store.channels
    rough = tf.constant([sample.rough for sample in store.samples])
    cutout = tf.constant([sample.cutout for sample in store.samples])

    def person(index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        def read(number):
            photo = store[int(number)]
            return photo, cut_edges(photo)

        photo, cut = tf.numpy_function(read, [index], (tf.uint8, tf.bool))
        return tf.ensure_shape(photo, (None, None, channels + 1)), tf.ensure_shape(cut, (3,))

    def scenery(index: tf.Tensor) -> tf.Tensor:
        photo = tf.numpy_function(lambda number: scenes[int(number)], [index], tf.uint8)
        return tf.ensure_shape(photo, (None, None, channels + 1))

    def changed(index, shape, seed):
        draw, anew = tf.random.stateless_uniform((2,), seed + 5), tf.constant(False)
        if scenes is not None:
            anew = (draw[0] < config.composite + config.empty) | cutout[index]
        photo, cut = person(index)
        moved = warp(photo, shape, config, seed, cut, anew)
        image, alpha = moved[..., :-1], moved[..., -1:] / 255
        hard = rough[index]
        if scenes is not None:
            image, alpha = tf.cond(
                anew,
                lambda: composited(image, alpha, rough[index], shape, seed, draw),
                lambda: (image, alpha),
            )
            hard = hard & ~anew  # the alpha that a composite was made with is its truth
        if config.relight:
            image = relight(image, tf.clip_by_value(alpha, 0.0, 1.0), config, seed + 23)
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
        scene = warp(scenery(chosen), shape, config, seed + 11)[..., :-1]
        if ramp:
            scene = eased(scene, hardness(seed[1], ramp), seed + 17)
        # An empty scene is a composite with nobody in it, in any light down to none: a network that
        # never saw a dark room finds people in it.
        empty = draw[0] < config.empty
        alpha = tf.where(empty, tf.zeros_like(alpha), alpha)
        scene *= tf.where(empty, tf.random.stateless_uniform((), seed + 19), 1.0)
        return over(image, alpha, scene, is_rough, seed + 13)

    return changed
