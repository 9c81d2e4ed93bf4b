"""What a network's certainty takes off where nobody is, and what it costs where somebody is.

python -m benchmarks.certainty --data FOLDER ... --backgrounds FOLDER [--model NAME] [--json FILE]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
from tqdm import tqdm

from matting_keras.benchmark.measure import machine, publish
from matting_keras.data.sources import backgrounds, open_source
from matting_keras.evaluate import held_back
from matting_keras.inference.levels import UNTOUCHED
from matting_keras.inference.matter import Matter
from matting_keras.inference.parts import sure
from matting_keras.inference.scale import shrink
from matting_keras.metrics import picture_iou

CERTAIN = (0.9, 0.95, 0.97, 0.99)
SHARES = (0.05, 0.1, 0.15, 0.2, 0.3)
SIDE = 256
"""Longer side, in pixels, at which alphas are compared."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark as the command line says."""
    flags = parser().parse_args(arguments)
    matter = Matter(flags.model, refine="off", parts="all", looks=flags.looks, levels=UNTOUCHED)
    scenes = [alpha for alpha, _ in found(matter, backgrounds(flags.backgrounds))]
    people = [
        pair
        for folder in flags.data
        for pair in found(matter, held_back(open_source(folder, "train+validation"), 0.1))
    ]
    ways = [(None, None), *product(CERTAIN, SHARES)]
    facts = {
        "benchmark": "certainty",
        "machine": machine("opencv-python", "onnxruntime"),
        "settings": vars(flags),
        "scenes": len(scenes),
        "people": len(people),
        "rows": [figures(scenes, people, *way) for way in ways],
    }
    return publish(facts, report, flags.json)


def parser() -> argparse.ArgumentParser:
    """The benchmark's options."""
    made = argparse.ArgumentParser(prog="benchmarks.certainty", description=__doc__.split("\n")[0])
    made.add_argument("--data", nargs="+", required=True, help="of which people were held back")
    made.add_argument("--backgrounds", required=True, metavar="DIR", help="nobody in them")
    made.add_argument("--model", default="dark-light", help="preset or file of the network")
    made.add_argument("--looks", type=int, choices=(1, 2), help="as photos (2) or films (1) get")
    made.add_argument("--json", metavar="FILE", help="also write everything as JSON")
    return made


def found(matter: Matter, samples: Sequence) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """What the network finds in each picture, and the truth where there is one, both small."""
    for sample in tqdm(samples, disable=None, leave=False):
        image, truth = sample.read()
        alpha = matter(image)
        scale = min(1, SIDE / max(alpha.shape))
        size = tuple(max(1, round(length * scale)) for length in alpha.shape)
        yield shrink(alpha, size), None if truth is None else shrink(np.squeeze(truth), size)


def figures(
    scenes: Sequence, people: Sequence, certain: float | None, share: float | None
) -> dict[str, float | None]:
    """Means over pictures with one pair of thresholds, or without."""

    def kept(alpha: np.ndarray) -> np.ndarray:
        return alpha if certain is None else sure(alpha, certain, share)

    empty = np.array([kept(alpha).mean() for alpha in scenes])
    right = np.array([picture_iou(truth, kept(alpha)) for alpha, truth in people])
    return {
        "certain": certain,
        "share": share,
        "empty": float(empty.mean()),
        "over": float((empty > 0.01).mean()),
        "worst": float(empty.max()),
        "mIoU": float(right.mean()),
        "least": float(right.min()),
    }


def report(facts: dict) -> None:
    """Print the table."""
    print(f"{facts['scenes']} pictures of nobody, {facts['people']} of people held back")
    columns = {"empty": 4, "over": 3, "worst": 3, "mIoU": 4, "least": 3}
    print(f"{'certain':>8}{'share':>8}" + "".join(f"{name:>9}" for name in columns))
    for row in facts["rows"]:
        head = "".join(f"{row[name] or 'all':>8}" for name in ("certain", "share"))
        print(head + "".join(f"{row[name]:9.{digits}f}" for name, digits in columns.items()))


if __name__ == "__main__":
    sys.exit(main())
