"""`matting-keras average`."""

from __future__ import annotations

import argparse
from pathlib import Path

from matting_keras.errors import InputError


def add_options(command: argparse.ArgumentParser) -> None:
    """The command's options."""
    command.add_argument(
        "weights", nargs="+", metavar="WEIGHTS", help=".keras files or presets, trained from one"
    )
    command.add_argument(
        "--shares", nargs="+", type=float, metavar="S", help="what each counts (default: the same)"
    )
    command.add_argument("--output", required=True, metavar="FILE.keras")


def run(flags: argparse.Namespace) -> None:
    """Average and write.

    Raises:
        InputError: as `average` does, or an output that is not a .keras file.
    """
    from matting_keras.weights.average import average
    from matting_keras.weights.files import save

    output = Path(flags.output)
    if output.suffix != ".keras":
        raise InputError(f"--output {output}: must end in .keras.")
    model = average(flags.weights, flags.shares)
    save(model, output)
    print(f"{output}: {model.name}, {model.count_params():,} parameters")
