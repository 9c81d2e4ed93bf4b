"""What happens beside the steps: averages, logs and figures."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras

from matting_keras.atomic import atomic_path, writing
from matting_keras.errors import InputError

WAY_OUT = "What it held before is kept: make room, then go on with --resume."
"""What to do where a file of a run cannot be written."""


@contextmanager
def averaged(model: keras.Model) -> Iterator[None]:
    """Within it the model has the averages of its weights; nothing changes where none are kept."""
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if not optimizer.use_ema:
        yield
        return
    weights = model.trainable_variables
    kept = [keras.ops.convert_to_numpy(weight) for weight in weights]
    averages = optimizer._model_variables_moving_average
    for weight, average in zip(weights, averages, strict=True):
        # A copy: under jax the next step gives the memory of its weights away.
        weight.assign(keras.ops.copy(average))
    try:
        yield
    finally:
        for weight, value in zip(weights, kept, strict=True):
            weight.assign(value)


class AveragedValidation(keras.callbacks.Callback):
    """Validates the averages of the weights, where the optimizer keeps them."""

    def on_test_begin(self, logs=None):
        self.swap = averaged(self.model)
        self.swap.__enter__()

    def on_test_end(self, logs=None):
        self.swap.__exit__(None, None, None)


class CsvLog(keras.callbacks.Callback):
    """One line an epoch in `log.csv`; a resumed run drops the lines it is about to repeat."""

    def __init__(self, path: Path, first_epoch: int = 0):
        super().__init__()
        self.path = Path(path)
        self.first_epoch = first_epoch
        self.rows: list[dict] = []

    def on_train_begin(self, logs=None):
        if self.first_epoch and self.path.is_file():
            with open(self.path, newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            self.rows = [row for row in rows if int(row["epoch"]) <= self.first_epoch]

    def on_epoch_end(self, epoch, logs=None):
        self.rows.append({"epoch": epoch + 1, **{k: f"{v:.6g}" for k, v in (logs or {}).items()}})
        with (
            writing(self.path, WAY_OUT),
            atomic_path(self.path) as path,
            open(path, "w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, fieldnames=list(self.rows[-1]), extrasaction="ignore")
            writer.writeheader()
            writer.writerows(self.rows)


class Throughput(keras.callbacks.Callback):
    """Adds `images_per_second`, `data_wait` and `learning_rate` to the logs of each epoch.

    `data_wait` is the share of the time in which a step had no batch to work on: 0 where the
    pipeline keeps up.
    """

    def __init__(self, batch_size: int):
        super().__init__()
        self.batch_size = batch_size

    def on_epoch_begin(self, epoch, logs=None):
        self.steps, self.seconds = 0, 0.0
        self.model.batches.waited = 0.0

    def on_train_batch_begin(self, batch, logs=None):
        self.first = batch
        self.began = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1 + batch - self.first
        self.seconds += time.perf_counter() - self.began

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None and self.seconds:
            logs["images_per_second"] = self.steps * self.batch_size / self.seconds
            logs["data_wait"] = self.model.batches.waited / self.seconds
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)


def ensure_folder(path: Path) -> Path:
    """Make a run's folder, or say why it cannot be made.

    Raises:
        InputError: the path is a file, or may not be written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--output {path}: cannot be made: {error.strerror}.") from error
    if not os.access(path, os.W_OK):
        raise InputError(f"--output {path}: may not be written; choose another folder.")
    return path
