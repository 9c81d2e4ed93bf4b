"""The state of a run in one file, from which it goes on to the same result.

With the same settings, data and machine the result is the same to the bit, wherever the run was
killed: weights, optimizer, averages, what random generators draw next, and the figures in log.csv
but for `images_per_second` and `data_wait`, which a process can only tell of its own steps.
"""

from __future__ import annotations

import json
import logging
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from matting_keras.atomic import atomic_path, writing
from matting_keras.errors import InputError
from matting_keras.training.callbacks import WAY_OUT, averaged
from matting_keras.training.progress import Progress
from matting_keras.weights.files import save

log = logging.getLogger(__name__)


class Diverged(ArithmeticError):
    """Weights or a loss are no numbers any more; the message says which."""


class Checkpoint(keras.callbacks.Callback):
    """The whole state of the run after each epoch and within long ones, and the best model so far.

    Writes `state.npz` (weights, optimizer, place in the run, best score; within an epoch its
    figures so far as well; one file, so that it is always of one moment) and, when validation
    improved, `best.keras`. Neither is written with a NaN in it.

    Comes after whatever else writes at the end of an epoch: `state.npz` says that all the rest
    is there.

    Args:
        folder: of the run.
        monitor: the figure that says which model is best; larger is better.
        progress: where the run is; None where only whole epochs matter.
        minutes: between two states of one epoch; 0 keeps them for its end.

    Attributes:
        saved: "epoch" and "step" of what `state.npz` holds; None while there is none.
    """

    def __init__(
        self,
        folder: Path,
        monitor: str = "val_mIoU",
        progress: Progress | None = None,
        minutes: float = 0.0,
    ):
        super().__init__()
        self.path = Path(folder) / "state.npz"
        self.monitor = monitor
        self.progress = progress or Progress(0)
        self.minutes = minutes
        self.best = -np.inf
        self.saved: dict | None = None
        self._within: list[np.ndarray] = []

    def on_train_begin(self, logs=None):
        self._since = time.monotonic()

    def on_epoch_begin(self, epoch, logs=None):
        # Only now, after Keras and the other callbacks have made everything ready for a new one.
        if self._within:
            _assign(_within(self.model), self._within)
            self._within = []

    def on_train_batch_end(self, batch, logs=None):
        if self.minutes and time.monotonic() - self._since >= 60 * self.minutes:
            self.save()

    def on_epoch_end(self, epoch, logs=None):
        check_sound(self.model)
        score = _score(logs or {}, self.monitor)
        if score > self.best:
            self.best = score
            self.keep("best.keras")
            log.info("best.keras: %s %.4f", self.monitor, score)
        self._write(_parts(self.model), epoch + 1, 0)

    def keep(self, name: str) -> None:
        """Write the network as it is now, its averages where there are any, beside the state."""
        path = self.path.with_name(name)
        with writing(path, WAY_OUT), averaged(self.model):
            save(network_of(self.model), path)

    def save(self) -> bool:
        """Write the state after the step just done, unless the epoch's end is about to.

        Returns:
            Whether it did.
        """
        epoch, step = self.progress.epoch, self.progress.step
        if step >= self.progress.steps:
            return False
        check_sound(self.model)
        self._write(_parts(self.model) | {"within": _within(self.model)}, epoch, step)
        return True

    def _write(self, parts: dict[str, list], epoch: int, step: int) -> None:
        arrays = {
            f"{part}_{i}": keras.ops.convert_to_numpy(variable)
            for part, variables in parts.items()
            for i, variable in enumerate(variables)
        }
        facts = {"epoch": epoch, "best": self.best, "architecture": self.model.name}
        facts |= {"step": step, "steps": self.progress.steps}
        with writing(self.path, WAY_OUT), atomic_path(self.path) as path:
            np.savez(path, facts=json.dumps(facts), **arrays)
        self.saved = facts
        self._since = time.monotonic()

    def restore(self, model: keras.Model) -> int:
        """Put a compiled, built model and `progress` back to where the state was written.

        The learning rate may be another than before, and so may the precision: what scales the
        loss in half precision begins anew then.

        Returns:
            The number of epochs done; 0 where there is no state yet.

        Raises:
            InputError: the state is damaged, or belongs to another network or to epochs of another
            length.
        """
        if not self.path.is_file():
            return 0
        state, facts = _read(self.path)
        parts = _parts(model) | ({"within": _within(model)} if facts["step"] else {})
        for part, variables in parts.items():
            arrays = _stored(state, part)
            if [a.shape for a in arrays] != [tuple(v.shape) for v in variables]:
                if part == "scale":
                    continue
                raise InputError(
                    f"{self.path}: was written by {facts['architecture']!r} with other settings "
                    f"and cannot go on as {model.name!r}; use the settings it began with, or "
                    "another --output."
                )
            _assign(variables, arrays)
        self._within = _stored(state, "within")
        self._go_on(facts, model.steps_per_execution)
        return facts["epoch"]

    def _go_on(self, facts: dict, at_once: int) -> None:
        step, steps = facts["step"], self.progress.steps
        if step and (facts["steps"] != steps or step % at_once):
            raise InputError(
                f"{self.path}: was written after {step} of an epoch's {facts['steps']} steps; it "
                f"cannot go on with {steps} steps, {at_once} at once. Use the settings it began "
                "with, or another --output."
            )
        self.best, self.saved = facts["best"], facts
        self.progress.epoch, self.progress.step = facts["epoch"], step


