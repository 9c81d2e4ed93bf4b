"""Several workers that train one network, each on its share of every batch.

Each worker is an ordinary run on one device. What makes it one training is that gradients, the
statistics of norms and the figures are reduced over all workers, with TensorFlow's collective
operations between the processes that `tf.distribute` connects.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np

from matting_keras.data.share import ALL, Share
from matting_keras.errors import InputError
from matting_keras.training.checkpoint import Checkpoint
from matting_keras.training.cluster import Cluster
from matting_keras.training.interruption import Interruption
from matting_keras.training.learner import Learner

if TYPE_CHECKING:
    from matting_keras.data.store import Checked
    from matting_keras.training.photos import Photos

GROUP = 4711
"""The number of our group of workers among the groups of collective operations; with GPUs, that and
the next."""

WISHES = ("stop", "save")
"""What a worker may ask of all."""

STALE = 3600
"""Seconds that a worker waits within a step for others that are alive but do not come.

One that is dead or cannot be reached is noticed within about ten seconds."""


class Alone:
    """The one worker of a run that is not shared.

    Attributes:
        share: which part of every batch this worker makes.
        writes: whether it is the one that writes the run's folder.
    """

    share = ALL
    writes = True

    def learner(self, kind: type[Learner]) -> type[Learner]:
        """The class of learner to use."""
        return kind

    def checkpoint(self, *given) -> Checkpoint:
        """What keeps the run's state."""
        return Checkpoint(*given)

    def interruption(self, checkpoint: Checkpoint) -> Interruption:
        """What ends the run on request."""
        return Interruption(checkpoint)

    def check_same(self, photos: Photos) -> None:
        """Refuse to begin where this worker's photos are not those of the first."""


ALONE = Alone()


