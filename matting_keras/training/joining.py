"""Becoming one of several workers, before anything is computed."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace

import keras

from matting_keras.errors import InputError
from matting_keras.training.cluster import Cluster, meet, read_cluster
from matting_keras.training.config import RunConfig, check
from matting_keras.training.distribution import ALONE, Alone, Workers
from matting_keras.training.precision import resolve

log = logging.getLogger(__name__)

OWN = (
    *("output", "weights", "data.folders", "data.backgrounds", "data.memory"),
    *("trainer.resume", "trainer.minutes", "trainer.checkpoint_minutes", "trainer.patience"),
)
"""Settings that may differ: places on a machine, and what only the first worker goes by."""


@contextmanager
def joined(config: RunConfig) -> Iterator[tuple[Alone | Workers, RunConfig]]:
    """Within it this process is one of the workers that `trainer.strategy` asks for.

    Call it before TensorFlow computes anything.

    Args:
        config: of the run.

    Returns:
        The workers, and the configuration to go on with.

    Raises:
        InputError: TF_CONFIG, settings that cannot be shared, workers that cannot be reached, and,
            out of the block, a worker that ended.
    """
    if config.trainer.strategy != "multi_worker":
        yield ALONE, config
        return
    import tensorflow as tf

    check(config)
    cluster = read_cluster()
    check_shareable(config, len(cluster.addresses))
    use_own_gpu(cluster)
    config = replace(config, trainer=replace(config.trainer, jit="off"))
    meet(cluster, settings(config), config.trainer.patience)
    connect(cluster, config.trainer.patience)
    log.info("%s of %d", cluster.named(cluster.index), len(cluster.addresses))
    ended = tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError
    try:
        workers = Workers(cluster)
        yield workers, config
        # Who leaves while the first one still writes would be missed by TensorFlow.
        workers.sums([0])
    except (*ended, tf.errors.DeadlineExceededError) as error:
        raise InputError(
            f"{cluster.named(cluster.index)}: another worker ended or can no longer be reached; "
            f"see its own message ({_reason(error)}). The run is kept as of its last state.npz: "
            "start all workers again with --resume."
        ) from error


def check_shareable(config: RunConfig, count: int) -> None:
    """Refuse what several workers cannot do.

    Args:
        config: of the run.
        count: how many workers.

    Raises:
        InputError: naming the first such setting.
    """
    trainer = config.trainer
    if keras.backend.backend() != "tensorflow":
        raise InputError(
            f"--strategy {trainer.strategy} needs the TensorFlow backend, not "
            f"{keras.backend.backend()}; leave KERAS_BACKEND unset."
        )
    if trainer.batch_size % count:
        raise InputError(
            f"trainer.batch_size ({trainer.batch_size}) is the batch of all workers together and "
            f"must be a multiple of their number, {count}."
        )
    if trainer.jit == "on":
        raise InputError(
            "--jit on: XLA cannot compile a step that reduces over workers; leave it out."
        )
    if config.recipe.find_rate:
        raise InputError(
            "--lr auto is for one worker: find the rate first with `matting-keras lr-find`, then "
            "pass --lr RATE."
        )


def use_own_gpu(cluster: Cluster) -> None:
    """Leave TensorFlow one GPU: as the n-th worker on its host the n-th.

    Raises:
        InputError: the host has GPUs, but fewer than workers.
    """
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return
    nth = cluster.nth_on_host
    if nth >= len(gpus):
        raise InputError(
            f"{cluster.named(cluster.index)} is number {nth + 1} on its machine, which has "
            f"{len(gpus)} GPUs; name at most as many workers there."
        )
    tf.config.set_visible_devices(gpus[nth], "GPU")


def settings(config: RunConfig) -> dict[str, str]:
    """What has to be the same on all workers, as text."""
    import tensorflow as tf

    flat: dict[str, str] = {}

    def note(values: dict, prefix: str) -> None:
        for key, value in values.items():
            if prefix + key in OWN:
                continue
            if isinstance(value, dict):
                note(value, f"{prefix}{key}.")
            else:
                flat[prefix + key] = repr(value)

    note(asdict(config), "")
    flat["the number format"], _ = resolve(config.trainer.precision, config.trainer.jit)
    flat["the processor"] = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    flat["Keras"], flat["TensorFlow"] = keras.__version__, tf.__version__
    return flat


def connect(cluster: Cluster, patience: float) -> None:
    """Have TensorFlow connect this process to the others.

    Raises:
        InputError: TensorFlow has computed something already, which is too late.
    """
    import tensorflow as tf

    # It tells at length what it has connected; what goes wrong is a warning or an error.
    tf.get_logger().setLevel(logging.WARNING)
    workers = tf.train.ClusterSpec({"worker": list(cluster.addresses)})
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        workers, task_type="worker", task_id=cluster.index, rpc_layer="grpc"
    )
    # It has no limit of its own for a worker that ends between having been met and this.
    limit = threading.Timer(patience, _give_up, (cluster, patience))
    limit.daemon = True
    limit.start()
    try:
        tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)
    except RuntimeError as error:
        raise InputError(
            f"--strategy multi_worker: TensorFlow has been used before in this process ({error}); "
            "begin the training in a new one."
        ) from error
    finally:
        limit.cancel()


def _give_up(cluster: Cluster, patience: float) -> None:
    log.error(
        "error: %s: not all workers connected within %.0f seconds; start them again.",
        *(cluster.named(cluster.index), patience),
    )
    os._exit(1)


def _reason(error: Exception) -> str:
    """What TensorFlow's error says, without what it says around it."""
    text = " ".join(str(error).split())
    text = text.partition("aborted by: ")[2] or text
    return text.partition(" Additional GRPC")[0].partition(" The error could")[0].rstrip(".")
