"""Callbacks that a run can do without."""

from __future__ import annotations

import logging
from collections.abc import Callable

import keras

log = logging.getLogger(__name__)


class Bystander(keras.callbacks.Callback):
    """Another callback, left out from when it first fails, with a warning, instead of the run.

    Args:
        watched: the other one.
        errors: what it may fail with.
    """

    def __init__(self, watched: keras.callbacks.Callback, errors: tuple[type[Exception], ...]):
        super().__init__()
        self.watched = watched
        self.errors = errors
        self.failed = False

    def set_model(self, model):
        super().set_model(model)
        self.watched.set_model(model)

    def set_params(self, params):
        super().set_params(params)
        self.watched.set_params(params)


def _forwarded(name: str) -> Callable:
    def forward(self, *args, **kwargs):
        if self.failed:
            return
        try:
            getattr(self.watched, name)(*args, **kwargs)
        except self.errors as error:
            self.failed = True
            what = type(self.watched).__name__
            log.warning("%s stops here, the run goes on: %s", what, str(error).splitlines()[0])

    return forward


# The ends of test batches are left out: Keras waits for each where one callback has that method.
for _name in (
    *("on_train_begin", "on_train_end", "on_epoch_begin", "on_epoch_end"),
    *("on_train_batch_begin", "on_train_batch_end", "on_test_begin", "on_test_end"),
    "on_test_batch_begin",
):
    setattr(Bystander, _name, _forwarded(_name))
