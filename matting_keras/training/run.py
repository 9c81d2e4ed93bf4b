"""One training run: from a configuration to best.keras."""

from __future__ import annotations

import math
import time
from pathlib import Path

import keras

from matting_keras.atomic import remove_leftovers
from matting_keras.errors import InputError
from matting_keras.training import callbacks
from matting_keras.training.checkpoint import Diverged
from matting_keras.training.config import RunConfig
from matting_keras.training.deadline import Deadline
from matting_keras.training.distribution import Alone, Workers
from matting_keras.training.divergence import Divergence, explained
from matting_keras.training.joining import joined
from matting_keras.training.local_workers import train_here
from matting_keras.training.lr_finder import found_rate
from matting_keras.training.progress import Progress
from matting_keras.training.record import describe
from matting_keras.training.setup import Setup, checked_loss, seeded, set_up
from matting_keras.training.tensorboard import watchers

FILES = ("best.keras", "config.yaml", "last.keras", "log.csv", "run.json", "state.npz")
"""What a run writes, beside TensorBoard's files."""


def train(config: RunConfig) -> Path | None:
    """Run a training and return the path of its best model.

    One of several workers that is not the first writes nothing and returns None.

    Raises:
        InputError: anything in the configuration or the data that cannot be used, a file that
            cannot be written, a loss that became NaN, or another worker that ended.
        Stopped: on Ctrl-C, a KeyboardInterrupt with the way to go on.
    """
    began = time.monotonic()
    if config.trainer.strategy == "mirrored":
        return train_here(config)
    with joined(config) as (workers, settled):
        loss = checked_loss(settled)
        folder = Path(settled.output)
        if workers.writes:
            _make_ready(folder, settled.trainer.resume)
        with seeded(settled):
            setup = set_up(settled, loss, workers)
            if settled.recipe.find_rate:
                resume = settled.trainer.resume
                rate = found_rate(setup.learner, setup.batches(0), folder, resume=resume)
                setup.compile(rate)
            score = _fit(setup, workers, folder, began)
        return _best(folder, score) if workers.writes else None


def _make_ready(folder: Path, resume: bool) -> None:
    callbacks.ensure_folder(folder)
    if (folder / "state.npz").exists() and not resume:
        raise InputError(
            f"--output {folder}: holds a run already; pass --resume to go on with it, or another "
            "--output."
        )
    for name in FILES:
        remove_leftovers(folder / name)


def _fit(setup: Setup, workers: Alone | Workers, folder: Path, began: float) -> float:
    """Train to the end; the score of the best epoch, -infinity where none has one."""
    model, trainer = setup.learner, setup.config.trainer
    progress = Progress(setup.steps)
    checkpoint = workers.checkpoint(folder, model.monitor, progress, trainer.checkpoint_minutes)
    checkpoint.restore(model)  # of a run that is new there is no state yet
    stop = workers.interruption(checkpoint)
    beside = [
        progress,
        *model.callbacks(),
        callbacks.AveragedValidation(),
        callbacks.Throughput(trainer.batch_size),
        Divergence(setup),
        *(_written(setup, folder, progress.epoch) if workers.writes else []),
        checkpoint,
        *([Deadline(trainer.minutes, began)] if trainer.minutes and workers.writes else []),
        stop,
    ]
    try:
        with stop.heard():
            model.fit(
                setup.batches(progress.done),
                steps_per_epoch=setup.steps,
                epochs=trainer.epochs,
                initial_epoch=progress.epoch,
                validation_data=setup.held,
                shuffle=False,  # the pipeline has its own order
                verbose=2 if workers.writes else 0,
                callbacks=beside,
            )
    except Diverged as found:
        raise explained(found, setup, progress, checkpoint) from found
    if workers.writes:
        # Where validation was best early, the end of the run may still be worth averaging with.
        checkpoint.keep("last.keras")
    return checkpoint.best


def _written(setup: Setup, folder: Path, epochs: int) -> list[keras.callbacks.Callback]:
    """What writes into the run's folder beside the checkpoint."""
    facts = describe(setup, folder)
    return [
        callbacks.CsvLog(folder / "log.csv", epochs),
        *watchers(folder / "tensorboard", facts, setup.shown),
    ]


def _best(folder: Path, score: float) -> Path:
    best = folder / "best.keras"
    if best.is_file():
        return best
    if score == -math.inf:
        raise InputError(
            f"{folder}: no epoch is the best one, because every validation gave NaN or infinite "
            "figures; see the warnings above for its photos. The last state is in state.npz."
        )
    raise InputError(
        f"{best}: is missing, and no epoch since has scored more than its {score:.4f}: the run "
        "went on from a state.npz without it. Put it back from where the run began, or take "
        "last.keras beside it, the weights of the last epoch."
    )
