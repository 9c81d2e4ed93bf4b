"""Several workers on this machine: a process for each GPU."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from matting_keras.errors import InputError
from matting_keras.signals import hearing
from matting_keras.training.cluster import Cluster
from matting_keras.training.config import RunConfig
from matting_keras.training.interruption import Stopped

log = logging.getLogger(__name__)

GRACE = 60
"""Seconds that the others have to notice that one of them has ended."""


def train_here(config: RunConfig) -> Path:
    """Run a training with a worker for each GPU and return the path of its best model.

    Args:
        config: its `trainer.workers` says how many, if not one for each GPU.

    Raises:
        InputError: fewer than two workers, or one that failed; what it said is on stderr.
        Stopped: on Ctrl-C, a KeyboardInterrupt with the way to go on.
    """
    trainer = config.trainer
    count = trainer.workers or gpu_count()
    if count < 2:
        raise InputError(
            f"--strategy mirrored: {count} GPUs here, but it takes two or more; leave it out, or "
            "say how many workers are to share the processor with trainer.workers=N."
        )
    cluster = [f"localhost:{port}" for port in free_ports(count)]
    each = replace(config, trainer=replace(trainer, strategy="multi_worker"))
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=_work, args=(each, Cluster(tuple(cluster), index)))
        for index in range(count)
    ]
    with _asked() as asked:
        for worker in workers:
            worker.start()
        try:
            codes = _ended(workers, asked)
        finally:
            for worker in workers:
                worker.kill()
    if asked:
        raise Stopped(asked[0], "all workers ended; go on with --resume.")
    if failed := [index for index, code in enumerate(codes) if code]:
        raise InputError(
            f"{_plural(failed)} failed, see above; the run is kept as of its last state.npz."
        )
    return Path(config.output) / "best.keras"


def gpu_count() -> int:
    """How many GPUs TensorFlow finds."""
    import tensorflow as tf

    return len(tf.config.list_physical_devices("GPU"))


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


def _work(config: RunConfig, cluster: Cluster) -> None:
    """What a worker's process does: as `train.py --strategy multi_worker`, but for the path."""
    from matting_keras.training.command import prepare_tensorflow

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent passes it on
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    if cluster.index:
        logging.disable(logging.INFO)  # what the first one says too
    prepare_tensorflow()
    os.environ["TF_CONFIG"] = cluster.as_config()
    from matting_keras.training.run import train

    try:
        train(config)
    except InputError as error:
        log.error("error: %s", error)
        sys.exit(1)
    except KeyboardInterrupt as stop:
        log.warning("stopped: %s", str(stop) or "before the first step.")
        sys.exit(128 + getattr(stop, "number", signal.SIGINT))


@contextmanager
def _asked() -> Iterator[list[int]]:
    """Signals to this process, in place of what they do."""
    asked: list[int] = []
    with hearing(lambda number, frame: asked.append(number)):
        yield asked


def _ended(workers: list[BaseProcess], asked: list[int]) -> list[int]:
    """Wait for all workers; where one fails the others get some time to notice."""
    end, told = float("inf"), 0
    while running := [worker for worker in workers if worker.exitcode is None]:
        wait([worker.sentinel for worker in running], 1)
        for _ in asked[told:]:
            told += 1
            for worker in running:
                worker.terminate()
        if any(worker.exitcode for worker in workers) and end == float("inf"):
            end = time.monotonic() + GRACE
        if time.monotonic() > end:
            for worker in running:
                worker.kill()
    return [worker.exitcode for worker in workers]


def _plural(indices: list[int]) -> str:
    named = ", ".join(map(str, indices))
    return f"worker {named}" if len(indices) == 1 else f"workers {named}"
