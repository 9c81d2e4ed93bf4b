"""What the demo is asked on its command line."""

from __future__ import annotations

import argparse
from pathlib import Path

from matting_keras.errors import InputError
from matting_keras.inference.foreground import METHODS as FOREGROUNDS
from matting_keras.inference.levels import LEVELS_HELP
from matting_keras.inference.looks import FINER_HELP, LOOKS, LOOKS_HELP
from matting_keras.inference.matter import AREA, Matter
from matting_keras.inference.parts import PARTS, PARTS_HELP
from matting_keras.inference.refine import METHODS as REFINES
from matting_keras.inference.refine import REFINE_HELP
from matting_keras.inference.runtimes import RUNTIMES
from matting_keras.inference.temporal import METHODS
from matting_keras.media.decode import MAX_PIXELS
from matting_keras.weights.presets import DEFAULT, GRAY_TWINS, PRESETS


def parser() -> argparse.ArgumentParser:
    """The demo's options."""
    made = argparse.ArgumentParser(
        prog="demo.py", description="Cut people out of photos, folders, videos or a camera."
    )
    made.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="photo, video or folder; a camera's number, 0; or - for a photo on stdin, with --raw "
        "for raw frames",
    )
    network = made.add_mutually_exclusive_group()
    network.add_argument("--arch", metavar="NAME", help=f"shipped network (default: {DEFAULT})")
    network.add_argument("--weights", metavar="FILE", help=".onnx, .keras or .tflite file instead")
    made.add_argument("--gray", action="store_true", help="the gray twin of a colour network")
    made.add_argument(
        "--background",
        metavar="COLOR|FILE|blur|transparent",
        help="what to put behind (default: transparent for photos, green for videos)",
    )
    made.add_argument(
        "--output",
        metavar="PATH",
        help="file or folder (default: output/); for a video also .webm and .mov, which keep "
        "transparency, numbered pictures (cut/%%05d.png), or - for raw frames on stdout; for a "
        "photo, - is a PNG on stdout",
    )
    made.add_argument(
        "--alpha-only", action="store_true", help="the matte in gray, in place of the cut-out"
    )
    add_finding(made)
    made.add_argument("--runtime", default="auto", choices=("auto", *RUNTIMES))
    made.add_argument(
        "--temporal",
        default="smooth",
        choices=tuple(METHODS),
        help="how a video's alpha is kept from flickering (default: smooth)",
    )
    made.add_argument(
        "--raw", metavar="WxH[@FPS]", help="size and rate of raw rgb24 frames on stdin"
    )
    made.add_argument("--no-window", action="store_true", help="record a camera, show nothing")
    made.add_argument(
        "--virtual-camera", action="store_true", help="show a camera's picture to other programs"
    )
    return made


def add_finding(command: argparse.ArgumentParser) -> None:
    """Add how a person is found and cleaned, which all commands have that cut out."""
    parts = command.add_mutually_exclusive_group()
    parts.add_argument(
        "--largest",
        dest="parts",
        action="store_const",
        const="largest",
        help="only the largest person, and nothing that is not joined to it",
    )
    parts.add_argument("--parts", choices=PARTS, help=PARTS_HELP)
    add_looks_and_levels(command)
    command.add_argument(
        "--area",
        type=int,
        metavar="PIXELS",
        help="height times width of the network's input: more for finer hair, fewer for speed "
        f"(default: the network's own, mostly {AREA})",
    )
    command.add_argument(
        "--foreground",
        default="fast",
        choices=FOREGROUNDS,
        help="how a photo's person loses the old background's colours at soft edges: best takes "
        "seconds and pymatting; off keeps them; videos are always done fast (default: fast)",
    )
    command.add_argument(
        "--max-pixels",
        type=int,
        default=MAX_PIXELS,
        metavar="N",
        help=f"refuse larger photos (default: {MAX_PIXELS})",
    )


def add_looks_and_levels(command: argparse.ArgumentParser) -> None:
    """Add how a network looks, and what becomes of its alphas; peers only as they are told."""
    command.add_argument("--looks", type=int, choices=LOOKS, help=LOOKS_HELP)
    command.add_argument("--finer", type=float, metavar="TIMES", help=FINER_HELP)
    command.add_argument("--refine", choices=REFINES, help=REFINE_HELP)
    command.add_argument("--levels", type=float, nargs=2, metavar=("LOW", "HIGH"), help=LEVELS_HELP)


def finder(options: argparse.Namespace, weights: str | Path, runtime: str = "auto") -> Matter:
    """The network with what `add_finding` was told.

    Raises:
        InputError: as `Matter` does.
    """
    told = {
        name: getattr(options, name) for name in ("parts", "looks", "levels", "finer", "refine")
    }
    return Matter(weights, runtime, options.area, **told)


def network(options: argparse.Namespace) -> str | Path:
    """The network that the options name: a preset, or a file.

    Raises:
        InputError: --gray beside a network that has no gray twin.
    """
    if options.weights:
        if options.gray:
            raise InputError("--gray chooses between shipped networks; leave it out or --weights.")
        return Path(options.weights)
    name = options.arch or ("dark-light" if options.gray else DEFAULT)
    kind = PRESETS[name].architecture if name in PRESETS else name
    if options.gray and kind not in GRAY_TWINS and kind not in GRAY_TWINS.values():
        raise InputError(f"--gray: {name} has no gray twin; {', '.join(GRAY_TWINS)} have.")
    twin = GRAY_TWINS.get(name, name) if options.gray else name
    if twin != name and twin not in PRESETS:
        raise InputError(
            f"--gray: {twin}, the gray twin of {name}, is not shipped; leave --gray out, or take "
            "--arch night-lite."
        )
    return twin