def check_sound(model: keras.Model) -> None:
    """Refuse weights, averages of them or moments that are NaN or infinite.

    Raises:
        Diverged: naming the first of them.
    """
    parts = _parts(model)
    for variable in (*parts["model"], *parts["optimizer"]):
        values = keras.ops.convert_to_numpy(variable)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise Diverged(f"{variable.path} became NaN or infinite")


def network_of(model: keras.Model) -> keras.Model:
    """The network inside a learner; a network is its own."""
    return getattr(model, "network", model)


def _parts(model: keras.Model) -> dict[str, list]:
    """The variables to keep: of the network, of its optimizer, of the scaling of its loss."""
    network = network_of(model)
    # Weights, then what `weights` leaves out: the state of random generators, as in Dropout.
    state = [*network.weights, *_without(network.variables, network.weights)]
    inner = getattr(model.optimizer, "inner_optimizer", model.optimizer).variables
    scale = _without(model.optimizer.variables, inner)
    return {"model": state, "optimizer": list(inner), "scale": scale}


def _within(model: keras.Model) -> list:
    """What an epoch begins anew: the sums behind its figures, and what a learner keeps itself."""
    everything = [*model.variables, *model.metrics_variables]
    return _without(everything, network_of(model).variables)


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict]:
    try:
        # Opened here, because numpy leaves a file open that it cannot read.
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            state = {name: file[name] for name in file.files}
        # There was no step when states were only of whole epochs.
        return state, {"step": 0} | json.loads(str(state["facts"]))
    except (OSError, EOFError, ValueError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: is not the whole state of a run ({error}); it was cut off in copying, or is "
            "another file. Copy it again, or begin anew with another --output."
        ) from error


def _without(variables: Sequence, others: Sequence) -> list:
    known = {id(variable) for variable in others}
    return [variable for variable in variables if id(variable) not in known]


def _stored(state: dict[str, np.ndarray], part: str) -> list[np.ndarray]:
    count = sum(name.startswith(f"{part}_") for name in state)
    return [state[f"{part}_{i}"] for i in range(count)]


def _assign(variables: Sequence, arrays: Sequence[np.ndarray]) -> None:
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def _score(logs: dict, monitor: str) -> float:
    """The figure to compare; none where validation gave a NaN, which mIoU takes for background."""
    validation = [value for name, value in logs.items() if name.startswith("val_")]
    return float(logs.get(monitor, -np.inf)) if np.isfinite(validation).all() else -np.inf
