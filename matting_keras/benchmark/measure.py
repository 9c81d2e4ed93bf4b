"""What all benchmarks share: options, interleaved timing, the machine's description, JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import TypeVar

import numpy as np
from tqdm import tqdm

import matting_keras
from matting_keras.atomic import atomic_path
from matting_keras.errors import InputError

Key = TypeVar("Key", bound=Hashable)

BUSY = 0.3
"""Share of the cores that others may use before a benchmark warns."""


def timing_parser(
    name: str, summary: str, *, rounds: int, warmup: int, counted: str = "rounds"
) -> argparse.ArgumentParser:
    """A parser for `python -m NAME` with the options that every benchmark has.

    Args:
        name: of the module.
        summary: its docstring, of which the first line is shown.
        rounds: default of how often each thing is timed.
        warmup: default of how often each runs before, untimed.
        counted: what a round is called, and the option with it: "rounds" or "steps".
    """
    made = argparse.ArgumentParser(prog=name, description=summary.split("\n")[0])
    add_timing(made, rounds=rounds, warmup=warmup, counted=counted)
    return made


def add_timing(
    parser: argparse.ArgumentParser,
    *,
    rounds: int | None,
    warmup: int | None,
    counted: str = "rounds",
) -> None:
    """Add `--rounds`, `--warmup` and `--json`; a default of None is left to the benchmark."""
    for option, kind, default in (
        (counted, "timed", rounds),
        ("warmup", "untimed", warmup),
    ):
        said = "what suits each part" if default is None else default
        parser.add_argument(
            f"--{option}",
            type=int,
            default=default,
            metavar="N",
            help=f"{kind} {counted} of each (default: {said})",
        )
    parser.add_argument("--json", metavar="FILE", help="also write everything as JSON")


def interleaved(
    actions: Mapping[Key, Callable[[], object]],
    rounds: int,
    warmup: int,
    *,
    title: str = "",
    pause: float = 0.0,
) -> dict[Key, list[float]]:
    """Time actions in turn, A B C A B C, so that a slow minute of the machine hits them all.

    Args:
        actions: what to time; each must return only when its work is done.
        rounds: how often each is timed.
        warmup: how often each runs before, untimed.
        title: of a progress bar on stderr where somebody watches; none without it.
        pause: seconds of rest before each run, so that the threads of the one before it sleep.

    Returns:
        The seconds of every run, by the actions' keys.
    """
    seconds: dict[Key, list[float]] = {key: [] for key in actions}
    turns = range(-warmup, rounds)
    for turn in tqdm(turns, title, disable=None if title else True, leave=False):
        for key, action in actions.items():
            time.sleep(pause)
            began = time.perf_counter()
            action()
            if turn >= 0:
                seconds[key].append(time.perf_counter() - began)
    return seconds


def child(*words: str, environment: Mapping[str, str] | None = None) -> str:
    """Run a Python process of this package to its end and return what it printed.

    Args:
        words: after `python`, for example "-c" and a program.
        environment: variables to set beside those of this process.

    Raises:
        InputError: it failed; with the last line of what it said.
    """
    home = str(Path(matting_keras.__file__).resolve().parents[1])
    paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, *words],
        env=os.environ | (environment or {}) | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise InputError(f"a process that was to be measured failed: {why}. Nothing is reported.")
    return done.stdout


def median(seconds: Sequence[float]) -> float:
    return float(np.median(seconds))


def p95(seconds: Sequence[float]) -> float:
    return float(np.percentile(seconds, 95))


def machine(*packages: str) -> dict:
    """Processor, cores, load and versions: what a figure is worth nothing without."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load_before": _load(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in packages},
    }


def warn_if_busy() -> None:
    """Say so where other work shares the machine: a figure taken then is not to be published."""
    load, cores = _load(), os.cpu_count() or 1
    if load is not None and load > BUSY * cores:
        print(
            f"warning: the load is {load:.1f} on {cores} cores before this benchmark starts; "
            "its figures will be too slow and uneven.",
            file=sys.stderr,
        )


def publish(facts: dict, report: Callable[[dict], None], path: str | os.PathLike | None) -> int:
    """Print a benchmark's tables and, where a path is given, write its JSON; returns 0."""
    report(facts)
    if path:
        write_json(path, facts)
    return 0


def write_json(path: str | os.PathLike, facts: dict) -> None:
    """Write a benchmark's results whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(facts, indent=1, ensure_ascii=False), encoding="utf-8")


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _load() -> float | None:
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        # TensorFlow comes in packages of several names.
        others = packages_distributions().get(package)
        return version(others[0]) if others else None
