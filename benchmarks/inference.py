"""Latency of one network in three forms: unfused, fused and folded, all in one process.

python -m benchmarks.inference [--arch dark-light] [--rounds 60] [--json FILE]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

# TensorFlow only writes the files here; what it says about itself would bury the table.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import onnx
import onnxruntime

from benchmarks.branches import lifelike, three_branches
from matting_keras.architectures import ARCHITECTURES
from matting_keras.architectures.registry import metadata
from matting_keras.benchmark.measure import (
    interleaved,
    machine,
    median,
    p95,
    publish,
    timing_parser,
    warn_if_busy,
)
from matting_keras.onnx_graph import write_onnx
from matting_keras.reparameterize import fold, fuse, take_rgb, with_rgb_input

TOLERANCE = 1e-4
"""The largest difference of alpha between two forms that are the same function."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark as the command line says."""
    flags = parser().parse_args(arguments)
    warn_if_busy()
    facts = {
        "benchmark": "inference",
        "machine": machine("keras", "tensorflow", "onnx", "onnxruntime"),
        "settings": vars(flags),
    }
    with tempfile.TemporaryDirectory() as folder:
        files, reference = write_forms(flags.arch, Path(folder))
        facts["nodes"] = {name: count_nodes(path) for name, path in files.items()}
        facts["largest_difference"] = check_agreement(files, reference, flags.sides)
        facts["rows"] = measure(files, flags)
    return publish(facts, report, flags.json)


def parser() -> argparse.ArgumentParser:
    """The benchmark's options."""
    made = timing_parser("benchmarks.inference", __doc__, rounds=60, warmup=5)
    made.add_argument("--arch", default="dark-light", choices=sorted(ARCHITECTURES))
    made.add_argument("--sides", type=int, nargs="+", default=[256, 512], metavar="PIXELS")
    made.add_argument("--threads", type=int, nargs="+", default=[2, 1], metavar="N")
    return made


def write_forms(architecture: str, folder: Path) -> tuple[dict[str, Path], keras.Model]:
    """Write the three ONNX files; returns them and the model that all of them are."""
    trained = lifelike(architecture)
    forms = {"unfused": three_branches(trained), "fused": fuse(trained), "folded": fold(trained)}
    files = {}
    for name, model in forms.items():
        model = take_rgb(model) if name == "folded" else with_rgb_input(model)
        model(np.zeros((1, 64, 64, 3), "float32"))  # Keras exports only what has been called
        files[name] = folder / f"{name}.onnx"
        write_onnx(model, files[name], metadata(architecture))
    return files, with_rgb_input(trained)


def count_nodes(path: Path) -> dict[str, int]:
    """Nodes in the file, and what onnxruntime makes of them before it runs."""
    optimised = path.with_suffix(".optimised.onnx")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(optimised)
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return {"file": len(onnx.load(path).graph.node), "run": len(onnx.load(optimised).graph.node)}


def check_agreement(files: dict[str, Path], reference: keras.Model, sides: list[int]) -> float:
    """The largest difference of any form from the trained model; stops where it is too large."""
    largest = 0.0
    for side in sides:
        image = noise(side)
        wanted = np.asarray(reference(image, training=False))
        if np.ptp(wanted) < 0.01:
            raise SystemExit("the reference's alpha is constant; agreement would prove nothing.")
        for name, path in files.items():
            alpha = session(path, 1).run(["alpha"], {"image": image})[0]
            difference = float(np.abs(alpha - wanted).max())
            if not difference <= TOLERANCE:
                raise SystemExit(f"{name} differs by {difference:.1e} at {side}; nothing is timed.")
            largest = max(largest, difference)
    return largest


def measure(files: dict[str, Path], flags: argparse.Namespace) -> list[dict]:
    """Time every form, size and thread count in turn."""
    images = {side: noise(side) for side in flags.sides}
    actions = {}
    for threads in flags.threads:
        sessions = {name: session(path, threads) for name, path in files.items()}
        for side, image in images.items():
            for name, engine in sessions.items():
                # The defaults tie each action to its own engine and picture.
                actions[side, threads, name] = lambda engine=engine, image=image: engine.run(
                    ["alpha"], {"image": image}
                )
    seconds = interleaved(actions, flags.rounds, flags.warmup)
    return [
        {
            "side": side,
            "threads": threads,
            "form": name,
            "median_ms": median(times) * 1000,
            "p95_ms": p95(times) * 1000,
            "speedup": median(seconds[side, threads, "unfused"]) / median(times),
        }
        for (side, threads, name), times in seconds.items()
    ]


def session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Else the threads of one session would still be spinning while the next one is timed.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def noise(side: int) -> np.ndarray:
    """One RGB picture of random values and a ramp; its content does not matter to the time."""
    image = np.random.default_rng(side).uniform(0, 255, (1, side, side, 3)).astype("float32")
    image[:, :, : side // 2] = np.linspace(0, 255, side)[:, None, None]
    return image


def report(facts: dict) -> None:
    """Print the table."""
    print(f"{facts['settings']['arch']}, onnxruntime, batch 1, random weights")
    for name, count in facts["nodes"].items():
        print(f"  {name:8} {count['file']:4} nodes in the file, {count['run']:4} when run")
    print(f"largest difference of alpha: {facts['largest_difference']:.1e}")
    print("   size  threads  form      median ms   p95 ms  times as fast as unfused")
    for row in facts["rows"]:
        print(
            f"  {row['side']:5}  {row['threads']:7}  {row['form']:8} {row['median_ms']:10.2f} "
            f"{row['p95_ms']:8.2f}  {row['speedup']:.2f}"
        )


if __name__ == "__main__":
    sys.exit(main())
