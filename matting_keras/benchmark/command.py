"""`matting-keras benchmark`: what this package costs on this machine."""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from matting_keras.benchmark.measure import add_timing, machine, warn_if_busy, write_json
from matting_keras.errors import InputError
from matting_keras.inference.refine import METHODS
from matting_keras.weights.presets import DEFAULT

log = logging.getLogger(__name__)

PARTS = ("latency", "memory", "frame", "startup", "bulk", "training")
DEMO = ("frame", "startup", "bulk")
"""Parts that run as the demo does: in its own engine, where no other is asked for."""

REFINED = ("startup", "bulk")
"""Parts that do photos, whose soft edges are solved for; those of frames are drawn."""

ROUNDS = {"latency": 30, "frame": 60, "startup": 7, "bulk": 5, "training": 3}
WARMUP = {"latency": 5, "frame": 5, "startup": 1, "bulk": 1}
QUICK = {"latency": 5, "frame": 10, "startup": 3, "bulk": 2, "training": 1}
PACKAGES = ("numpy", "pillow", "opencv-python", "onnxruntime", "openvino", "ai-edge-litert")
TRAINERS = ("keras", "tensorflow")


class Plan(NamedTuple):
    """What was asked for, checked.

    Attributes:
        subjects: the networks, without the files that have to be exported.
        sizes: (width, height) of networks' inputs, in pixels.
        threads: numbers of threads.
        picture: (width, height) of webcam frames and drawn photos, in pixels.
        parts: of `PARTS`, in that order.
        rounds: of each part.
        warmup: of each part.
    """

    subjects: list
    sizes: list[tuple[int, int]]
    threads: list[int]
    picture: tuple[int, int]
    parts: list[str]
    rounds: dict[str, int]
    warmup: dict[str, int]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to a parser."""
    parser.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help=f"preset, file, or architecture, with random weights (default: {DEFAULT})",
    )
    parser.add_argument("--runtimes", nargs="+", metavar="NAME", help="default: all installed")
    parser.add_argument("--sizes", nargs="+", metavar="WIDTHxHEIGHT", help="of networks' inputs")
    parser.add_argument("--threads", nargs="+", type=int, metavar="N", help="default: all cores, 1")
    parser.add_argument("--parts", nargs="+", choices=PARTS, help="default: all but training")
    parser.add_argument(
        "--picture",
        default="1280x720",
        metavar="WIDTHxHEIGHT",
        help="size of webcam frames and drawn photos (default 1280x720)",
    )
    parser.add_argument(
        "--refine",
        nargs="+",
        choices=METHODS,
        help=f"of photos, in {' and '.join(REFINED)}; each in turn (default: the network's own)",
    )
    parser.add_argument("--photos", nargs="+", default=[], metavar="PATH", help="for bulk")
    parser.add_argument("--count", type=int, default=16, metavar="N", help="photos drawn for bulk")
    parser.add_argument(
        "--quick", action="store_true", help="fewer of everything, for a first look"
    )
    parser.add_argument("--plot", metavar="FILE.png", help="also draw latency and frame")
    add_timing(parser, rounds=None, warmup=None)


def run(flags: argparse.Namespace) -> int:
    """Measure what the flags ask for and print it as Markdown.

    Args:
        flags: parsed by `add_options`.

    Returns:
        0.

    Raises:
        InputError: anything that cannot be measured; said before anything is timed, where it can
            be known by then.
    """
    from matting_keras.benchmark.tables import heading, section

    # As train.py does: TensorFlow leaves oneDNN off on processors without AVX-512.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    plan = checked(flags)
    warn_if_busy()
    settings = {key: value for key, value in vars(flags).items() if key != "run"}
    settings |= {"models": [subject.name for subject in plan.subjects], "parts": plan.parts}
    settings |= {"sizes": plan.sizes, "threads": plan.threads, "picture": plan.picture}
    facts: dict = {
        "benchmark": "matting-keras benchmark",
        "machine": machine(*PACKAGES, *_trainers(plan)),
        "settings": settings
        | {"rounds": plan.rounds, "warmup": plan.warmup}
        | {"onednn": os.environ["TF_ENABLE_ONEDNN_OPTS"]},
    }
    print(heading(facts), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        subjects = _exported(plan, Path(folder))
        for part in plan.parts:
            log.info("measuring %s", part)
            facts[part] = _measures(plan, flags)[part](_engines(part, subjects, flags.runtimes))
            print(f"\n{section(part, facts[part])}", flush=True)
            _warn(part, facts[part])
    if flags.json:
        write_json(flags.json, facts)
    if flags.plot:
        from matting_keras.benchmark.plot import plot

        plot(facts, flags.plot)
    return 0


def checked(flags: argparse.Namespace) -> Plan:
    """Check everything that was asked for, before anything is timed."""
    from matting_keras.benchmark import memory, subjects

    parts = [part for part in PARTS if part in (flags.parts or _usual())]
    if "memory" in parts and not memory.available():
        raise InputError("--parts memory: this system has no /proc to read it from; leave it out.")
    for option in ("rounds", "warmup", "count", "threads"):
        least = 0 if option == "warmup" else 1
        given = getattr(flags, option)
        for number in given if isinstance(given, list) else [given]:
            if number is not None and number < least:
                raise InputError(f"--{option} {number}: must be {least} or more.")
    if flags.refine and not set(REFINED) & set(parts):
        raise InputError(f"--refine is of photos; add {' or '.join(REFINED)} to --parts.")
    _check_files(flags, parts)
    found = subjects.choose(flags.models or [DEFAULT], flags.runtimes)
    if "training" in parts:
        _check_trainable([subject.name for subject in found])
    if not flags.runtimes and not {"latency", "memory"} & set(parts):
        found = _demos(found)
    cores = os.cpu_count() or 1
    usual = ["256x256"] if flags.quick else ["256x256", "512x288"]
    rounds = QUICK if flags.quick else ROUNDS
    return Plan(
        found,
        subjects.sizes(flags.sizes or usual),
        list(dict.fromkeys(flags.threads or ([cores] if flags.quick else [cores, 1]))),
        subjects.pixels("--picture", flags.picture),
        parts,
        {part: flags.rounds or rounds[part] for part in rounds},
        {part: WARMUP[part] if flags.warmup is None else flags.warmup for part in WARMUP},
    )


def _usual() -> list[str]:
    from matting_keras.benchmark.memory import available

    return [p for p in PARTS if p != "training" and (p != "memory" or available())]


def _check_files(flags: argparse.Namespace, parts: Sequence[str]) -> None:
    from matting_keras.benchmark.plot import PLOTTED, require

    if flags.plot:
        require()
        if not flags.plot.lower().endswith(".png"):
            raise InputError(f"--plot {flags.plot}: a plot is a .png file; end its name in .png.")
        if not set(PLOTTED) & set(parts):
            raise InputError(f"--plot shows {' and '.join(PLOTTED)}; add one of them to --parts.")
    for path in flags.photos:
        if not Path(path).exists():
            raise InputError(f"--photos {path}: no such file or folder; check the spelling.")


def _check_trainable(names: Sequence[str]) -> None:
    from matting_keras.architectures.registry import ARCHITECTURES

    for name in names:
        if name not in ARCHITECTURES:
            raise InputError(
                f"--parts training: {name} is not an architecture; there are "
                f"{', '.join(ARCHITECTURES)}."
            )


def _exported(plan: Plan, folder: Path) -> list:
    from matting_keras.benchmark.subjects import exported

    if plan.parts == ["training"]:
        return plan.subjects
    log.info("preparing %s", ", ".join(subject.name for subject in plan.subjects))
    # A folder each: two files of one name are two networks.
    places = [folder / str(number) for number in range(len(plan.subjects))]
    return [exported(one, place) for one, place in zip(plan.subjects, places, strict=True)]


def _engines(part: str, subjects: list, asked: Sequence[str] | None) -> list:
    return _demos(subjects) if part in DEMO and not asked else subjects


def _demos(subjects: list) -> list:
    return [replace(subject, runtimes=subject.runtimes[:1]) for subject in subjects]


def _trainers(plan: Plan) -> Sequence[str]:
    heavy = "training" in plan.parts or any(
        subject.source == "random weights" or set(subject.runtimes) - set(subject.files)
        for subject in plan.subjects
    )
    return TRAINERS if heavy else ()


def _measures(plan: Plan, flags: argparse.Namespace) -> dict[str, Callable[[list], dict]]:
    from matting_keras.benchmark.frame import frame
    from matting_keras.benchmark.latency import latency
    from matting_keras.benchmark.memory import memory
    from matting_keras.benchmark.startup import startup
    from matting_keras.benchmark.throughput import bulk, training

    def times(part: str) -> tuple[int, int]:
        return plan.rounds[part], plan.warmup[part]

    area, batch, steps = (64 * 64, 4, 4) if flags.quick else (256 * 256, 16, 10)
    names = [subject.name for subject in plan.subjects]
    refines = list(dict.fromkeys(flags.refine or [None]))
    drawn = (flags.photos, plan.picture, flags.count)
    return {
        "latency": lambda some: latency(some, plan.sizes, plan.threads, *times("latency")),
        "memory": lambda some: memory(some, plan.sizes),
        "frame": lambda some: frame(some, plan.picture, *times("frame")),
        "startup": lambda some: startup(some, *times("startup"), refines),
        "bulk": lambda some: bulk(some, *drawn, *times("bulk"), refines),
        "training": lambda some: training(names, area, batch, plan.rounds["training"], steps),
    }


def _warn(part: str, found: dict) -> None:
    """Say where the stages of a frame are not its whole time."""
    if part != "frame":
        return
    for row in found["rows"]:
        if abs(row["ratio"] - 1) > found["tolerance"]:
            log.warning(
                "warning: %s: the stages are %.2f of the untouched loop, more than %.0f %% off; "
                "the machine was busy or uneven. Run it again on an idle one.",
                row["model"],
                row["ratio"],
                100 * found["tolerance"],
            )
