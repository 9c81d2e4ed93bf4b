"""The options of `benchmarks.gpu.train`, and what they mean."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

from matting_keras.architectures.registry import ARCHITECTURES
from matting_keras.errors import InputError

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


def parser() -> argparse.ArgumentParser:
    """All options, in groups."""
    made = argparse.ArgumentParser(
        "benchmarks.gpu.train", description="Train on a GPU machine without TensorFlow."
    )
    made.add_argument("packs", nargs="+", metavar="PACK", help="files of benchmarks.gpu.pack")
    made.add_argument("--arch", default="dark-light", choices=sorted(ARCHITECTURES))
    made.add_argument("--plain", action="store_true", help="without asymmetric blocks")
    made.add_argument("--output", required=True, type=Path, metavar="DIR")
    made.add_argument("--weights", metavar="FILE", help="start from a .keras file or a preset")
    made.add_argument("--resume", type=Path, metavar="FILE", help="go on from a state.npz")
    made.add_argument("--seed", type=int, default=0)
    _time(made.add_argument_group("time"))
    _recipe(made.add_argument_group("recipe"))
    _data(made.add_argument_group("data"))
    return made


def _time(group) -> None:
    group.add_argument("--minutes", type=float, default=9, help="of this call, start included")
    group.add_argument(
        "--of-minutes", type=float, default=0, help="of the whole run, where it takes several calls"
    )
    group.add_argument("--steps", type=int, default=0, help="of the whole run, instead of a time")
    group.add_argument("--round", type=int, default=1024, help="steps between validations")
    group.add_argument("--scan", type=int, default=16, help="steps per call to the GPU")


def _recipe(group) -> None:
    group.add_argument("--batch", type=int, default=128)
    group.add_argument("--precision", default="mixed_bfloat16", choices=PRECISIONS)
    group.add_argument("--learning-rate", type=float, default=1e-3)
    group.add_argument("--final", type=float, default=0.01, help="share of the rate at the end")
    group.add_argument("--warmup", type=int, default=100, help="steps")
    group.add_argument("--amsgrad", action="store_true")
    group.add_argument("--average", type=float, default=0.999, help="of the weights; 0 for none")
    group.add_argument("--crossentropy", type=float, default=1.0)
    group.add_argument("--difference", type=float, default=0.0)
    group.add_argument("--band", type=float, default=0.0, help="extra weight of the unknown band")


def _data(group) -> None:
    group.add_argument("--area", type=int, default=0, help="of the shapes; 0: the pack's")
    group.add_argument("--ratios", nargs="+", type=float, default=[3 / 4, 1.0, 4 / 3])
    group.add_argument("--augment", default="default", help="a name in the pack, as gentle")
    group.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="of augmentation")
    group.add_argument("--ramp", type=int, default=0, help="steps per tenth of hardness")


def strengths(known: dict[str, dict], name: str, changes: Sequence[str]) -> SimpleNamespace:
    """The strengths of augmentation that a pack calls `name`, with `key=value` changes.

    Raises:
        InputError: no such name or key, or a value that is no number.
    """
    if name not in known:
        raise InputError(f"--augment must be one of {', '.join(known)}, got {name!r}.")
    found = dict(known[name])
    for change in changes:
        key, _, value = change.partition("=")
        try:
            numbers = [float(part) for part in value.split(",")]
        except ValueError:
            numbers = []
        wanted = 2 if key == "zoom" else 1
        if key not in found or len(numbers) != wanted:
            raise InputError(
                f"--set {change}: expected one of {', '.join(found)} as key=number, or "
                "zoom=smallest,largest."
            )
        found[key] = numbers if wanted == 2 else numbers[0]
    return SimpleNamespace(**found)
