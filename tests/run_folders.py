"""What two runs of the same training left behind, compared."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from matting_keras.weights.files import load

TIMINGS = ("images_per_second", "data_wait")
CLOSE = {"rtol": 1e-4, "atol": 1e-6}
"""To float32's last digits: threads may add up in another order each time."""


def log(folder: Path) -> list[dict[str, float]]:
    """The epochs of a run, but for what a clock says."""
    with open(folder / "log.csv", newline="") as file:
        return [
            {name: float(value) for name, value in row.items() if name not in TIMINGS}
            for row in csv.DictReader(file)
        ]


def state(folder: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """The facts and the arrays of a run's state."""
    with np.load(folder / "state.npz") as file:
        arrays = {name: file[name] for name in file.files}
    return json.loads(str(arrays.pop("facts"))), arrays


def assert_close(one: Iterable, other: Iterable) -> None:
    """Arrays, in the order in which they come."""
    for number, (first, second) in enumerate(zip(one, other, strict=True)):
        np.testing.assert_allclose(first, second, **CLOSE, err_msg=str(number))


FILES = {
    *("best.keras", "config.yaml", "last.keras", "log.csv", "run.json", "state.npz"),
    "tensorboard",
}
"""What a run leaves, and nothing half-written beside."""


def assert_same_state(one: Path, other: Path) -> None:
    """Epoch, step, best figure, weights, optimizer and everything else that is kept."""
    (facts, arrays), (other_facts, other_arrays) = state(one), state(other)
    assert facts.pop("best") == pytest.approx(other_facts.pop("best"), rel=1e-3)
    assert facts == other_facts
    assert sorted(arrays) == sorted(other_arrays)
    assert_close((arrays[name] for name in arrays), (other_arrays[name] for name in arrays))


def assert_same_log(one: Path, other: Path) -> None:
    """Losses, figures and rates of all epochs."""
    first, second = log(one), log(other)
    assert len(first) == len(second) > 0
    for row, other_row in zip(first, second, strict=True):
        assert row == pytest.approx(other_row, rel=1e-3, abs=1e-6)


def assert_same_run(one: Path, other: Path) -> None:
    """State, log, and best and last weights."""
    assert_same_state(one, other)
    assert_same_log(one, other)
    for name in ("best.keras", "last.keras"):
        assert_close(*(load(folder / name).get_weights() for folder in (one, other)))
