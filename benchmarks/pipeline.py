"""Images a second that decoding, resizing and augmenting feed, against what a network takes.

python -m benchmarks.pipeline [--data DIR] [--area 262144] [--steps 6] [--json FILE]
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

# As train.py does: TensorFlow leaves oneDNN off on processors without AVX-512.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

from matting_keras import build
from matting_keras.architectures import ARCHITECTURES
from matting_keras.benchmark.measure import (
    machine,
    median,
    publish,
    timing_parser,
    warn_if_busy,
)
from matting_keras.benchmark.throughput import random_batch, trainer
from matting_keras.data import sources
from matting_keras.data.augment import AugmentConfig
from matting_keras.data.pipeline import training_batches
from matting_keras.data.store import check
from matting_keras.data.synthetic import synthetic_portrait
from matting_keras.geometry import buckets
from matting_keras.media.images import write_image
from matting_keras.training.precision import resolve

DRAWN = 48
"""Portraits drawn where no data is given, each three times the area asked for, as JPEG files."""


READY = 8
"""Batches that may lie ready: what the pipeline prefetches, and what its threads hold."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark as the command line says."""
    flags = parser().parse_args(arguments)
    warn_if_busy()
    precision, compiled = resolve("auto", "auto")
    (shape,) = buckets(flags.area, (1.0,))
    facts = {
        "benchmark": "pipeline",
        "machine": machine("keras", "tensorflow", "pillow"),
        "settings": vars(flags) | {"precision": precision, "compiled": compiled, "shape": shape},
    }
    with tempfile.TemporaryDirectory() as folder:
        data = flags.data or drawn(Path(folder), flags.area)
        keras.config.set_dtype_policy(precision)
        model = build(flags.arch, asymmetric=True)
        take = trainer(model, compiled)
        bare = random_batch(flags.batch, *shape, model.input_shape[-1])
        loops: dict[str, tuple[Callable, Iterator]] = {
            "step alone": (take, itertools.repeat(bare)),
            "pipeline, files read at every use": (ready, fed(data, flags, shape, budget=0)),
            "pipeline, photos kept in memory": (ready, fed(data, flags, shape, budget=2**33)),
        }
        rates: dict[str, list[float]] = {name: [] for name in loops}
        for turn in range(flags.warmup + flags.rounds):
            for name, (use, batches) in loops.items():
                settle()
                if use is ready:
                    # What was made ready while another loop ran must not count.
                    for _ in range(READY):
                        next(batches)
                began = time.perf_counter()
                for _ in range(flags.steps):
                    use(next(batches))
                if turn >= flags.warmup:
                    rates[name].append(flags.batch * flags.steps / (time.perf_counter() - began))
    facts["rows"] = [
        {"loop": name, "images_per_second": median(found), "all": found}
        for name, found in rates.items()
    ]
    return publish(facts, report, flags.json)


def parser() -> argparse.ArgumentParser:
    """The benchmark's options."""
    made = timing_parser("benchmarks.pipeline", __doc__, rounds=5, warmup=1)
    made.add_argument("--data", metavar="DIR", help="a data set (default: drawn portraits)")
    made.add_argument("--arch", default="dark-light", choices=sorted(ARCHITECTURES))
    made.add_argument("--area", type=int, default=512 * 512, help="height times width, in pixels")
    made.add_argument("--batch", type=int, default=16)
    made.add_argument("--steps", type=int, default=6, help="batches in a row (default 6)")
    return made


def drawn(folder: Path, area: int) -> Path:
    """Write portraits as JPEG files with PNG alphas, larger than they will be used."""
    side = round((3 * area) ** 0.5)
    for number in range(DRAWN):
        image, alpha = synthetic_portrait(number, side, side)
        write_image(folder / "images" / f"{number}.jpg", image)
        write_image(folder / "alphas" / f"{number}.png", np.rint(alpha * 255).astype(np.uint8))
    return folder


def fed(data: str | Path, flags: argparse.Namespace, shape: tuple[int, int], budget: int):
    """The endless batches of a training run on a data set."""
    samples = sources.open_source(data, "all")
    channels = ARCHITECTURES[flags.arch].channels
    checked = check(samples, channels, area=round(1.5 * flags.area), budget=budget, quiet=True)
    return iter(
        training_batches(
            checked.store,
            checked.sizes,
            [shape],
            flags.batch,
            seed=0,
            config=AugmentConfig(composite=0, empty=0),
        )
    )


def settle(quiet: float = 0.1, most: float = 20.0) -> None:
    """Wait until the loop before has filled its buffers again, which would slow the next one.

    Args:
        quiet: of a processor's time, the share that counts as nothing at work.
        most: seconds to wait at most.
    """
    until = time.monotonic() + most
    while time.monotonic() < until:
        used = time.process_time()
        time.sleep(0.5)
        if time.process_time() - used < 0.5 * quiet:
            return


def ready(batch: tuple) -> None:
    """Take a batch and do nothing with it."""


def report(facts: dict) -> None:
    """Print the table."""
    flags, rows = facts["settings"], facts["rows"]
    height, width = flags["shape"]
    print(f"{flags['arch']}, {height}×{width}, batch {flags['batch']}, {flags['precision']}")
    step = rows[0]["images_per_second"]
    for row in rows:
        rate = row["images_per_second"]
        print(f"{row['loop']:36} {rate:8.1f} images/s {rate / step:8.1f} ×")


if __name__ == "__main__":
    sys.exit(main())
