"""Where a run is, counted in steps."""

from __future__ import annotations

import keras


class Progress(keras.callbacks.Callback):
    """Counts steps, and ends an epoch that was begun by an earlier process where it would have.

    Comes first among the callbacks, so that the others find it up to date.

    Args:
        steps: batches of an epoch.

    Attributes:
        epoch: how many are finished.
        step: batches done of the epoch under way.
        before: batches of the whole run that were done when the losses were last looked at.
    """

    def __init__(self, steps: int):
        super().__init__()
        self.steps = steps
        self.epoch = self.step = self.before = 0
        self._begun = 0

    @property
    def done(self) -> int:
        """Batches of the whole run so far."""
        return self.epoch * self.steps + self.step

    def on_train_begin(self, logs=None):
        self.before = self.done

    def on_epoch_begin(self, epoch, logs=None):
        self._begun = self.step

    def on_train_batch_end(self, batch, logs=None):
        self.before = self.done
        self.step = self._begun + batch + 1
        if self._begun and self.step >= self.steps:
            # Keras knows one length for all epochs; told to stop, it still validates.
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        self.epoch, self.step = epoch + 1, 0
        if self._begun:
            self.model.stop_training = False
