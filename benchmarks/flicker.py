"""How much an alpha trembles from frame to frame, what steadies it, and whether that lags.

python -m benchmarks.flicker [--photo FILE ...] [--arch dark-light] [--noise 8] [--json FILE]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from matting_keras import Matter
from matting_keras.benchmark.measure import (
    interleaved,
    machine,
    median,
    publish,
    timing_parser,
    warn_if_busy,
)
from matting_keras.inference.composite import cover
from matting_keras.inference.foreground import estimate_foreground
from matting_keras.inference.pipeline import Prepared, prepare, restore
from matting_keras.inference.temporal import METHODS, steady
from matting_keras.media.images import Photo, read_image
from matting_keras.metrics import dtssd, flicker, mad

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
PHOTOS = ("astronaut.png", "grace_hopper.jpg")
SIZE = (720, 1280)
SPEEDS = (2, 8, 24)
"""Pixels a frame that the person moves by: a person who sways, walks, waves."""

SETTLED = 8
"""Frames before those that count."""

BEHIND = 0.05
"""Where the network finds less than this, nothing of the person should be left."""


class Clip(NamedTuple):
    """What the network makes of a scene.

    Attributes:
        prepared: what it saw, with noise.
        alphas: its answers.
        clean: its answers to the same scene without noise.
    """

    prepared: list[Prepared]
    alphas: np.ndarray
    clean: np.ndarray


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark as the command line says."""
    flags = parser().parse_args(arguments)
    warn_if_busy()
    matter = Matter(flags.arch, looks=1)
    facts = {
        "benchmark": "flicker",
        "machine": machine("numpy", "opencv-python", "onnxruntime"),
        "settings": vars(flags) | {"size": SIZE},
        "rows": [],
    }
    for path in flags.photo or [SAMPLES / name for name in PHOTOS]:
        photo = cover(read_image(path), SIZE)
        for speed in (0, *SPEEDS):
            found = clip(matter, photo, speed, flags.noise, flags.frames)
            for name in METHODS:
                row = {"photo": Path(path).name, "speed": speed, "method": name}
                facts["rows"].append(row | figures(found, name, still=not speed))
    facts["cost"] = costs(found, flags.rounds, flags.warmup)
    return publish(facts, report, flags.json)


def parser() -> argparse.ArgumentParser:
    """The benchmark's options."""
    made = timing_parser("benchmarks.flicker", __doc__, rounds=60, warmup=10)
    made.add_argument("--photo", nargs="+", metavar="FILE", help="default: those of samples/")
    made.add_argument("--arch", default="dark-light", help="a preset (default: dark-light)")
    made.add_argument("--noise", type=float, default=8, help="gray levels (default 8)")
    made.add_argument("--frames", type=int, default=32, help="of each scene (default 32)")
    return made


def clip(matter: Matter, photo: np.ndarray, speed: int, noise: float, frames: int) -> Clip:
    """Run the network over a scene, with and without noise."""
    random = np.random.default_rng(0)
    pictures, alphas, clean = [], [], []
    for scene in scenes(matter, photo, speed, frames):
        for answers, frame in ((clean, scene), (alphas, noisy(scene, noise, random))):
            picture = prepare(Photo(frame, None), matter.area, matter.refine, quick=True)
            batch = picture.values[None].astype(np.float32)
            answers.append(matter.runtime.run(batch)[0, ..., 0])
        pictures.append(picture)
    return Clip(pictures, np.stack(alphas), np.stack(clean))


def scenes(matter: Matter, photo: np.ndarray, speed: int, frames: int) -> Iterator[np.ndarray]:
    """The photo itself where nothing moves; else its person, moving before a soft pattern."""
    if not speed:
        yield from [photo] * frames
        return
    alpha = matter(photo)
    person = estimate_foreground(photo, alpha)
    pattern = ndimage.gaussian_filter(
        np.random.default_rng(3).normal(size=photo.shape), (12, 12, 0)
    )
    behind = np.clip(128 + 60 * pattern / pattern.std(), 0, 255)
    start = -speed * frames // 2
    for number in range(frames):
        shift = partial(np.roll, shift=start + speed * number, axis=1)
        share = shift(alpha)[..., None]
        yield np.rint(shift(person) * share + behind * (1 - share)).astype(np.uint8)