class Workers:
    """This process as one of several workers.

    What reduces is a meeting: all workers have to call it, in the same order.

    Args:
        cluster: all workers; they have met.

    Attributes:
        share: which part of every batch this worker makes.
        writes: whether it is the one that writes the run's folder.
    """

    def __init__(self, cluster: Cluster):
        import tensorflow as tf

        self.cluster = cluster
        self.share = Share(cluster.index, len(cluster.addresses))
        self.writes = cluster.index == 0
        self._names: dict[int, str] = {}
        self._wishes = tf.Variable(tf.zeros(len(WISHES)), trainable=False)
        self._granted = tf.Variable(tf.zeros(len(WISHES)), trainable=False)
        self._order = []
        if tf.config.get_visible_devices("GPU"):
            # Given to every operation of NCCL, so that all workers run them in one order.
            self._order = [tf.Variable(0.0, trainable=False)]

    def total(self, name: str, values: Sequence) -> list:
        """Sums over all workers, equal to the bit on each.

        Args:
            name: of this reduction; the same values always, in number and shapes.
            values: tensors of one type, float32 or int32.

        Returns:
            One tensor for each.
        """
        import tensorflow as tf

        flat = tf.concat([tf.reshape(value, [-1]) for value in values], 0)
        # TensorFlow keeps whole numbers in the host's memory, also where there is a GPU.
        on_gpu = self._order and flat.dtype.is_floating
        with tf.device(None if on_gpu else "CPU:0"):
            reduced = tf.raw_ops.CollectiveReduceV2(
                input=flat,
                group_size=self.share.count,
                group_key=GROUP + bool(on_gpu),
                instance_key=self._key(name),
                ordering_token=[order.handle for order in self._order if on_gpu],
                merge_op="Add",
                final_op="Id",
                communication_hint="nccl" if on_gpu else "ring",
                timeout_seconds=float(STALE),
            )
        parts = tf.split(reduced, [tf.size(value) for value in values])
        pairs = zip(parts, values, strict=True)
        return [tf.reshape(part, tf.shape(value)) for part, value in pairs]

    def mean(self, name: str, values: Sequence) -> list:
        """As `total`, divided by the number of workers; a None stays one."""
        there = [value for value in values if value is not None]
        sums = iter(self.total(name, there))
        scale = 1.0 / self.share.count
        return [None if value is None else next(sums) * scale for value in values]

    def agreed(self, loss):
        """The mean of a loss over all workers; its gradient is that of this worker's own.

        What a worker wishes goes with it, so that a step costs no reduction more.

        Args:
            loss: a scalar, float32.
        """
        import tensorflow as tf

        @tf.custom_gradient
        def mean(own):
            total, wishes = self.total("loss", [own, self._wishes])
            self._granted.assign(wishes)
            return total / self.share.count, lambda upstream: upstream

        return mean(loss)

    def wish(self, what: str) -> None:
        """Ask all workers to do something after the next step; this is no meeting.

        Args:
            what: one of `WISHES`.
        """
        wishes = self._wishes.numpy()
        wishes[WISHES.index(what)] = 1
        self._wishes.assign(wishes)

    def granted(self, what: str) -> bool:
        """Whether some worker wished it before the last step; this is no meeting."""
        return bool(self._granted.numpy()[WISHES.index(what)])

    def forget(self, what: str) -> None:
        """Take back a wish and its grant, now that it is done; this is no meeting."""
        for variable in (self._wishes, self._granted):
            values = variable.numpy()
            values[WISHES.index(what)] = 0
            variable.assign(values)

    def give(self, variables: Sequence) -> None:
        """Set variables to what they are on the first worker, to the bit."""
        import tensorflow as tf

        values = [keras.ops.convert_to_numpy(variable) for variable in variables]
        raw = b"".join(value.tobytes() for value in values)
        bits = np.frombuffer(raw + bytes(-len(raw) % 4), "int32")
        # The others add nothing to the first one's bits.
        sent = tf.constant(bits if self.writes else np.zeros_like(bits))
        (bits,) = self.total(f"give {len(bits)}", [sent])
        raw, start = bits.numpy().tobytes(), 0
        for variable, value in zip(variables, values, strict=True):
            given = np.frombuffer(raw, value.dtype, value.size, start)
            variable.assign(given.reshape(value.shape))
            start += value.nbytes

    def sums(self, numbers: Sequence[int]) -> list[int]:
        """Sums of whole numbers over all workers, now."""
        import tensorflow as tf

        sent = tf.constant([int(number) for number in numbers], tf.int32)
        return self.total(f"sums {len(numbers)}", [sent])[0].numpy().tolist()

    def told(self, numbers: Sequence[int]) -> list[int]:
        """The first worker's numbers, on all."""
        return self.sums(numbers if self.writes else [0] * len(numbers))

    def check_same(self, photos: Photos) -> None:
        """Refuse to begin where this worker's photos are not those of the first.

        Raises:
            InputError: on every worker that has others.
        """
        parts = {"train": photos.train, "validation": photos.held, "scenes": photos.scenes}
        mine = [_fingerprint(part) for part in parts.values()]
        theirs = self.told(mine)
        for name, here, there in zip(parts, mine, theirs, strict=True):
            if here != there:
                raise InputError(
                    f"{self.named()}: its photos ({name}) are not those of "
                    f"{self.cluster.named(0)}; all workers need the same files in the same order "
                    "of folders."
                )

    def named(self) -> str:
        """This worker as messages name it."""
        return self.cluster.named(self.cluster.index)

    def learner(self, kind: type[Learner]) -> type[Learner]:
        """The class of learner to use."""
        from matting_keras.training.shared_learner import shared

        return shared(kind, self)

    def checkpoint(self, *given) -> Checkpoint:
        """What keeps the run's state."""
        from matting_keras.training.shared_callbacks import SharedCheckpoint

        return SharedCheckpoint(self, *given)

    def interruption(self, checkpoint: Checkpoint) -> Interruption:
        """What ends the run on request."""
        from matting_keras.training.shared_callbacks import SharedInterruption

        return SharedInterruption(self, checkpoint)

    def _key(self, name: str) -> int:
        key = _number(name)
        if self._names.setdefault(key, name) != name:
            raise ValueError(f"{name!r} and {self._names[key]!r} have the same key; rename one.")
        return key


def _fingerprint(part: Checked | None) -> int:
    """Of names and sizes; folders may be in other places on other machines."""
    if part is None:
        return 0
    names = [Path(sample.name).name for sample in part.store.samples]
    return _number(repr((names, [tuple(map(int, size)) for size in part.sizes])))


def _number(text: str) -> int:
    return zlib.crc32(text.encode()) & 0x7FFFFFFF
