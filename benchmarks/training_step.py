"""Images a second of a training step: blocks in weight space, three branches, plain.

python -m benchmarks.training_step [--arch dark-light] [--steps 30] [--json FILE]
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial

# As train.py does: TensorFlow leaves oneDNN off on processors without AVX-512.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import tensorflow as tf

from benchmarks.branches import lifelike, three_branches
from matting_keras import build, fuse
from matting_keras.architectures import ARCHITECTURES
from matting_keras.benchmark.measure import (
    interleaved,
    machine,
    median,
    p95,
    publish,
    timing_parser,
    warn_if_busy,
)
from matting_keras.benchmark.throughput import random_batch, trainer
from matting_keras.geometry import buckets
from matting_keras.training.precision import JITS, PRECISIONS, resolve
from matting_keras.weights.files import transfer

TOLERANCE = {"float32": 1e-5, "mixed_bfloat16": 5e-3, "mixed_float16": 1e-3}
"""The largest relative difference of the first loss; a bfloat16 has less than three digits."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark as the command line says."""
    flags = parser().parse_args(arguments)
    warn_if_busy()
    precision, compiled = resolve(flags.precision, flags.jit)
    (shape,) = buckets(flags.area, (1.0,))
    facts = {
        "benchmark": "training_step",
        "machine": machine("keras", "tensorflow")
        | {"gpus": [tf.config.experimental.get_device_details(g) for g in gpus()]},
        "settings": vars(flags)
        | {"precision": precision, "compiled": compiled, "shape": shape}
        | {"onednn": os.environ["TF_ENABLE_ONEDNN_OPTS"]},
    }
    keras.config.set_dtype_policy(precision)
    models = forms(flags.arch)
    batch = random_batch(flags.batch, *shape, models["plain"].input_shape[-1])
    takes = {name: trainer(model, compiled) for name, model in models.items()}
    steps = {name: partial(take, batch) for name, take in takes.items()}
    # GPUs convolve float32 as TF32, which has the digits of a float16.
    tolerance = TOLERANCE["mixed_float16" if gpus() and precision == "float32" else precision]
    facts["first_loss"] = first_losses(steps, tolerance)
    seconds = interleaved(steps, flags.steps, flags.warmup)
    facts["rows"] = [row(name, times, seconds, flags.batch) for name, times in seconds.items()]
    return publish(facts, report, flags.json)


def parser() -> argparse.ArgumentParser:
    """The benchmark's options."""
    made = timing_parser("benchmarks.training_step", __doc__, rounds=30, warmup=2, counted="steps")
    made.add_argument("--arch", default="dark-light", choices=sorted(ARCHITECTURES))
    made.add_argument("--area", type=int, default=256 * 256, help="height times width, in pixels")
    made.add_argument("--batch", type=int, default=16)
    made.add_argument("--precision", default="auto", choices=PRECISIONS)
    made.add_argument("--jit", default="auto", choices=JITS)
    return made


def forms(architecture: str) -> dict[str, keras.Model]:
    """One function in three forms: the same weights, the same precision."""
    weight_space = lifelike(architecture)
    plain = build(architecture)
    transfer(fuse(weight_space), plain)
    return {
        "weight space": weight_space,
        "three branches": three_branches(weight_space),
        "plain": plain,
    }


def first_losses(steps: dict[str, Callable[[], float]], tolerance: float) -> dict[str, float]:
    """Take one step of each; stops where the same weights do not give the same loss."""
    losses = {name: take() for name, take in steps.items()}
    wanted = losses["weight space"]
    for name, loss in losses.items():
        if not math.isclose(loss, wanted, rel_tol=tolerance):
            raise SystemExit(f"{name}: first loss {loss}, not {wanted}; nothing is timed.")
    return losses


def row(name: str, times: list[float], seconds: dict[str, list[float]], batch: int) -> dict:
    return {
        "form": name,
        "images_per_second": batch / median(times),
        "median_ms": median(times) * 1000,
        "p95_ms": p95(times) * 1000,
        "speedup": median(seconds["three branches"]) / median(times),
    }


def report(facts: dict) -> None:
    """Print the table."""
    chosen = facts["settings"]
    print(
        f"{chosen['arch']}, batch {chosen['batch']} of {chosen['shape'][0]}x{chosen['shape'][1]}, "
        f"{chosen['precision']}, XLA {'on' if chosen['compiled'] else 'off'}, "
        f"TF_ENABLE_ONEDNN_OPTS={chosen['onednn']}, {len(facts['machine']['gpus'])} GPUs"
    )
    print("first loss: " + ", ".join(f"{k} {v:.6f}" for k, v in facts["first_loss"].items()))
    print("form            images/s  median ms   p95 ms  times as fast as three branches")
    for one in facts["rows"]:
        print(
            f"{one['form']:14} {one['images_per_second']:9.2f} {one['median_ms']:10.1f} "
            f"{one['p95_ms']:8.1f}  {one['speedup']:.2f}"
        )


def gpus() -> list:
    return tf.config.list_physical_devices("GPU")


if __name__ == "__main__":
    sys.exit(main())
