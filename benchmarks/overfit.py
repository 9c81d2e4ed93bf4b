"""Whether each recipe can learn eight photos by heart: the first thing that a broken one cannot.

python -m benchmarks.overfit --data DIR [--only RECIPE ...] [--steps 600] [--json FILE]

The same eight photos make every batch, unchanged; the rest is the recipe's own: loss, optimizer and
schedule. modnet-soc learns without truth, so it has nothing to learn by heart and is left out.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from matting_keras.benchmark.measure import machine, publish
from matting_keras.data import sources
from matting_keras.data.pipeline import validation_batches
from matting_keras.data.store import check
from matting_keras.geometry import buckets
from matting_keras.training.command import read_config
from matting_keras.training.learner import Learner
from matting_keras.training.optimizers import optimizer
from matting_keras.training.setup import checked_loss, seeded, starting_model

CONFIGS = Path(__file__).resolve().parents[1] / "train" / "configs"

NETWORKS = {
    "likeunet": "dark-light",
    "portrait": "dark-light",
    "cyclical": "dark-light",
    "easy-to-hard": "dark-light",
    "easy-to-hard-2": "dark-light",
    "modnet": "modnet",
}
PHOTOS = 8
GOAL = 0.02


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark as the command line says."""
    flags = parser().parse_args(arguments)
    rows = [one(recipe, flags) for recipe in flags.only]
    facts = {
        "benchmark": "overfit",
        "machine": machine("keras", "tensorflow"),
        "settings": vars(flags),
        "runs": rows,
    }
    publish(facts, report, flags.json)
    return int(any(row["MAD"] >= GOAL for row in rows))


def parser() -> argparse.ArgumentParser:
    """The flags."""
    new = argparse.ArgumentParser(prog="overfit", description=__doc__.split("\n")[0])
    new.add_argument("--data", required=True, help="a data folder, or NAME:PATH")
    new.add_argument("--only", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    new.add_argument("--steps", type=int, default=600, help="default: 600")
    new.add_argument("--area", type=int, default=128 * 96, help="pixels; default: 12288")
    new.add_argument("--seed", type=int, default=0)
    new.add_argument("--json", metavar="FILE", help="also write everything as JSON")
    return new


def one(recipe: str, flags: argparse.Namespace) -> dict:
    """Train on the same eight photos until the steps are done."""
    words = [f"arch={NETWORKS[recipe]}", f"recipe={recipe}", f"seed={flags.seed}"]
    if _warms(recipe):
        words.append("recipe.schedule.warmup=20")
    config = read_config(CONFIGS, words)
    loss = checked_loss(config)
    with seeded(config):
        image, target = _photos(flags, 1 if NETWORKS[recipe].startswith("dark") else 3)
        learner = Learner(starting_model(config, loss), loss, (image, target))
        learner.compile(optimizer(config.recipe, config.trainer, flags.steps))
        first = learner.train_on_batch(image, target, return_dict=True)
        for _ in range(flags.steps - 1):
            learner.reset_metrics()
            last = learner.train_on_batch(image, target, return_dict=True)
        learner.reset_metrics()
        # As it will be used: with the norms' statistics, not the batch's.
        used = learner.test_on_batch(image, target, return_dict=True)
    row = {
        "recipe": recipe,
        "network": NETWORKS[recipe],
        "loss_before": float(first["loss"]),
        "loss_after": float(last["loss"]),
        "MAD": float(used["MAD"]),
        "mIoU": float(used["mIoU"]),
    }
    print(row, file=sys.stderr, flush=True)
    return row


def _warms(recipe: str) -> bool:
    # A warm-up that is meant for thousands of steps would be most of so short a run.
    return recipe in ("likeunet", "portrait")


def _photos(flags: argparse.Namespace, channels: int) -> tuple:
    found = sources.open_source(flags.data, "train+validation")[:PHOTOS]
    photos = check(found, channels=channels, area=flags.area, quiet=True)
    (shape,) = buckets(flags.area, (0.75,))
    return next(iter(validation_batches(photos.store, photos.sizes, [shape], PHOTOS, targets=True)))


def report(facts: dict) -> None:
    """Print the table."""
    print("| recipe | network | loss before | after | MAD | mIoU |")
    print("|---|---|---|---|---|---|")
    for row in facts["runs"]:
        print(
            f"| {row['recipe']} | {row['network']} | {row['loss_before']:.3f} "
            f"| {row['loss_after']:.4f} | {row['MAD']:.4f} | {row['mIoU']:.4f} |"
        )


if __name__ == "__main__":
    sys.exit(main())
