"""What all benchmarks share: interleaved timing, the machine's description, a JSON file."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeVar

import numpy as np

from matting_keras.atomic import atomic_path

Key = TypeVar("Key", bound=Hashable)

BUSY = 0.3
"""Share of the cores that others may use before a benchmark warns."""


def interleaved(
    actions: Mapping[Key, Callable[[], object]], rounds: int, warmup: int
) -> dict[Key, list[float]]:
    """Time actions in turn, A B C A B C, so that a slow minute of the machine hits them all.

    Args:
        actions: what to time; each must return only when its work is done.
        rounds: how often each is timed.
        warmup: how often each runs before, untimed.

    Returns:
        The seconds of every run, by the actions' keys.
    """
    seconds: dict[Key, list[float]] = {key: [] for key in actions}
    for turn in range(-warmup, rounds):
        for key, action in actions.items():
            began = time.perf_counter()
            action()
            if turn >= 0:
                seconds[key].append(time.perf_counter() - began)
    return seconds


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
    # The module first: TensorFlow comes in packages of several names.
    if package in sys.modules:
        return sys.modules[package].__version__
    try:
        return version(package)
    except PackageNotFoundError:
        return None
