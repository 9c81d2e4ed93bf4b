"""Where a run's batches come from: a tf.data pipeline, or packed photos changed on the device."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import keras

from matting_keras.data.order import Shapes
from matting_keras.data.packed.reading import paths
from matting_keras.data.share import ALL, Share
from matting_keras.training.config import RunConfig
from matting_keras.training.photos import Photos
from matting_keras.training.recipes.loss import RecipeLoss


@dataclass(frozen=True)
class Feed:
    """What a run reads its batches from.

    Attributes:
        batches: gives the endless batches from a given step of the run on.
        held: batches of the photos held back, in the order of `data.order.in_order`: those of
            this worker's share.
        everything: the same of all workers.
        prepare: the layer that makes images and targets of a batch, inside the step; None where
            batches are images and targets already.
    """

    batches: Callable[[int], Iterable]
    held: Iterable
    everything: Iterable
    prepare: keras.layers.Layer | None = None

    def first(self) -> tuple:
        """Images and target of the first batch held back."""
        batch = next(iter(self.everything))
        return self.prepare(batch[0]) if self.prepare else batch


def feed(
    config: RunConfig,
    photos: Photos,
    shapes: Shapes,
    ramp: int,
    loss: RecipeLoss,
    share: Share = ALL,
) -> Feed:
    """Choose by what there is: packs, and whatever is no TensorFlow, need no tf.data.

    Args:
        config: of the run.
        photos: of `gather`.
        shapes: the closed set of (height, width).
        ramp: batches after which composites get a tenth harder; 0 for none.
        loss: of the run.
        share: which part of every batch this worker makes.

    Raises:
        InputError: fewer photos than one batch, or cut-outs without scenes.
    """
    if paths(config.data.folders) or keras.backend.backend() != "tensorflow":
        return _packed(config, photos, shapes, ramp, loss, share)
    return _piped(config, photos, shapes, ramp, loss, share)


def _packed(config, photos, shapes, ramp, loss, share) -> Feed:
    from matting_keras.data.packed.augment import Augment
    from matting_keras.data.packed.batches import HeldBatches, TrainingBatches
    from matting_keras.data.packed.inputs import endless, finite

    size = config.trainer.batch_size
    train = TrainingBatches(
        photos.train.store,
        photos.train.sizes,
        shapes,
        size,
        seed=config.seed,
        scenes=photos.scenes.store if photos.scenes else None,
        ramp=ramp,
        resident=config.data.memory * 10**6,
        share=share,
        stray=config.data.stray,
    )
    held = HeldBatches(photos.held.store, photos.held.sizes, shapes, size)
    return Feed(
        lambda first_step: endless(train, first_step),
        finite(held, share),
        finite(held),
        Augment(config.data.augment, loss.supervised, photos.held.store.samples[0].labelled),
    )


def _piped(config, photos, shapes, ramp, loss, share) -> Feed:
    from matting_keras.data.pipeline import training_batches, validation_batches
    from matting_keras.training.self_supervised import untold

    size = config.trainer.batch_size

    def held(part: Share) -> Iterable:
        store, sizes = photos.held.store, photos.held.sizes
        found = validation_batches(store, sizes, shapes, size, targets=True, share=part)
        return found if store.samples[0].labelled else found.map(untold)

    def batches(first_step: int) -> Iterable:
        endless = training_batches(
            photos.train.store,
            photos.train.sizes,
            shapes,
            size,
            seed=config.seed,
            config=config.data.augment,
            scenes=photos.scenes.store if photos.scenes else None,
            first_step=first_step,
            ramp=ramp,
            targets=True,
            share=share,
            stray=config.data.stray,
        )
        return endless if loss.supervised else endless.map(untold)

    return Feed(batches, held(share), held(ALL))
