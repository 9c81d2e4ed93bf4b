"""`train.py` on the command line: a few fixed flags over Hydra's configuration groups."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from matting_keras.errors import InputError
from matting_keras.training.config import RunConfig
from matting_keras.training.flags import add_run_flags, parsed, quoted, run_words
from matting_keras.training.unknown_words import OPEN, unknown


def main(configs: Path, arguments: Sequence[str] | None = None) -> int:
    """Train as the command line says.

    Args:
        configs: the folder of Hydra groups (train/configs).
        arguments: the words after the command; None takes them from the process.

    Returns:
        The exit code: 0, 1 after a message on stderr, 130 after Ctrl-C, 143 after SIGTERM.
    """
    flags = parsed(parser(), arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    # It tells each kind of processor that is not there.
    logging.getLogger("jax").setLevel(logging.WARNING)
    prepare_tensorflow()
    try:
        config = read_config(configs, overrides(flags))
        from matting_keras.training.run import train

        best = train(config)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as stop:
        print(f"stopped: {str(stop) or 'before the first step.'}", file=sys.stderr)
        # What a shell expects of a process that a signal ended.
        return 128 + getattr(stop, "number", signal.SIGINT)
    if best:
        print(best)
    return 0


def parser() -> argparse.ArgumentParser:
    """The flags; whatever they do not cover is reached as group.key=value."""
    new = argparse.ArgumentParser(
        prog="train.py",
        description="Train a matting network. Without --data it learns on synthetic portraits.",
        epilog="any key of train/configs can follow, for example: trainer.epochs=5 data.area=49152",
    )
    add_run_flags(new)
    new.add_argument("--output", metavar="DIR", help="folder of the run (default runs/ARCH)")
    new.add_argument("--lr", metavar="RATE", help="highest learning rate, or auto to have it found")
    new.add_argument("--resume", action="store_true", help="go on with the run in --output")
    new.add_argument(
        "--strategy",
        help="mirrored: all GPUs of this machine; multi_worker: all workers of TF_CONFIG",
    )
    return new


def overrides(flags: argparse.Namespace) -> list[str]:
    """The flags as Hydra overrides; words with a `=` among the folders are overrides too."""
    words = run_words(flags)
    named = {
        "output": flags.output,
        "recipe.find_rate": "true" if flags.lr == "auto" else None,
        "recipe.learning_rate": None if flags.lr == "auto" else flags.lr,
        "trainer.strategy": flags.strategy,
    }
    words += [f"{key}={quoted(value)}" for key, value in named.items() if value is not None]
    if flags.resume:
        words.append("trainer.resume=true")
    return words


def configs_folder() -> Path:
    """Where the groups are: inside the installed package, or train/configs in a checkout."""
    checkout = Path(__file__).resolve().parents[2] / "train" / "configs"
    if (checkout / "config.yaml").is_file():
        return checkout
    return Path(str(resources.files("matting_keras") / "configs"))


def prepare_tensorflow() -> None:
    """Settings that TensorFlow reads when it is imported, where nobody has made them."""
    # It leaves oneDNN off on processors without AVX-512; there it doubles a step's speed.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def read_config(configs: Path, words: Sequence[str]) -> RunConfig:
    """Compose the groups of `configs` with overrides.

    Raises:
        InputError: an unknown choice or setting, with the closest one, or a value that does not
            fit, with Hydra's own explanation.
    """
    from matting_keras.architectures.registry import ARCHITECTURES

    store = ConfigStore.instance()
    store.store(name="schema", node=RunConfig)
    root, words = _experiment(store, list(words))
    for name in ARCHITECTURES:
        # A file is needed only for settings other than the defaults, and wins over this.
        if not (configs / "arch" / f"{name}.yaml").exists():
            store.store(group="arch", name=name, node={"name": name})
    choices = {g: sorted(f.stem for f in (configs / g).glob("*.yaml")) for g in GROUPS}
    choices["arch"] = sorted(ARCHITECTURES)
    if root == "config" and (message := unknown(words, choices, RunConfig)):
        raise InputError(message)
    # Which options a network has is its own affair: Hydra cannot know the keys beforehand.
    words = [f"++{word}" if word.startswith(OPEN) else word for word in words]
    try:
        with initialize_config_dir(str(configs.resolve()), version_base="1.3"):
            return OmegaConf.to_object(compose(root, overrides=words))
    except (HydraException, OmegaConfBaseException) as error:
        # Hydra names the word, what it stems from says what is wrong with it.
        reason = str(error.__cause__ or "").partition("\n")[0]
        raise InputError(f"{str(error).strip()}\n{reason}".strip()) from error


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
