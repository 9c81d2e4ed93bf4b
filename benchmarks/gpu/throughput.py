"""Images a second of the training step alone, and with the augmentation that feeds it.

KERAS_BACKEND=jax python -m benchmarks.gpu.throughput [--json FILE] [--minutes 4]
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import keras
import numpy as np

from benchmarks.gpu import BEGAN
from benchmarks.gpu.photos import Photos, upload
from benchmarks.gpu.settings import PRECISIONS
from benchmarks.gpu.step import Recipe, Steps, optimizer
from matting_keras.architectures.registry import ARCHITECTURES, build
from matting_keras.atomic import atomic_path
from matting_keras.geometry import buckets

STILL = dict.fromkeys(
    ("flip", "rotate", "shift", "brightness", "contrast", "gamma", "colour"), 0.0
) | dict.fromkeys(("blur", "noise", "jpeg", "grayscale", "composite", "empty"), 0.0)
LIVELY = dict.fromkeys(STILL, 0.2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark as the command line says."""
    flags = parser().parse_args(arguments)
    rows: list[dict] = []
    cases = itertools.product(flags.batch, flags.precision, flags.arch)
    for size, precision, arch in cases:
        spent = time.perf_counter() - BEGAN
        if spent > flags.minutes * 60:
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
    made.add_argument("--scan", type=int, default=16, help="steps per call to the GPU")
    made.add_argument("--calls", type=int, default=5, help="timed calls, of which the median")
    made.add_argument("--minutes", type=float, default=4, help="no case is begun after these")
    made.add_argument("--plain", action="store_true", help="without asymmetric blocks")
    made.add_argument("--augment", action="store_true", help="with augmentation in every step")
    made.add_argument("--json", type=Path, metavar="FILE")
    return made


def _case(arch: str, precision: str, size: int, flags: argparse.Namespace) -> dict:
    keras.config.set_dtype_policy(precision)
    keras.utils.set_random_seed(0)
    (shape,) = buckets(flags.area, (1.0,))
    model = build(arch, asymmetric=not flags.plain)
    model.compile(optimizer=optimizer(precision, amsgrad=False, average=0.999))
    model.optimizer.build(model.trainable_variables)
    strengths = SimpleNamespace(**(LIVELY if flags.augment else STILL), zoom=(0.85, 1.5))
    recipe = Recipe(strengths, batch_size=size, steps=flags.scan)
    photos = _noise(shape, ARCHITECTURES[arch].channels)
    # A bare step gets one batch that is there already.
    fixed = None if flags.augment else _fixed(photos, shape, size)
    steps = Steps(model, recipe, photos, photos if flags.augment else None, fixed=fixed)
    compile_seconds = steps.compile([shape])
    index = np.resize(np.arange(len(photos.start), dtype="int32"), flags.scan * size)
    rates, seconds = np.full(flags.scan, 1e-4), []
    for call in range(flags.calls + 2):
        began = time.perf_counter()
        loss = float(steps.run(shape, index, call * flags.scan, rates))
        seconds.append(time.perf_counter() - began)
    median = float(np.median(seconds[2:]))
    return {
        "arch": arch,
        "precision": precision,
        "batch": size,
        "shape": shape,
        "augmented": flags.augment,
        "images_per_second": round(flags.scan * size / median, 1),
        "step_ms": round(1000 * median / flags.scan, 2),
        "compile_seconds": round(compile_seconds, 1),
        "loss": loss,
    }


def _noise(shape: tuple[int, int], channels: int) -> Photos:
    rng = np.random.default_rng(0)
    sides = [round(side * 1.2) for side in shape]
    return upload(list(rng.integers(0, 256, (64, *sides, channels + 1), "uint8")), [False] * 64)


def _fixed(photos: Photos, shape: tuple[int, int], size: int) -> tuple[jax.Array, jax.Array]:
    rng = np.random.default_rng(0)
    image = rng.uniform(0, 255, (size, *shape, photos.channels - 1)).astype("float32")
    alpha = rng.uniform(0, 1, (size, *shape, 1)).astype("float32")
    return jax.numpy.asarray(image), jax.numpy.asarray(alpha)


def _write(path: Path, rows: list[dict], flags: argparse.Namespace) -> None:
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
