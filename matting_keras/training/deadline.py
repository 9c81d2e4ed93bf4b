"""Ending a run in time, where a machine is lent for minutes."""

from __future__ import annotations

import logging
import time

import keras

log = logging.getLogger(__name__)


class Deadline(keras.callbacks.Callback):
    """Ends a run after the last epoch that another one as long would not follow in time.

    The schedule is that of the whole run: whoever goes on with `--resume` comes to the result that
    the run would have come to by itself. One epoch is always finished. Comes after whatever may
    tell the run to go on.

    Args:
        minutes: from `began` on.
        began: on the clock of `time.monotonic`.
    """

    def __init__(self, minutes: float, began: float):
        super().__init__()
        self.end = began + 60 * minutes

    def on_epoch_begin(self, epoch, logs=None):
        self._begun = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        now = time.monotonic()
        if 2 * now - self._begun > self.end and epoch + 1 < self.params["epochs"]:
            self.model.stop_training = True
            log.info(
                "stopping in time after %d of %d epochs; go on with --resume.",
                *(epoch + 1, self.params["epochs"]),
            )
