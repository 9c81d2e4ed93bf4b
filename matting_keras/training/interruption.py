"""Stopping a run on request: with Ctrl-C, or as a scheduler does before it takes the machine."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import keras

from matting_keras.signals import hearing
from matting_keras.training.checkpoint import Checkpoint

log = logging.getLogger(__name__)


class Stopped(KeyboardInterrupt):
    """A run ended on request.

    Args:
        number: of the signal.
        message: what is kept, and how to go on.
    """

    def __init__(self, number: int, message: str):
        super().__init__(message)
        self.number = number


class Interruption(keras.callbacks.Callback):
    """Saves the state and ends the run after the step in which it was asked to.

    Asked while it validates, it ends with the epoch; asked a second time, at once. Comes last
    among the callbacks.

    Args:
        checkpoint: saves the state.
    """

    def __init__(self, checkpoint: Checkpoint):
        super().__init__()
        self.checkpoint = checkpoint
        self.number = 0

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Within it the signals come here, but for those that this process was told to ignore."""
        with hearing(self._hear):
            yield

    def on_train_batch_end(self, batch, logs=None):
        if self.number and self.checkpoint.save():
            raise self._stopped()

    def on_epoch_end(self, epoch, logs=None):
        if self.number:
            raise self._stopped()

    def _hear(self, number, frame):
        if self.number:
            raise self._stopped()
        self.number = number
        log.warning("stopping after this step or validation; once more stops at once")

    def _stopped(self) -> Stopped:
        saved = self.checkpoint.saved
        if saved is None:
            kept = "nothing was saved yet"
        else:
            kept = f"saved with {saved['epoch']} epochs and {saved['step']} steps done"
        return Stopped(self.number, f"{kept}; go on with --resume.")
