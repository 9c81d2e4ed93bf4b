"""Whom networks find, by how tall people are in a wide picture.

python -m benchmarks.distance --data FOLDER ... --backgrounds DIR ... [--model NAME ...] [--json F]

People held back from training, cut out by their soft alphas, stand somewhere in other scenes. Each
network looks once, then twice, unless --looks says how often, then at frames of a film and of a
camera with --film.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from matting_keras.benchmark.measure import machine, publish
from matting_keras.data.sources import Sample, open_source
from matting_keras.evaluate import held_back
from matting_keras.inference.composite import cover
from matting_keras.inference.foreground import estimate_foreground
from matting_keras.inference.frames import mattes
from matting_keras.inference.looks import LOOKS
from matting_keras.inference.matter import Matter
from matting_keras.inference.options import add_looks_and_levels
from matting_keras.inference.parts import PARTS, PARTS_HELP
from matting_keras.inference.peers import Peer
from matting_keras.inference.temporal import steady
from matting_keras.media.images import list_images, read_image
from matting_keras.media.video import Frame
from matting_keras.workshop.blend import Placement, blend, placed

HEIGHTS = (0.8, 0.6, 0.4, 0.25, 0.15)
"""Of people, as shares of the picture's height."""

SIZE = (900, 1200)

LOST = 0.5
"""An IoU below this has not found the person."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark as the command line says."""
    flags = parser().parse_args(arguments)
    networks: dict[str, Callable[[np.ndarray], np.ndarray]] = {}
    for name in flags.model:
        for looks in (flags.looks,) if flags.looks else LOOKS:
            told = {"looks": looks, "finer": flags.finer if looks == 2 else None}
            told |= {"parts": flags.parts, "levels": flags.levels, "refine": flags.refine}
            networks[f"{name}, looks {looks}"] = Matter(name, area=flags.area, **told)
        if flags.film:
            told = {"looks": 2, "parts": flags.parts, "levels": flags.levels}
            matter = Matter(name, area=flags.area, **told)
            networks[f"{name}, film"] = partial(still, matter)
            networks[f"{name}, camera"] = partial(still, matter, ahead=False)
    networks |= {Path(file).name: Peer(file) for file in flags.peer}
    scenes = [path for folder in flags.backgrounds for path in list_images(folder)]
    rows = []
    for folder in flags.data:
        people = held_back(open_source(folder, "train+validation"), 0.1)[:: flags.every]
        people = [person for person in people if whole(person)]
        for height in HEIGHTS:
            found = {name: [] for name in networks}
            pictures = composites(people, scenes, height, flags.seed)
            for picture, truth in tqdm(pictures, total=len(people), disable=None, leave=False):
                for name, network in networks.items():
                    found[name].append(overlap(truth, network(picture)))
            for name, overlaps in found.items():
                figures = {"IoU": float(np.mean(overlaps)), "lost": _share(overlaps)}
                row = {"data": folder, "people": len(overlaps), "height": height}
                rows.append(row | {"network": name} | figures)
    facts = {
        "benchmark": "distance",
        "machine": machine("opencv-python", "onnxruntime"),
        "settings": vars(flags),
        "rows": rows,
    }
    return publish(facts, report, flags.json)


def parser() -> argparse.ArgumentParser:
    """The benchmark's options."""
    made = argparse.ArgumentParser(prog="benchmarks.distance", description=__doc__.split("\n")[0])
    made.add_argument("--data", nargs="+", required=True, help="with soft alphas")
    made.add_argument("--backgrounds", nargs="+", required=True, help="pictures without people")
    made.add_argument("--model", nargs="+", default=["dark-light"], help="presets or files")
    made.add_argument("--peer", nargs="*", default=[], help="somebody else's networks")
    made.add_argument("--area", type=int, help="input height times width, in pixels")
    made.add_argument("--parts", choices=PARTS, help=PARTS_HELP)
    add_looks_and_levels(made)
    made.add_argument(
        "--film", action="store_true", help="also as frames of a film and of a camera"
    )
    made.add_argument("--every", type=int, default=1, help="of so many people take one")
    made.add_argument("--seed", type=int, default=0, help="of places and scenes")
    made.add_argument("--json", metavar="FILE", help="also write everything as JSON")
    return made


def whole(person: Sample) -> bool:
    """Whether somebody may be small: who is cut off at two ends goes from end to end again."""
    there = np.squeeze(person.read()[1]) > 0.5
    ends = ((there[:, 0], there[:, -1]), (there[0], there[-1]))
    return not any(one.any() and other.any() for one, other in ends)


def composites(
    people: Sequence[Sample], scenes: Sequence[Path], height: float, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Each person in a scene of their own, and the alpha: uint8 RGB and float32, of `SIZE`.

    Places and scenes are the same for every height.
    """
    for number, person in enumerate(people):
        rng = np.random.default_rng((seed, number))
        image, truth = person.read()
        truth = np.squeeze(truth)
        where = Placement(height, x=rng.uniform(0.2, 0.8), y=rng.uniform(0.9, 1.0), flip=False)
        scene = cover(read_image(scenes[rng.integers(len(scenes))]), SIZE)
        own = estimate_foreground(image, truth, "fast")
        foreground, alpha = placed(own, truth, SIZE, where)
        yield blend(foreground, alpha, scene, rng), alpha


def still(matter: Matter, picture: np.ndarray, ahead: bool = True) -> np.ndarray:
    """The alpha of a frame of a film, or before a camera, in which nothing moves."""
    film = [Frame(picture, Fraction(0), Fraction(1))]
    (matted,) = mattes(film, matter, steady("off"), ahead=ahead)
    return matted.alpha


def overlap(truth: np.ndarray, alpha: np.ndarray) -> float:
    """IoU of the person alone: of small ones the background's says nothing."""
    one, other = truth > 0.5, alpha > 0.5
    return float((one & other).sum() / max((one | other).sum(), 1))


def report(facts: dict) -> None:
    """Print the table."""
    print(f"{'network':>28}{'height':>8}{'IoU':>8}{'lost':>7}  people")
    for row in facts["rows"]:
        figures = f"{row['height']:8.2f}{row['IoU']:8.3f}{row['lost']:7.0%}"
        print(f"{row['network']:>28}{figures}  {row['people']} of {row['data']}")


def _share(overlaps: Sequence[float]) -> float:
    return float(np.mean([one < LOST for one in overlaps]))


if __name__ == "__main__":
    sys.exit(main())