def noisy(frame: np.ndarray, deviation: float, random: np.random.Generator) -> np.ndarray:
    """Add grains of two pixels, as a sensor's colour filter leaves them."""
    height, width = (side // 2 for side in frame.shape[:2])
    grains = random.normal(0, deviation, (height, width, 3)).repeat(2, 0).repeat(2, 1)
    return np.clip(np.rint(frame + grains), 0, 255).astype(np.uint8)


def steadied(found: Clip, name: str) -> np.ndarray:
    """All alphas of a scene through a method."""
    method, done = steady(name), []
    for alpha, picture in zip(found.alphas, found.prepared, strict=True):
        done += method.push(None, alpha, picture.values)
    return np.stack([one.alpha for one in (*done, *method.flush())])


def figures(found: Clip, name: str, still: bool) -> dict[str, float | None]:
    """What a method makes of a scene, against what the network finds without noise.

    Where nothing moves, also the flicker at the picture's size, to which each alpha is drawn
    along the edges of its noisy picture; where something moves, how late it is.
    """
    all_ = steadied(found, name)
    done, clean = all_[SETTLED:], found.clean[SETTLED:]
    shown = None
    if still:
        pairs = zip(done, found.prepared[SETTLED:], strict=True)
        shown = flicker(np.stack([restore(alpha, picture) for alpha, picture in pairs]))
    return {
        "flicker": flicker(done),
        "shown": shown,
        "dtssd": dtssd(clean, done),
        "mad": mad(clean, done),
        "lag": None if still else lag(all_, found.clean),
        "ghost": None if still else ghost(done, found.clean),
    }


def lag(done: np.ndarray, clean: np.ndarray) -> float:
    """How many frames, in tenths, the clean alphas must be late to fit best."""

    def misfit(delay: float) -> float:
        whole, part = int(delay), delay % 1
        late = [
            (1 - part) * clean[now - whole] + part * clean[now - whole - 1]
            for now in range(SETTLED, len(done))
        ]
        return mad(np.stack(late), done[SETTLED:])

    return min((tenths / 10 for tenths in range(40)), key=misfit)


def ghost(done: np.ndarray, clean: np.ndarray) -> float:
    """Mean alpha too much where the person was within `SETTLED` frames and is no longer."""
    was = np.stack([clean[now : now + SETTLED].max(0) for now in range(len(done))])
    left = (was > 0.5) & (clean[SETTLED:] < BEHIND)
    return float((done - clean[SETTLED:])[left].mean()) if left.any() else 0.0


def costs(found: Clip, rounds: int, warmup: int) -> dict[str, float]:
    """Milliseconds a frame of each method, the methods in turn."""

    def step(method, frames) -> None:
        number = next(frames)
        list(method.push(None, found.alphas[number], found.prepared[number].values))

    numbers = range(len(found.alphas))
    actions = {
        name: partial(step, steady(name), iter([*numbers] * (rounds + warmup))) for name in METHODS
    }
    seconds = interleaved(actions, rounds, warmup, title="cost")
    return {name: median(times) * 1000 for name, times in seconds.items()}


def report(facts: dict) -> None:
    """Print the tables."""
    flags = facts["settings"]
    print(f"{flags['arch']}, 1280×720, noise {flags['noise']:g} gray levels")
    columns = {"flicker": 4, "shown": 4, "dtssd": 3, "mad": 5, "lag": 1, "ghost": 4}
    print(f"{'photo':18}{'px/frame':>9} {'method':8}" + "".join(f"{name:>9}" for name in columns))
    for row in facts["rows"]:
        values = [
            f"{'-':>9}" if row[name] is None else f"{row[name]:9.{digits}f}"
            for name, digits in columns.items()
        ]
        print(f"{row['photo']:18}{row['speed']:9} {row['method']:8}" + "".join(values))
    for name, cost in facts["cost"].items():
        print(f"{name:8} {cost:6.2f} ms a frame")


if __name__ == "__main__":
    sys.exit(main())
