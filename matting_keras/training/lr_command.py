"""`matting-keras lr-find`: a learning rate range test from the command line."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from matting_keras.training.flags import add_run_flags, run_words

log = logging.getLogger(__name__)


def add_options(command: argparse.ArgumentParser) -> None:
    """The flags of a run, and those of the test."""
    add_run_flags(command)
    command.add_argument(
        "--low", type=float, default=1e-7, metavar="RATE", help="first rate (default 1e-7)"
    )
    command.add_argument(
        "--high", type=float, default=10.0, metavar="RATE", help="last rate (default 10)"
    )
    command.add_argument(
        "--steps", type=int, default=100, metavar="N", help="of the optimizer (default 100)"
    )
    command.add_argument(
        "--ramp", default="exponential", choices=("exponential", "linear"), help="from low to high"
    )
    command.add_argument(
        "--smoothing",
        type=float,
        default=2.0,
        metavar="STEPS",
        help="deviation of the Gaussian over the losses; 0 for none (default 2)",
    )
    command.add_argument(
        "--output", metavar="DIR", help="also write lr-find.json, and lr-find.png with matplotlib"
    )


def run(flags: argparse.Namespace) -> None:
    """Test the rates of a configuration and print the suggested one.

    Raises:
        InputError: a configuration that cannot be trained, settings that make no test, or a loss
            that fell at no rate; what the test saw is written in that case too.
    """
    from matting_keras.training.command import configs_folder, prepare_tensorflow, read_config

    prepare_tensorflow()
    config = read_config(configs_folder(), run_words(flags))

    from tqdm import tqdm

    from matting_keras.training.callbacks import ensure_folder
    from matting_keras.training.lr_finder import check_settings, range_test, record
    from matting_keras.training.setup import checked_loss, seeded, set_up

    test = {name: getattr(flags, name) for name in ("low", "high", "steps", "ramp", "smoothing")}
    check_settings(**test)
    loss = checked_loss(config)
    folder = ensure_folder(Path(flags.output)) if flags.output else None
    with seeded(config):
        setup = set_up(config, loss)
        total = flags.steps * config.trainer.accumulate
        batches = tqdm(setup.batches(0), "testing rates", total, disable=None, leave=False)
        found = range_test(setup.learner, batches, **test)
    if folder:
        record(found, folder)
        log.info("written to %s", folder)
    print(f"{found.suggestion:.3g}")
