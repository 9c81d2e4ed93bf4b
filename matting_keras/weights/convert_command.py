"""`matting-keras convert`: other projects' weights into our networks, and back."""

from __future__ import annotations

import argparse
from pathlib import Path

from matting_keras.errors import InputError


def add_options(command: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    command.add_argument(
        "file", help=".h5 (LikeUnet), .pth, .ckpt or .onnx (U²-Net, MODNet), .tflite (selfie)"
    )
    command.add_argument("--arch", required=True, metavar="NAME")
    command.add_argument(
        "--output", required=True, metavar="FILE", help=".keras; .pth turns a .keras file back"
    )
    command.add_argument(
        "--training", action="store_true", help="keep the outputs that only training needs"
    )
    command.add_argument(
        "--input-norm", choices=("imagenet", "half"), help="half: weights of u-2-net-portrait"
    )


def run(flags: argparse.Namespace) -> None:
    """Do what the flags say.

    Raises:
        InputError: files or flags that do not fit together.
    """
    from matting_keras.weights.convert import convert, to_pytorch
    from matting_keras.weights.files import load, save

    output = Path(flags.output)
    if output.suffix not in (".keras", ".pth"):
        raise InputError(f"--output {output}: must end in .keras, or in .pth for PyTorch.")
    options = {"training": True} if flags.training else {}
    if flags.input_norm:
        options["input_norm"] = flags.input_norm
    if Path(flags.file).suffix == ".keras":
        if options:
            raise InputError(
                f"{flags.file}: --training and --input-norm are for files of other projects; a "
                ".keras file has its form already."
            )
        model = load(flags.file)
        if model.name != flags.arch:
            raise InputError(f"{flags.file}: holds {model.name!r}, not {flags.arch!r}.")
    else:
        model = convert(flags.file, flags.arch, **options)
    if output.suffix == ".pth":
        to_pytorch(model, output)
    else:
        save(model, output)
    print(f"{output}: {model.name}, {model.count_params():,} parameters")
