"""What moving an alpha's black and white point does to its errors, on photos learned from.

python -m benchmarks.levels --data FOLDER ... [--model NAME] [--every N] [--json FILE]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from matting_keras.benchmark.measure import machine, publish
from matting_keras.data.sources import Sample, open_source
from matting_keras.evaluate import held_back
from matting_keras.inference.levels import UNTOUCHED, stretched
from matting_keras.inference.matter import Matter
from matting_keras.metrics import grad, mad, picture_iou

MARGINS = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2)
"""Tried on both sides alike."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark as the command line says."""
    flags = parser().parse_args(arguments)
    matter = Matter(flags.model, looks=flags.looks, levels=UNTOUCHED)
    rows = []
    for folder in flags.data:
        photos = learned(folder)[:: flags.every]
        errors = np.mean(
            [measured(matter, photo) for photo in tqdm(photos, disable=None, leave=False)], axis=0
        )
        for margin, (difference, steep, right) in zip(MARGINS, errors.tolist(), strict=True):
            figures = {"MAD": difference, "Grad": steep, "mIoU": right}
            rows.append({"data": folder, "photos": len(photos), "margin": margin, **figures})
    facts = {
        "benchmark": "levels",
        "machine": machine("opencv-python", "onnxruntime"),
        "settings": vars(flags),
        "rows": rows,
    }
    return publish(facts, report, flags.json)


def parser() -> argparse.ArgumentParser:
    """The benchmark's options."""
    made = argparse.ArgumentParser(prog="benchmarks.levels", description=__doc__.split("\n")[0])
    made.add_argument("--data", nargs="+", required=True, help="with soft alphas")
    made.add_argument("--model", default="dark-light", help="preset or file of the network")
    made.add_argument("--looks", type=int, choices=(1, 2), help="as photos (2) or films (1) get")
    made.add_argument("--every", type=int, default=10, help="of so many photos take one")
    made.add_argument("--json", metavar="FILE", help="also write everything as JSON")
    return made


def learned(folder: str) -> list[Sample]:
    """The photos of a folder that training does not hold back: levels are chosen, too."""
    samples = open_source(folder, "train+validation")
    kept = {sample.name for sample in held_back(samples, 0.1)}
    return [sample for sample in samples if sample.name not in kept]


def measured(matter: Matter, sample: Sample) -> list[tuple[float, float, float]]:
    """MAD, Grad and mIoU of one photo for each margin."""
    image, truth = sample.read()
    truth, alpha = np.squeeze(truth), matter(image)
    found = (stretched(alpha, margin, 1 - margin) for margin in MARGINS)
    return [(mad(truth, x), grad(truth, x), picture_iou(truth, x)) for x in found]


def report(facts: dict) -> None:
    """Print the table."""
    print(f"{'levels':>10}{'MAD':>9}{'Grad':>9}{'mIoU':>9}  photos")
    for row in facts["rows"]:
        levels = f"{row['margin']} {1 - row['margin']}"
        figures = f"{row['MAD']:9.4f}{row['Grad']:9.3f}{row['mIoU']:9.4f}"
        print(f"{levels:>10}{figures}  {row['photos']} of {row['data']}")


if __name__ == "__main__":
    sys.exit(main())
