"""What several workers cost: a step of one against the same batch on several, and a reduction.

python -m benchmarks.distribution [--arch dark-light u2netp] [--workers 2] [--json FILE]

All workers share this machine's cores, so that no more work is done in a second than one worker
does: what their step takes longer is what sharing costs here, over the loopback device.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.connection import Connection

# As train.py does: TensorFlow leaves oneDNN off on processors without AVX-512.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from matting_keras.benchmark.measure import (
    interleaved,
    machine,
    median,
    publish,
    timing_parser,
    warn_if_busy,
)
from matting_keras.training.cluster import Cluster, meet
from matting_keras.training.local_workers import free_ports

SIZES = (1, 1_000, 100_000, 1_000_000, 10_000_000)
"""Numbers in a reduction."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark as the command line says."""
    flags = parser().parse_args(arguments)
    warn_if_busy()
    facts = {
        "benchmark": "distribution",
        "machine": machine("keras", "tensorflow"),
        "settings": vars(flags),
        "steps": [],
    }
    for arch in flags.arch:
        alone, together = Crew(1, arch, flags), Crew(flags.workers, arch, flags)
        actions = {"one": partial(alone.do, "step"), "several": partial(together.do, "step")}
        seconds = interleaved(actions, flags.steps, flags.warmup, title=arch)
        facts["steps"].append({"network": arch, **together.facts, **_medians(seconds)})
        if "reductions" not in facts:
            actions = {size: partial(together.do, size) for size in SIZES}
            seconds = interleaved(actions, flags.steps, flags.warmup, title="reductions")
            facts["reductions"] = _medians(seconds)
        alone.dismiss()
        together.dismiss()
    return publish(facts, report, flags.json)


def parser() -> argparse.ArgumentParser:
    """The benchmark's options."""
    made = timing_parser("benchmarks.distribution", __doc__, rounds=15, warmup=3, counted="steps")
    made.add_argument("--arch", nargs="+", default=["dark-light", "u2netp"])
    made.add_argument("--workers", type=int, default=2)
    made.add_argument("--batch", type=int, default=8, help="of all workers together")
    made.add_argument("--side", type=int, default=256, help="of the images, in pixels")
    return made


class Crew:
    """Processes that do a step, or a reduction, at the same time when they are told to.

    Args:
        count: of workers; one is alone.
        arch: the network.
        flags: of the command line.

    Attributes:
        facts: norms, and numbers in all gradients.
    """

    def __init__(self, count: int, arch: str, flags: argparse.Namespace):
        context = multiprocessing.get_context("spawn")
        addresses = tuple(f"localhost:{port}" for port in free_ports(count))
        self.lines: list[Connection] = []
        self.processes = []
        for index in range(count):
            line, other = context.Pipe()
            given = Cluster(addresses, index), arch, flags.batch // count, flags.side, other
            self.processes.append(context.Process(target=serve, args=given, daemon=True))
            self.processes[-1].start()
            self.lines.append(line)
        self.facts, *_ = [line.recv() for line in self.lines]

    def do(self, what: str | int) -> None:
        for line in self.lines:
            line.send(what)
        for line in self.lines:
            line.recv()

    def dismiss(self) -> None:
        for line in self.lines:
            line.send(None)
        for process in self.processes:
            process.join()


def serve(cluster: Cluster, arch: str, batch: int, side: int, line: Connection) -> None:
    """What a worker's process does: whatever comes down the line, until it is None."""
    from matting_keras.training.distribution import ALONE, Workers
    from matting_keras.training.joining import connect

    workers = ALONE
    if len(cluster.addresses) > 1:
        meet(cluster, {}, 600)
        connect(cluster, 600)
        workers = Workers(cluster)
    step, facts = stepping(workers, arch, batch, side)
    step()
    line.send(facts)
    reductions: dict[int, Callable] = {}
    for what in iter(line.recv, None):
        if what == "step":
            step()
        else:
            if what not in reductions:
                reductions[what] = reducing(workers, what)
            reductions[what]()
        line.send(True)


def stepping(workers, arch: str, batch: int, side: int) -> tuple[Callable, dict]:
    """A step of a learner on one batch of noise, and what it has to reduce."""
    import keras

    from matting_keras import build
    from matting_keras.training.learner import Learner
    from matting_keras.training.recipes.registry import recipe_loss

    keras.utils.set_random_seed(0)
    network = build(arch)
    rng = np.random.default_rng(workers.share.index)
    shape = batch, side, side
    images = rng.uniform(0, 255, (*shape, network.input_shape[-1])).astype("float32")
    alpha = rng.uniform(0, 1, (*shape, 1)).astype("float32")
    target = {"alpha": alpha, "unknown": 0 * alpha, "refined": np.ones(batch, "float32")}
    learner = workers.learner(Learner)(network, recipe_loss("likeunet"), (images, target))
    learner.compile(keras.optimizers.Adam(), jit_compile=False)
    norms = [
        layer
        for layer in network._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    facts = {"norms": len(norms), "weights": int(sum(map(np.size, network.trainable_weights)))}
    return lambda: learner.train_on_batch(images, target), facts


def reducing(workers, size: int) -> Callable:
    """A reduction of so many numbers."""
    import tensorflow as tf

    value = tf.ones(size)
    reduce = tf.function(lambda: workers.total(f"benchmark {size}", [value])[0][0])
    return lambda: reduce().numpy()


def _medians(seconds: dict) -> dict:
    return {key: median(times) for key, times in seconds.items()}


def report(facts: dict) -> None:
    """Print the tables."""
    count = facts["settings"]["workers"]
    print(f"| network | weights | norms | one worker, ms | {count} workers, ms | |")
    print("|---|---|---|---|---|---|")
    for row in facts["steps"]:
        one, several = row["one"] * 1000, row["several"] * 1000
        print(
            f"| {row['network']} | {row['weights']:,} | {row['norms']} | {one:.0f} | "
            f"{several:.0f} | {several / one:.2f}× |"
        )
    print("\n| numbers in a reduction | ms |\n|---|---|")
    for size, seconds in facts["reductions"].items():
        print(f"| {size:,} | {seconds * 1000:.2f} |")


if __name__ == "__main__":
    sys.exit(main())
