"""Images a second of the training step alone, and with the augmentation that feeds it.

KERAS_BACKEND=jax python -m benchmarks.gpu.throughput [--json FILE] [--minutes 4]

Timed is `Learner.fit` itself, Python between the steps included, with one look at the losses an
execution, as in a training; not the first two epochs, which compile, and not validation. Noise
takes the place of photos, and stays on the device as they do.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

from matting_keras.architectures.registry import ARCHITECTURES, build
from matting_keras.atomic import atomic_path
from matting_keras.data.packed.augment import Augment
from matting_keras.data.packed.batches import HeldBatches, TrainingBatches
from matting_keras.data.packed.inputs import endless
from matting_keras.data.sample import Sample
from matting_keras.data.store import Store
from matting_keras.data.strengths import AugmentConfig
from matting_keras.geometry import buckets
from matting_keras.training.config import RecipeConfig, TrainerConfig
from matting_keras.training.learner import Learner
from matting_keras.training.optimizers import optimizer
from matting_keras.training.recipes.registry import recipe_loss

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
LEFT_OUT = 2
"""Epochs before the timed ones."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark as the command line says."""
    flags, began = parser().parse_args(arguments), time.perf_counter()
    rows: list[dict] = []
    cases = itertools.product(flags.batch, flags.precision, flags.arch)
    for size, precision, arch in cases:
        if time.perf_counter() - began > flags.minutes * 60:
            print("the time is up: the rows that follow are left out")
            break
        rows.append(_case(arch, precision, size, flags))
        print(json.dumps(rows[-1]), flush=True)
        if flags.json:
            _write(flags.json, rows, flags)
    return 0


def parser() -> argparse.ArgumentParser:
    """The benchmark's options."""
    made = argparse.ArgumentParser("benchmarks.gpu.throughput", description=__doc__.split("\n")[0])
    networks = ["dark-light", "night"]
    made.add_argument("--arch", nargs="+", default=networks, choices=sorted(ARCHITECTURES))
    made.add_argument("--precision", nargs="+", default=PRECISIONS, choices=PRECISIONS)
    made.add_argument("--batch", nargs="+", type=int, default=[128])
    made.add_argument("--area", type=int, default=256 * 256)
    made.add_argument("--at-once", type=int, default=8, help="steps between two looks at the loss")
    made.add_argument("--steps", type=int, default=16, help="of an epoch")
    made.add_argument("--epochs", type=int, default=5, help="timed, of which the median")
    made.add_argument("--minutes", type=float, default=4, help="no case is begun after these")
    made.add_argument("--plain", action="store_true", help="without asymmetric blocks")
    made.add_argument("--augment", action="store_true", help="with augmentation in every step")
    made.add_argument("--json", type=Path, metavar="FILE")
    return made


class Clock(keras.callbacks.Callback):
    """Seconds of each epoch's steps."""

    def __init__(self):
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        """Nothing to do: that a callback has it makes Keras wait for the losses, as always."""

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.began)


def _case(arch: str, precision: str, size: int, flags: argparse.Namespace) -> dict:
    keras.config.set_dtype_policy(precision)
    keras.utils.set_random_seed(0)
    (shape,) = buckets(flags.area, (1.0,))
    store, sizes = _noise(shape, ARCHITECTURES[arch].channels, size)
    layer = Augment(AugmentConfig())
    batch = layer(HeldBatches(store, sizes, [shape], size)[0])
    learner = Learner(build(arch, asymmetric=not flags.plain), recipe_loss("likeunet"), batch)
    train = replace(TrainerConfig(), average=0.999, steps_per_execution=flags.at_once)
    learner.compile(
        optimizer(RecipeConfig(), train, 1000), jit_compile=True, steps_per_execution=flags.at_once
    )
    learner.optimizer.build(learner.trainable_variables)
    if flags.augment:
        learner.prepare = layer
        many = {"seed": 0, "scenes": store, "resident": 10**9}
        batches = endless(TrainingBatches(store, sizes, [shape], size, **many))
    else:
        batches = _again(batch)
    clock = Clock()
    learner.fit(
        batches,
        steps_per_epoch=flags.steps,
        epochs=LEFT_OUT + flags.epochs,
        verbose=0,
        callbacks=[clock],
    )
    median = float(np.median(clock.seconds[LEFT_OUT:]))
    return {
        "arch": arch,
        "precision": precision,
        "batch": size,
        "shape": shape,
        "augmented": flags.augment,
        "images_per_second": round(flags.steps * size / median, 1),
        "step_ms": round(1000 * median / flags.steps, 2),
        "first_epoch_seconds": round(clock.seconds[0], 1),
    }


def _noise(shape: tuple[int, int], channels: int, count: int) -> tuple[Store, list]:
    rng = np.random.default_rng(0)
    side = round(1.2 * shape[0])
    photos = rng.integers(0, 256, (count, side, side, 3), "uint8")
    alpha = rng.integers(0, 256, (side, side)) / np.float32(255)
    samples = [
        Sample(f"noise {number}", partial(_pair, photo, alpha), person=str(number))
        for number, photo in enumerate(photos)
    ]
    return Store(samples, channels, side * side), [(side, side)] * count


def _pair(rgb: np.ndarray, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return rgb, alpha


def _again(batch: tuple) -> Iterator[tuple]:
    """One batch that is on the device already, for ever."""
    while True:
        yield batch


def _write(path: Path, rows: list[dict], flags: argparse.Namespace) -> None:
    import jax

    facts = {
        "benchmark": "gpu.throughput",
        "device": jax.devices()[0].device_kind,
        "versions": {"jax": jax.__version__, "keras": keras.__version__},
        "settings": {k: str(v) if isinstance(v, Path) else v for k, v in vars(flags).items()},
        "rows": rows,
    }
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(facts, indent=1), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
