"""What happens beside the steps: logs, pictures, and checkpoints that survive anything."""

from __future__ import annotations

import csv
import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np

from matting_keras.atomic import atomic_path
from matting_keras.errors import InputError
from matting_keras.weights.files import save

log = logging.getLogger(__name__)


class Checkpoint(keras.callbacks.Callback):
    """After each epoch: the whole state of the run, and the best model so far.

    Writes `state.npz` (weights, optimizer, epoch, best score; one file, so that it is always of
    one moment) and, when validation improved, `best.keras`.

    Args:
        folder: of the run.
        monitor: the figure that says which model is best; larger is better.
    """

    def __init__(self, folder: Path, monitor: str = "val_mIoU"):
        super().__init__()
        self.folder = Path(folder)
        self.monitor = monitor
        self.best = -np.inf

    def on_epoch_end(self, epoch, logs=None):
        score = float((logs or {}).get(self.monitor, -np.inf))
        if score > self.best:
            self.best = score
            with averaged(self.model):
                save(network_of(self.model), self.folder / "best.keras")
            log.info("best.keras: %s %.4f", self.monitor, score)
        self._save_state(epoch + 1)

    def _save_state(self, epoch: int) -> None:
        state = _state(network_of(self.model))
        arrays = {f"model_{i}": keras.ops.convert_to_numpy(v) for i, v in enumerate(state)}
        optimizer = self.model.optimizer.variables
        arrays |= {f"optimizer_{i}": keras.ops.convert_to_numpy(v) for i, v in enumerate(optimizer)}
        facts = {"epoch": epoch, "best": self.best, "architecture": self.model.name}
        with atomic_path(self.folder / "state.npz") as path:
            np.savez(path, facts=json.dumps(facts), **arrays)

    def restore(self, model: keras.Model) -> int:
        """Put a compiled, built model back into the state of the last finished epoch.

        Returns:
            The number of epochs done; 0 where there is no state yet.

        Raises:
            InputError: the state belongs to another network.
        """
        path = self.folder / "state.npz"
        if not path.is_file():
            return 0
        with np.load(path, allow_pickle=False) as state:
            facts = json.loads(str(state["facts"]))
            weights = _state(network_of(model))
            parts = (("model", weights), ("optimizer", model.optimizer.variables))
            for part, variables in parts:
                stored = [state[name] for name in state.files if name.startswith(part)]
                if [a.shape for a in stored] != [tuple(v.shape) for v in variables]:
                    raise InputError(
                        f"{path}: was written by {facts['architecture']!r} with other settings "
                        f"and cannot go on as {model.name!r}; use the settings it began with, or "
                        "another --output."
                    )
                for i, variable in enumerate(variables):
                    variable.assign(state[f"{part}_{i}"])
        self.best = facts["best"]
        return facts["epoch"]


def network_of(model: keras.Model) -> keras.Model:
    """The network inside a learner; a network is its own."""
    return getattr(model, "network", model)


def _state(model: keras.Model) -> list:
    """Weights, then what `weights` leaves out: the state of random generators, as in Dropout."""
    known = {id(weight) for weight in model.weights}
    return [*model.weights, *(v for v in model.variables if id(v) not in known)]


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
        weight.assign(average)
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
        with atomic_path(self.path) as path, open(path, "w", newline="", encoding="utf-8") as file:
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
