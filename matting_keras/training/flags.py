"""What `train.py` and `lr-find` are told alike: the flags that make a configuration."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def add_run_flags(command: argparse.ArgumentParser) -> None:
    """Network, recipe, data and number format; the rest is reached as group.key=value."""
    command.add_argument("--arch", help="network: see 'matting-keras info'")
    command.add_argument("--recipe", help="recipe: a file in train/configs/recipe")
    command.add_argument(
        "--data",
        nargs="+",
        metavar="DIR",
        help="folders with images/ and alphas/ or masks/; known sets as p3m:/data/P3M-10k; "
        "packed:FILE of compose --pack; for modnet-soc pictures and videos alone",
    )
    command.add_argument("--backgrounds", nargs="+", metavar="DIR", help="pictures without people")
    command.add_argument(
        "--weights", metavar="FILE", help="start from .keras, a preset, .h5, .pth, .ckpt or .onnx"
    )
    command.add_argument("--precision", help="auto, float32, mixed_float16 or mixed_bfloat16")
    command.add_argument("--jit", help="auto, on or off: compile the step with XLA")
    command.add_argument("overrides", nargs="*", metavar="group.key=value")


def parsed(
    command: argparse.ArgumentParser, arguments: Sequence[str] | None = None
) -> argparse.Namespace:
    """Parse a command line on which group.key=value may stand before, between and after flags.

    Args:
        command: with or without `add_run_flags`.
        arguments: the words; None takes them from the process.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    flags, rest = command.parse_known_args(arguments)
    words = getattr(flags, "overrides", None)
    if rest and (words is None or not all(map(is_override, rest))):
        command.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        flags.overrides = [*words, *rest]
    flags.given = arguments
    return flags


def run_words(flags: argparse.Namespace) -> list[str]:
    """The flags as Hydra overrides; key=value and ~key among the folders are overrides too.

    Of a key that is given twice the later one counts, wherever the two stand.
    """
    words = list(flags.overrides)
    folders = {}
    for key, values in (("data.folders", flags.data), ("data.backgrounds", flags.backgrounds)):
        # argparse gives everything after --data to it, overrides included.
        words += [v for v in values or () if is_override(v)]
        folders[key] = [v for v in values or () if not is_override(v)]
    places = {word: place for place, word in enumerate(getattr(flags, "given", ()))}
    words.sort(key=lambda word: places.get(word, 0))
    named = {
        "arch": flags.arch,
        "recipe": flags.recipe,
        "weights": flags.weights,
        "trainer.precision": flags.precision,
        "trainer.jit": flags.jit,
    }
    words += [f"{key}={quoted(value)}" for key, value in named.items() if value is not None]
    for key, names in folders.items():
        if names:
            words.append(f"{key}=[{','.join(quoted(name) for name in names)}]")
    return words


def is_override(word: str) -> bool:
    """Whether a word is one of Hydra's, key=value or ~key to drop it, and no flag or folder."""
    like_one = word.startswith("~") or ("=" in word and not word.startswith("-"))
    return like_one and not Path(word).exists()


def quoted(value: str) -> str:
    """A value as Hydra reads it back unchanged, whatever characters it has."""
    if all(c.isalnum() or c in "-_./" for c in value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
