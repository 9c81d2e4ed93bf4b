"""One training run: from a configuration to best.keras."""

from __future__ import annotations

import logging
from pathlib import Path

import keras

from matting_keras.errors import InputError
from matting_keras.training import callbacks
from matting_keras.training.config import RunConfig
from matting_keras.training.lr_finder import found_rate
from matting_keras.training.record import describe
from matting_keras.training.setup import Setup, checked_loss, seeded, set_up
from matting_keras.training.tensorboard import watchers

log = logging.getLogger(__name__)


def train(config: RunConfig) -> Path:
    """Run a training and return the path of its best model.

    Raises:
        InputError: anything in the configuration or the data that cannot be used.
    """
    loss = checked_loss(config)
    folder = callbacks.ensure_folder(Path(config.output))
    if (folder / "state.npz").exists() and not config.trainer.resume:
        raise InputError(
            f"--output {folder}: holds a run already; pass --resume to go on with it, or another "
            "--output."
        )
    with seeded(config):
        setup = set_up(config, loss)
        if config.recipe.find_rate:
            setup.compile(found_rate(setup.learner, setup.batches(0), folder))
        return _fit(setup, folder)


def _fit(setup: Setup, folder: Path) -> Path:
    model, trainer, steps = setup.learner, setup.config.trainer, setup.steps
    checkpoint = callbacks.Checkpoint(folder)
    done = checkpoint.restore(model) if trainer.resume else 0
    facts = describe(setup, folder)
    model.fit(
        setup.batches(done * steps),
        steps_per_epoch=steps,
        epochs=trainer.epochs,
        initial_epoch=done,
        validation_data=setup.held,
        shuffle=False,  # the pipeline has its own order
        verbose=2,
        callbacks=[
            callbacks.AveragedValidation(),
            callbacks.Throughput(trainer.batch_size),
            checkpoint,
            callbacks.CsvLog(folder / "log.csv", done),
            *watchers(folder / "tensorboard", facts, setup.shown),
            keras.callbacks.TerminateOnNaN(),
        ],
    )
    return folder / "best.keras"
