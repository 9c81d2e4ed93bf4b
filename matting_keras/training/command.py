"""`train.py` on the command line: a few fixed flags over Hydra's configuration groups."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from matting_keras.errors import InputError
from matting_keras.training.config import RunConfig


def main(configs: Path, arguments: Sequence[str] | None = None) -> int:
    """Train as the command line says.

    Args:
        configs: the folder of Hydra groups (train/configs).
        arguments: the words after the command; None takes them from the process.

    Returns:
        The exit code: 0, or 1 after a message on stderr.
    """
    flags = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    # TensorFlow leaves oneDNN off on processors without AVX-512; there it doubles a step's speed.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        config = read_config(configs, overrides(flags))
        from matting_keras.training.run import train

        best = train(config)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(best)
    return 0


def parser() -> argparse.ArgumentParser:
    """The flags; whatever they do not cover is reached as group.key=value."""
    new = argparse.ArgumentParser(
        prog="train.py",
        description="Train a matting network. Without --data it learns on synthetic portraits.",
        epilog="any key of train/configs can follow, for example: trainer.epochs=5 data.area=49152",
    )
    new.add_argument("--arch", help="network: see 'matting-keras info'")
    new.add_argument("--recipe", help="recipe: a file in train/configs/recipe")
    new.add_argument(
        "--data",
        nargs="+",
        metavar="DIR",
        help="folders with images/ and alphas/ or masks/; known sets as p3m:/data/P3M-10k",
    )
    new.add_argument("--backgrounds", nargs="+", metavar="DIR", help="pictures without people")
    new.add_argument(
        "--weights", metavar="FILE", help="start from .keras, a preset, .h5, .pth, .ckpt or .onnx"
    )
    new.add_argument("--output", metavar="DIR", help="folder of the run (default runs/ARCH)")
    new.add_argument("--lr", metavar="RATE", help="highest learning rate, or auto to have it found")
    new.add_argument("--resume", action="store_true", help="go on with the run in --output")
    new.add_argument("--precision", help="auto, float32, mixed_float16 or mixed_bfloat16")
    new.add_argument("--jit", help="auto, on or off: compile the step with XLA")
    new.add_argument("overrides", nargs="*", metavar="group.key=value")
    return new


def overrides(flags: argparse.Namespace) -> list[str]:
    """The flags as Hydra overrides; words with a `=` among the folders are overrides too."""
    words = list(flags.overrides)
    named = {
        "arch": flags.arch,
        "recipe": flags.recipe,
        "weights": flags.weights,
        "output": flags.output,
        "trainer.precision": flags.precision,
        "trainer.jit": flags.jit,
        "recipe.find_rate": "true" if flags.lr == "auto" else None,
        "recipe.learning_rate": None if flags.lr == "auto" else flags.lr,
    }
    for key, value in named.items():
        if value is not None:
            words.append(f"{key}={quoted(value)}")
    for key, values in (("data.folders", flags.data), ("data.backgrounds", flags.backgrounds)):
        # argparse gives everything after --data to it, overrides included.
        words += [v for v in values or () if "=" in v and not Path(v).exists()]
        folders = [v for v in values or () if "=" not in v or Path(v).exists()]
        if folders:
            words.append(f"{key}=[{','.join(quoted(v) for v in folders)}]")
    if flags.resume:
        words.append("trainer.resume=true")
    return words


def quoted(value: str) -> str:
    """A value as Hydra reads it back unchanged, whatever characters it has."""
    if all(c.isalnum() or c in "-_./" for c in value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def read_config(configs: Path, words: Sequence[str]) -> RunConfig:
    """Compose the groups of `configs` with overrides.

    Raises:
        InputError: an unknown group, key or value, with Hydra's own explanation.
    """
    from matting_keras.architectures.registry import ARCHITECTURES

    store = ConfigStore.instance()
    store.store(name="schema", node=RunConfig)
    root, words = _experiment(store, list(words))
    for name in ARCHITECTURES:
        # A file is needed only for settings other than the defaults, and wins over this.
        if not (configs / "arch" / f"{name}.yaml").exists():
            store.store(group="arch", name=name, node={"name": name})
    # Which options a network has is its own affair: Hydra cannot know the keys beforehand.
    words = [f"++{word}" if word.startswith(OPEN) else word for word in words]
    try:
        with initialize_config_dir(str(configs.resolve()), version_base="1.3"):
            return OmegaConf.to_object(compose(root, overrides=words))
    except (HydraException, OmegaConfBaseException) as error:
        choices = {g: sorted(f.stem for f in (configs / g).glob("*.yaml")) for g in GROUPS}
        choices["arch"] = sorted(ARCHITECTURES)
        known = "; ".join(f"{group}: {', '.join(names)}" for group, names in choices.items())
        raise InputError(f"{str(error).strip()}\nKnown groups: {known}.") from error


def _experiment(store: ConfigStore, words: list[str]) -> tuple[str, list[str]]:
    """The configuration to begin with, and the words that are left.

    `experiment=NAME` is a file in the group of that name; `experiment=FILE` is the config.yaml of
    an earlier run, which says everything, so that no other group is read.
    """
    files = [w for w in words if w.startswith("experiment=") and w.endswith(".yaml")]
    if not files:
        return "config", words
    path = Path(files[-1].partition("=")[2])
    try:
        again = OmegaConf.load(path)
    except (OSError, YAMLError) as error:
        raise InputError(
            f"experiment={path}: cannot be read ({error}); name the config.yaml of a run, or a "
            "file of train/configs/experiment."
        ) from error
    store.store(group="experiment", name="again", node=again, package="_global_")
    store.store(name="again", node={"defaults": ["schema", {"experiment": "again"}, "_self_"]})
    return "again", [word for word in words if word not in files]


GROUPS = ("arch", "recipe", "data", "trainer", "experiment")

OPEN = ("arch.options.", "recipe.options.", "recipe.schedule.", "recipe.optimizer.")
"""Keys below these are not known to Hydra beforehand: they depend on what was chosen."""
