"""What a run was made of, written beside its results so that it can be made again."""

from __future__ import annotations

import json
import platform
import subprocess
from dataclasses import asdict
from pathlib import Path

import keras
import yaml

import matting_keras
from matting_keras.atomic import atomic_path, writing
from matting_keras.training.callbacks import WAY_OUT
from matting_keras.training.setup import Setup


def describe(setup: Setup, folder: Path) -> dict:
    """Write run.json and config.yaml, which `experiment=FOLDER/config.yaml` repeats.

    Args:
        setup: of the run.
        folder: of the run.

    Returns:
        What run.json holds.
    """
    photos, config = setup.photos, asdict(setup.config)
    facts = {
        "config": config,
        "commit": commit(),
        "photos": {
            "train": len(photos.train.store),
            "validation": len(photos.held.store),
            "scenes": len(photos.scenes.store) if photos.scenes else 0,
            "skipped": [list(pair) for pair in photos.train.rejected],
        },
        "held_back": sorted(sample.name for sample in photos.held.store.samples),
        "steps_per_epoch": setup.steps,
        "versions": {
            "matting_keras": matting_keras.__version__,
            "keras": keras.__version__,
            keras.backend.backend(): _backend_version(),
            "python": platform.python_version(),
        },
    }
    record, again_file = folder / "run.json", folder / "config.yaml"
    with writing(record, WAY_OUT), atomic_path(record) as path:
        path.write_text(json.dumps(facts, indent=1), encoding="utf-8")
    again = {key: value for key, value in config.items() if key != "output"}
    again["trainer"] = config["trainer"] | {"resume": False}
    with writing(again_file, WAY_OUT), atomic_path(again_file) as path:
        head = "# @package _global_\n"
        path.write_text(head + yaml.safe_dump(again, sort_keys=False), encoding="utf-8")
    return facts


def commit() -> str | None:
    """The commit of the checkout that this package runs from, "+" after it where files changed.

    None outside a checkout, or without git.
    """
    home = Path(matting_keras.__file__).resolve().parents[1]
    if not (home / ".git").exists():
        return None
    try:
        head, changes = (
            subprocess.run(
                ["git", "-C", str(home), *words], capture_output=True, text=True, check=True
            ).stdout.strip()
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "-uno"])
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+" if changes else "")


def _backend_version() -> str:
    return __import__(keras.backend.backend()).__version__
