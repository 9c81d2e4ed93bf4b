"""`matting-keras compose`: composites as a data folder, or all that they are made of in a pack."""

from __future__ import annotations

import argparse

from matting_keras.errors import InputError


def add_options(command: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    command.add_argument(
        "data",
        nargs="+",
        metavar="DATA",
        help="a data folder with soft alphas; with --pack as many data sets as train.py takes",
    )
    command.add_argument(
        "--backgrounds", required=True, nargs="+", metavar="DIR", help="without people"
    )
    command.add_argument("--output", metavar="DIR", help="the data folder to write")
    command.add_argument("--count", type=int, default=1000, metavar="N", help="default: 1000")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--foreground", default="best", metavar="best|fast|off")
    command.add_argument(
        "--light", type=float, default=0.3, help="how far light follows the scene (default 0.3)"
    )
    command.add_argument(
        "--people",
        choices=("all", "held-back"),
        default="all",
        help="held-back: people and backgrounds that training with these folders leaves out",
    )
    command.add_argument(
        "--in-place",
        action="store_true",
        help="people stay where they are in their photo, at its size; else they are placed anew",
    )
    _pack_options(command.add_argument_group("in place of a data folder"))


def _pack_options(group) -> None:
    group.add_argument(
        "--pack",
        metavar="FILE",
        help="photos and backgrounds in one small file: train.py --data packed:FILE composes "
        "anew in every step",
    )
    group.add_argument(
        "--area", type=int, default=256 * 256, help="pixels to train at (default 65536)"
    )
    group.add_argument(
        "--megabytes", type=float, default=0, metavar="N", help="what a file may take"
    )
    group.add_argument("--files", type=int, default=1, metavar="N", help="to deal the photos out")
    group.add_argument("--raw", action="store_true", help="pixels as they are, nothing to decode")
    group.add_argument(
        "--validation", type=float, default=0.1, help="share of people held back (default 0.1)"
    )


def run(flags: argparse.Namespace) -> int:
    """Do what the flags say; returns the command's exit status.

    Raises:
        InputError: flags that do not go together, or data that cannot be used.
    """
    if bool(flags.pack) == bool(flags.output):
        raise InputError("say what to write: --output DIR for a data folder, or --pack FILE.")
    if flags.pack:
        for given, flag in ((flags.people != "all", "--people"), (flags.in_place, "--in-place")):
            if given:
                raise InputError(
                    f"{flag} is for a data folder (--output); a pack holds everybody's photos, and "
                    "training places them anew in every step. Leave it out."
                )
        return _pack(flags)
    if len(flags.data) > 1 or len(flags.backgrounds) > 1:
        raise InputError("a data folder is composed of one DATA and one folder of --backgrounds.")
    from matting_keras.workshop.command import run_compose
    from matting_keras.workshop.compose import Settings

    (backgrounds,), (data,) = flags.backgrounds, flags.data
    settings = Settings(
        backgrounds,
        flags.count,
        flags.seed,
        flags.foreground,
        flags.light,
        held_back=flags.people == "held-back",
        in_place=flags.in_place,
    )
    how = {"processes": flags.processes, "beam": flags.beam}
    return run_compose(data, flags.output, settings, **how)


def _pack(flags: argparse.Namespace) -> int:
    from matting_keras.data.packed.file import Pack
    from matting_keras.data.packed.writing import Settings
    from matting_keras.workshop.pack import pack

    form = "raw" if flags.raw else "webp"
    settings = Settings(flags.area, flags.megabytes, flags.files, form)
    for path in pack(flags.data, flags.backgrounds, flags.pack, settings, flags.validation):
        count = len(Pack(path).photos)
        size = path.stat().st_size
        print(f"{path}: {count} pictures, {size / 1e6:.1f} MB, {size / count / 1e3:.1f} kB each")
    return 0
