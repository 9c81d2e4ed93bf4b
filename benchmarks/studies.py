"""Controlled trainings: everything the same but for one setting.

python -m benchmarks.studies --data DIR --backgrounds DIR --output FOLDER [--only NAME ...]

Each run is a `train/train.py` of its own in FOLDER/STUDY/VARIANT-SEED. What is done is not done
again, what was cut off goes on, so the same command continues an interrupted one.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from matting_keras.benchmark.measure import child, machine, publish

TRAIN = Path(__file__).resolve().parents[1] / "train" / "train.py"
FIGURES = {"val_mIoU": "mIoU", "val_MAD": "MAD", "val_band_MAD": "MAD in the band"}
RATE = "images_per_second"


@dataclass(frozen=True)
class Study:
    """One question to training.

    Attributes:
        question: what it asks.
        common: words for train.py that all variants share.
        variants: each one's own words, by name.
        start: study and variant whose weights of the same seed it starts from.
        scenes: whether backgrounds are used.
    """

    question: str
    common: tuple[str, ...]
    variants: dict[str, tuple[str, ...]]
    start: tuple[str, str] | None = None
    scenes: bool = False


STUDIES = {
    "acnet": Study(
        "what do asymmetric blocks add, at the same number of steps?",
        ("--recipe", "likeunet"),
        {
            "plain 3x3": ("arch.asymmetric=false",),
            "weight space": ("arch.asymmetric=true",),
            "branch norms": ("arch.asymmetric=true", "arch.branch_norm=true"),
        },
    ),
    "optimizer": Study(
        "does Muon learn more than Adam, at the same number of steps?",
        ("--recipe", "likeunet"),
        {
            "adam": (),
            "muon": ("recipe.optimizer.name=muon", "~recipe.optimizer.amsgrad"),
        },
    ),
    "boundary": Study(
        "does weighting the boundary help?",
        ("--recipe", "cyclical"),
        {
            "weight 0": ("recipe.options.boundary=0.0",),
            "weight 4": ("recipe.options.boundary=4.0",),
        },
    ),
    "easy-to-hard": Study(
        "does the ramp from an even background to the scene help?",
        ("--recipe", "easy-to-hard", "recipe.options.stage=2", "data.augment.composite=1.0"),
        # Ten plateaus of a twelfth: the rest is trained on whole scenes, as all others are.
        {"scene from the start": ("data.ramp=0",), "ramp": ("data.ramp=0.0833",)},
        start=("acnet", "weight space"),
        scenes=True,
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the studies as the command line says."""
    flags = parser().parse_args(arguments)
    rows = []
    for name, variant, seed in wanted(flags):
        row = one(name, variant, seed, flags)
        rows.append(row)
        print(*row.values(), sep="\t", file=sys.stderr, flush=True)
    facts = {
        "benchmark": "studies",
        "machine": machine("keras", "tensorflow"),
        "settings": vars(flags),
        "runs": rows,
    }
    return publish(facts, report, flags.json)


def parser() -> argparse.ArgumentParser:
    """The flags."""
    new = argparse.ArgumentParser(prog="studies", description=__doc__.split("\n")[0])
    new.add_argument("--data", nargs="+", required=True, help="data folders with soft alphas")
    new.add_argument("--backgrounds", nargs="+", default=[], help="folders without people")
    new.add_argument("--output", required=True, help="folder for the runs")
    new.add_argument("--only", nargs="+", choices=STUDIES, default=list(STUDIES))
    new.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    new.add_argument("--arch", default="dark-light")
    new.add_argument("--steps", type=int, default=700, help="default: 700")
    new.add_argument("--area", type=int, default=20480, help="pixels of a photo; default: 20480")
    new.add_argument("--json", metavar="FILE", help="also write everything as JSON")
    return new


def wanted(flags: argparse.Namespace) -> Iterator[tuple[str, str, int]]:
    """Study, variant and seed of each run, all variants of one seed after each other."""
    for name in flags.only:
        for seed in flags.seeds:
            for variant in STUDIES[name].variants:
                yield name, variant, seed


def one(name: str, variant: str, seed: int, flags: argparse.Namespace) -> dict:
    """Train one variant, unless it is trained already, and return its last figures."""
    epochs = 4
    folder = place(flags.output, name, variant, seed)
    if len(history(folder)) < epochs:
        child(str(TRAIN), *words(name, variant, seed, flags, epochs), "--resume")
    last = history(folder)[-1]
    rates = [float(row[RATE]) for row in history(folder)]
    figures = {key: float(last[key]) for key in FIGURES}
    return {"study": name, "variant": variant, "seed": seed, **figures, RATE: np.median(rates)}


def words(
    name: str, variant: str, seed: int, flags: argparse.Namespace, epochs: int
) -> Iterator[str]:
    """The command line of one run, after `train.py`."""
    study = STUDIES[name]
    yield from ("--arch", flags.arch, *study.common)
    yield from study.variants[variant]
    yield from (f"trainer.epochs={epochs}", f"trainer.steps_per_epoch={flags.steps // epochs}")
    yield from (f"data.area={flags.area}", "data=gentle", "trainer.average=0.99", f"seed={seed}")
    if study.start:
        start = place(flags.output, *study.start, seed) / "best.keras"
        yield from ("--weights", str(start))
    yield from ("--output", str(place(flags.output, name, variant, seed)))
    if study.scenes:
        yield from ("--backgrounds", *flags.backgrounds)
    yield from ("--data", *flags.data)


def place(output: str, name: str, variant: str, seed: int) -> Path:
    """The folder of one run."""
    return Path(output) / name / f"{variant.replace(' ', '-')}-{seed}"


def history(folder: Path) -> list[dict[str, str]]:
    """The epochs that a run has finished, with their figures."""
    path = folder / "log.csv"
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def report(facts: dict) -> None:
    """Print a table for each study: mean and range over seeds."""
    for name in dict.fromkeys(row["study"] for row in facts["runs"]):
        print(f"\n{STUDIES[name].question}\n")
        print("| variant | seeds |", " | ".join([*FIGURES.values(), "images/s"]), "|")
        print("|---" * (3 + len(FIGURES)) + "|")
        for variant in STUDIES[name].variants:
            rows = [r for r in facts["runs"] if (r["study"], r["variant"]) == (name, variant)]
            figures = (spread([row[key] for row in rows]) for key in FIGURES)
            rate = np.median([row[RATE] for row in rows])
            print(f"| {variant} | {len(rows)} |", " | ".join(figures), f"| {rate:.1f} |")


def spread(values: Sequence[float]) -> str:
    """Mean, smallest and largest."""
    return f"{np.mean(values):.4f} ({min(values):.4f} to {max(values):.4f})"


if __name__ == "__main__":
    sys.exit(main())
