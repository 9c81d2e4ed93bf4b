"""Checkpoint and interruption of a run that several workers share: they agree on the step."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import keras
import numpy as np

from matting_keras.training.checkpoint import Checkpoint, network_of
from matting_keras.training.interruption import Interruption
from matting_keras.training.shared_learner import pool

if TYPE_CHECKING:
    from matting_keras.training.distribution import Workers


class SharedCheckpoint(Checkpoint):
    """Keeps the state of all workers with the first one, and gives it to all where a run goes on.

    The others neither write nor read the run's folder, which need not be shared.

    Args:
        workers: all of them.
        *given: as for `Checkpoint`.
    """

    def __init__(self, workers: Workers, *given):
        super().__init__(*given)
        self.workers = workers
        if not workers.writes:
            self.best = np.inf  # never to be beaten, so that this worker writes no best.keras

    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(epoch, logs)
        if self.progress.step:
            # The first one has the figures of all so far; what else an epoch keeps, all need.
            figures = {id(variable) for variable in self.model.metrics_variables}
            self.workers.give([v for v in self.model.variables if id(v) not in figures])

    def on_train_batch_end(self, batch, logs=None):
        due = self.minutes and time.monotonic() - self._since >= 60 * self.minutes
        if self.workers.granted("save"):
            self.save()
            self.workers.forget("save")
        elif due and self.workers.writes:
            self.workers.wish("save")

    def save(self) -> bool:
        if self.progress.step >= self.progress.steps:
            return False
        pool(self.model, self.workers)
        return super().save()

    def _write(self, parts, epoch, step):
        if self.workers.writes:
            super()._write(parts, epoch, step)
            return
        self.saved = {"epoch": epoch, "step": step}

    def restore(self, model: keras.Model) -> int:
        if self.workers.writes:
            super().restore(model)
        place = self.workers.told([self.progress.epoch, self.progress.step, self.saved is not None])
        self.progress.epoch, self.progress.step, saved = place
        if saved and not self.workers.writes:
            self.saved = {"epoch": self.progress.epoch, "step": self.progress.step}
        self.workers.give([*network_of(model).variables, *model.optimizer.variables])
        return self.progress.epoch


class SharedInterruption(Interruption):
    """Ends all workers after the same step, whichever of them was told to.

    At the end of an epoch they also agree whether there is to be another one.

    Args:
        workers: all of them.
        checkpoint: of this worker.
    """

    def __init__(self, workers: Workers, checkpoint: Checkpoint):
        super().__init__(checkpoint)
        self.workers = workers

    def on_train_batch_end(self, batch, logs=None):
        if self.workers.granted("stop"):
            self.number = self.number or signal.SIGTERM
            super().on_train_batch_end(batch, logs)
        elif self.number:
            self.workers.wish("stop")

    def on_epoch_end(self, epoch, logs=None):
        ends = self.model.stop_training and self.workers.writes
        ends, stops = self.workers.sums([ends, self.number > 0])
        self.model.stop_training = bool(ends)
        if stops:
            self.number = self.number or signal.SIGTERM
            super().on_epoch_end(epoch, logs)
