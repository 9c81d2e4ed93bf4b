"""Numbered batches in the form that Keras takes from each backend."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count

import keras
import numpy as np
from keras import tree

from matting_keras.data.packed.batches import HeldBatches, TrainingBatches
from matting_keras.data.share import ALL, Share


def endless(batches: TrainingBatches, first_step: int = 0) -> Iterable:
    """All batches from a given one on, for `fit`.

    Args:
        batches: any of which can be asked for.
        first_step: how many to leave out, for a run that goes on.

    Returns:
        A tf.data.Dataset with TensorFlow, an iterator elsewhere; each batch in a tuple of one.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return _dataset(batches, tf.data.Dataset.counter(first_step))
    return _tuples(batches, first_step)


def finite(batches: HeldBatches, share: Share = ALL) -> Iterable:
    """All batches once, for validation; returns as `endless`, but for a `PyDataset` elsewhere.

    Args:
        batches: of the photos held back.
        share: with TensorFlow, which of the batches to make.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        numbers = tf.data.Dataset.range(len(batches))
        return _dataset(batches, numbers.shard(share.count, share.index))
    return _Sequence(batches)


def _tuples(batches: TrainingBatches, first: int) -> Iterator[tuple]:
    for step in count(first):
        yield (batches[step],)


class _Sequence(keras.utils.PyDataset):
    def __init__(self, batches: HeldBatches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, number):
        if number >= len(self.batches):
            raise IndexError(number)
        return (self.batches[number],)


def _dataset(batches, numbers):
    """Batches by their numbers; Keras' own way would hold all to the shape of the first two."""
    import tensorflow as tf

    example = batches[0]
    parts = [np.asarray(part) for part in tree.flatten(example)]

    def fetch(number):
        return tree.flatten(batches[int(number)])

    def made(number):
        found = tf.numpy_function(fetch, [number], [part.dtype for part in parts])
        for tensor, part in zip(found, parts, strict=True):
            tensor.set_shape(_open_shape(part.shape))
        return (tree.pack_sequence_as(example, found),)

    return numbers.map(made).prefetch(2)


def _open_shape(shape: tuple[int, ...]) -> tuple:
    """What all batches have in common: not how many, nor how high and wide a picture is."""
    if len(shape) == 4:
        return None, None, None, shape[3]
    return None, *shape[1:]
