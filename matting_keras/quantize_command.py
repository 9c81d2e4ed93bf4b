"""`matting-keras quantize`."""

from __future__ import annotations

import argparse


def add_options(command: argparse.ArgumentParser) -> None:
    """The command's options."""
    command.add_argument("model", help="an exported .onnx file or a preset's name")
    command.add_argument(
        "--pictures", required=True, metavar="FOLDER", help="photos such as it will see, 100 or so"
    )
    command.add_argument("--output", required=True, metavar="FILE.onnx")
    command.add_argument(
        "--area", type=int, metavar="PIXELS", help="on its input (default: its own)"
    )
    command.add_argument(
        "--tolerance",
        type=float,
        default=0.01,
        metavar="T",
        help="the largest mean change of alpha (default 0.01)",
    )


def run(flags: argparse.Namespace) -> None:
    """Quantize and say what it changes.

    Raises:
        InputError: as `quantize` does.
    """
    from matting_keras.quantize import quantize

    print(
        quantize(
            flags.model, flags.pictures, flags.output, area=flags.area, tolerance=flags.tolerance
        )
    )
