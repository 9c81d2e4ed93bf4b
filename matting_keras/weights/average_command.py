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
    command.add_argument(
        "--half",
        action="store_true",
        help="round the result to half precision, for a file a third smaller; with one network "
        "nothing is averaged",
    )
    command.add_argument("--output", required=True, metavar="FILE.keras")


def run(flags: argparse.Namespace) -> None:
    """Average and write.

    Raises:
        InputError: as `average` does, or an output that is not a .keras file.
    """
    from matting_keras.weights.average import average
    from matting_keras.weights.files import load, save

    output = Path(flags.output)
    if output.suffix != ".keras":
        raise InputError(f"--output {output}: must end in .keras.")
    if flags.half and len(flags.weights) == 1 and not flags.shares:
        model = load(flags.weights[0])
    else:
        model = average(flags.weights, flags.shares)
    save(model, output, half=flags.half)
    print(f"{output}: {model.name}, {model.count_params():,} parameters")
