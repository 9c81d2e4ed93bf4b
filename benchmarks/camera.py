"""What a camera's frame costs, by whom it shows: looked at once, or closer where they are small.

python -m benchmarks.camera [--model NAME] [--size 1280x720] [--rounds N] [--json F]
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import partial
from itertools import count

import numpy as np

from benchmarks.loop import SAMPLES
from matting_keras.benchmark.measure import (
    interleaved,
    machine,
    median,
    p95,
    publish,
    timing_parser,
    warn_if_busy,
)
from matting_keras.inference.composite import composite
from matting_keras.inference.frames import mattes
from matting_keras.inference.looks import LOOKS
from matting_keras.inference.matter import Matter
from matting_keras.inference.scale import shrink
from matting_keras.inference.temporal import steady
from matting_keras.media.images import read_image
from matting_keras.media.video import Frame

HEIGHTS = {"fills it": 1.0, "half as tall": 0.5, "a quarter as tall": 0.25, "nobody": 0.0}
"""Whom a view shows, by their share of its height."""

WALL = 150


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark as the command line says."""
    made = timing_parser("benchmarks.camera", __doc__, rounds=120, warmup=16)
    made.add_argument("--model", default="dawn", help="preset or file")
    made.add_argument("--size", default="1280x720", help="of a frame (default 1280x720)")
    flags = made.parse_args(arguments)
    warn_if_busy()
    width, height = map(int, flags.size.split("x"))
    person = read_image(SAMPLES / "grace_hopper.jpg")
    alpha = Matter(flags.model)(person)
    frames: dict[tuple[str, int], Callable[[], object]] = {}
    for name, share in HEIGHTS.items():
        scene = view(person, alpha, (height, width), share)
        for looks in LOOKS:
            matter = Matter(flags.model, looks=looks)
            frames[name, looks] = partial(next, mattes(camera(scene), matter, steady("smooth")))
    spans = interleaved(frames, flags.rounds, flags.warmup, title="frames")
    rows = [
        {
            "view": name,
            "looks": looks,
            "mean_ms": 1000 * float(np.mean(times)),
            "median_ms": 1000 * median(times),
            "p95_ms": 1000 * p95(times),
        }
        for (name, looks), times in spans.items()
    ]
    facts = {
        "benchmark": "camera",
        "machine": machine("onnxruntime", "opencv-python", "numpy"),
        "settings": vars(flags),
        "rows": rows,
    }
    return publish(facts, report, flags.json)


def view(person: np.ndarray, alpha: np.ndarray, size: tuple[int, int], share: float) -> np.ndarray:
    """Somebody at the lower edge of a wall with a little noise, so tall a share of it."""
    noise = np.random.default_rng(0).normal(WALL, 3, (*size, 3))
    wall = np.clip(noise, 0, 255).astype(np.uint8)
    if share:
        rows = round(size[0] * share)
        columns = round(rows * person.shape[1] / person.shape[0])
        left = (size[1] - columns) // 2
        behind = (WALL,) * 3
        there = composite(shrink(person, (rows, columns)), shrink(alpha, (rows, columns)), behind)
        wall[size[0] - rows :, left : left + columns] = there
    return wall


def camera(scene: np.ndarray) -> Iterator[Frame]:
    """Frames for ever, in which nothing moves."""
    for number in count():
        yield Frame(scene, Fraction(number, 30), Fraction(1, 30))


def report(facts: dict) -> None:
    """Print the table."""
    flags = facts["settings"]
    print(
        f"{flags['model']}, a camera of {flags['size']}, {flags['rounds']} frames of each, in "
        "turn.\n"
    )
    print("| view | looks | mean ms | median | p95 |")
    print("|---|---|---|---|---|")
    for row in facts["rows"]:
        print(
            f"| {row['view']} | {row['looks']} | {row['mean_ms']:.1f} | {row['median_ms']:.1f} "
            f"| {row['p95_ms']:.1f} |"
        )
    print(
        "\nOf looks 2 every fourth frame is seen as a whole, too, where somebody is small, and "
        "searched where nobody is: hence the mean. Not included: camera, background, window."
    )


if __name__ == "__main__":
    sys.exit(main())
