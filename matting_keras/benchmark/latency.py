"""Milliseconds of one picture through a network: engine by engine, size by size, in turn."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from matting_keras.benchmark.measure import interleaved, median, p95
from matting_keras.benchmark.peak import library, peak
from matting_keras.benchmark.subjects import Subject
from matting_keras.errors import InputError
from matting_keras.inference.onnx_file import BITS_KEY, read_onnx
from matting_keras.inference.runtimes import open_runtime

TOLERANCE = 1e-3
"""The largest difference of alpha between engines that run one network."""

ROUNDED = {"16": 0.05, "8": 0.25}
"""The same where an ONNX file's weights have fewer bits: other formats have all of them, and in 8
bits engines round differently; on noise that adds up in single pixels."""

PAUSE = 0.005
"""Seconds of rest between engines: the threads of some spin for a while after their work."""

ALL = "all"
"""The threads of Keras: its backend takes every core, and cannot be told otherwise once it runs."""


class Cell(NamedTuple):
    """One row of the table: what is run, in which engine, at which size, with how many threads."""

    model: str
    runtime: str
    width: int
    height: int
    threads: int | str


def latency(
    subjects: Sequence[Subject],
    sizes: Sequence[tuple[int, int]],
    threads: Sequence[int],
    rounds: int,
    warmup: int,
) -> dict:
    """Time every network in every engine, size and number of threads, all in turn.

    Args:
        subjects: with their files.
        sizes: (width, height) of the input, in pixels.
        threads: numbers of threads.
        rounds: how often each is timed.
        warmup: how often each runs before.

    Returns:
        `rows`, one a cell; `peak_gflops` by number of threads; `matmul`, what measured it.

    Raises:
        InputError: engines that give different alphas for one network; nothing is timed then.
    """
    actions = {cell: call for one in subjects for cell, call in _calls(one, sizes, threads)}
    _check_agreement(actions, {one.name: _tolerance(one) for one in subjects})
    counts = sorted({cores(cell.threads) for cell in actions})
    # Before and after: the better one is nearer to what the machine can do.
    before = {count: peak(count) for count in counts}
    seconds = interleaved(actions, rounds, warmup, title="latency", pause=PAUSE)
    peaks = {count: max(before[count], peak(count)) for count in counts}
    named = {subject.name: subject for subject in subjects}
    return {
        # Counting loads Keras, so it comes last: an engine is timed without it where it can be.
        "rows": [_row(cell, named[cell.model], seconds[cell], peaks) for cell in actions],
        "peak_gflops": peaks,
        "matmul": f"numpy {np.__version__}, {library()}",
    }


def cores(threads: int | str) -> int:
    """A number of threads, where it may be "all"."""
    return os.cpu_count() or 1 if threads == ALL else int(threads)


def noise(width: int, height: int) -> np.ndarray:
    """One RGB picture (1, height, width, 3): what is in it does not matter to the time."""
    values = np.random.default_rng(width).uniform(0, 255, (1, height, width, 3))
    return values.astype(np.float32)


def _calls(subject: Subject, sizes, threads) -> list[tuple[Cell, Callable[[], np.ndarray]]]:
    calls = []
    for width, height in sizes:
        for runtime in subject.runtimes:
            for count in [ALL] if runtime == "keras" else threads:
                # An engine for each size: some plan their memory anew when the size changes.
                told = None if count == ALL else count
                engine = open_runtime(subject.files[runtime], runtime, told)
                cell = Cell(subject.name, runtime, width, height, count)
                calls.append((cell, partial(engine.run, noise(width, height))))
    return calls


def _tolerance(subject: Subject) -> float:
    paths = {path for path in subject.files.values() if path.suffix == ".onnx"}
    bits = [read_onnx(path)[1].get(BITS_KEY) for path in paths]
    return max((ROUNDED.get(one, TOLERANCE) for one in bits), default=TOLERANCE)


def _check_agreement(
    actions: Mapping[Cell, Callable[[], np.ndarray]], tolerances: Mapping[str, float]
) -> None:
    wanted: dict[tuple, np.ndarray] = {}
    for cell, call in actions.items():
        alpha = call()
        reference = wanted.setdefault((cell.model, cell.width, cell.height), alpha)
        difference = float(np.abs(alpha - reference).max())
        if not difference <= tolerances[cell.model]:
            raise InputError(
                f"{cell.model} at {cell.width}x{cell.height}: {cell.runtime} gives another alpha "
                f"than the first runtime, by {difference:.1e}; nothing is timed. Leave that "
                "runtime out, or export the network again."
            )


def _row(cell: Cell, subject: Subject, seconds: list[float], peaks: dict[int, float]) -> dict:
    macs = subject.multiply_accumulates(cell.width, cell.height)
    rate = 2 * macs / median(seconds) / 1e9 if macs else None
    return cell._asdict() | {
        "weights": subject.source,
        "median_ms": median(seconds) * 1000,
        "p95_ms": p95(seconds) * 1000,
        "multiply_accumulates": macs,
        "gflops": rate,
        "share_of_peak": rate and rate / peaks[cores(cell.threads)],
        "all_ms": [round(one * 1000, 3) for one in seconds],
    }
