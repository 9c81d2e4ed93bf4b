"""Frames a second of cutting people out of a video, without decoding, encoding and a window.

python -m benchmarks.loop [--frames 1000] [--size 1280x720] [--area PIXELS] [--looks 1] [--json F]
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from matting_keras.benchmark.measure import (
    add_timing,
    child,
    machine,
    median,
    p95,
    publish,
    warn_if_busy,
)
from matting_keras.inference.backdrop import Backdrop
from matting_keras.inference.composite import composite, cover
from matting_keras.inference.foreground import soft_tiles, to_share
from matting_keras.inference.frames import mattes
from matting_keras.inference.looks import LOOKS
from matting_keras.inference.matter import Matter
from matting_keras.inference.pipeline import prepare, restore
from matting_keras.inference.stream import composites, relay
from matting_keras.inference.temporal import METHODS, steady
from matting_keras.media.images import Photo, read_image
from matting_keras.media.opencv import opencv
from matting_keras.media.video import Frame

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
RATE = 30
STEP, SWAY = 4, 8
"""Pixels that the person moves from frame to frame, and for how many frames to a side."""

STAGES = ("resize", "infer", "refine", "composite")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark as the command line says."""
    flags = parser().parse_args(arguments)
    if flags.engine:
        print(json.dumps(measured(flags, flags.engine)))
        return 0
    warn_if_busy()
    words = ["--frames", flags.frames, "--warmup", flags.warmup, "--size", flags.size]
    words += ["--model", flags.model, "--temporal", flags.temporal, "--looks", flags.looks]
    words += ["--area", flags.area] if flags.area else []
    rows = [
        # Each in a process of its own: threads and memory of another engine would count.
        json.loads(child("-m", "benchmarks.loop", *map(str, words), "--engine", engine))
        for _ in range(flags.rounds)
        for engine in flags.runtimes
    ]
    facts = {
        "benchmark": "loop",
        "machine": machine("onnxruntime", "openvino", "opencv-python", "numpy"),
        "settings": vars(flags),
        "rows": rows,
    }
    return publish(facts, report, flags.json)


def parser() -> argparse.ArgumentParser:
    """The benchmark's options."""
    made = argparse.ArgumentParser(prog="benchmarks.loop", description=__doc__.split("\n")[0])
    add_timing(made, rounds=3, warmup=50)
    made.add_argument("--frames", type=int, default=1000, help="in a row (default 1000)")
    made.add_argument("--size", default="1280x720", help="of a frame (default 1280x720)")
    made.add_argument("--model", default="dark-light", help="preset or file")
    made.add_argument("--area", type=int, help="of the network's input (default: its own)")
    made.add_argument(
        "--looks", type=int, default=2, choices=LOOKS, help="2: closer where that shows more"
    )
    made.add_argument("--temporal", default="smooth", choices=METHODS)
    made.add_argument("--runtimes", nargs="+", default=["onnxruntime", "openvino"])
    made.add_argument("--engine", help=argparse.SUPPRESS)
    return made


def measured(flags: argparse.Namespace, engine: str) -> dict:
    """Run the loop in this process: frames a second, what a frame costs, how memory grows."""
    width, height = map(int, flags.size.split("x"))
    matter = Matter(flags.model, engine, flags.area, looks=flags.looks)
    scene, behind = portrait(height, width), SAMPLES / "astronaut.png"
    marks, memory = [], []
    frames = moving(scene, flags.warmup + flags.frames)
    with Backdrop(str(behind), (height, width)) as backdrop:
        steps = (
            partial(mattes, matter=matter, method=steady(flags.temporal), ahead=True),
            partial(composites, backdrop=backdrop),
        )
        with relay(frames, *steps, stop=threading.Event()) as done:
            for number, _ in enumerate(done, 1):
                if number >= flags.warmup:
                    marks.append((time.perf_counter(), time.process_time()))
                    memory.append(resident())
        picture = backdrop.at(0)
    spans = np.diff(np.array(marks), axis=0)
    wall, processor = spans.mean(axis=0)
    return {
        "runtime": engine,
        "input": list(prepare(Photo(scene, None), matter.area, quick=True).values.shape[:2]),
        "frames_per_second": 1 / wall,
        "median_ms": median(spans[:, 0]) * 1000,
        "p95_ms": p95(spans[:, 0]) * 1000,
        "processor_ms": processor * 1000,
        "stages_ms": stages(
            Matter(flags.model, engine, flags.area, threads=1, looks=1), scene, picture
        ),
        "worked_on": worked_on(matter, scene),
        "memory_mb": memory[0] / 1e6,
        "growth_mb": (max(memory) - memory[0]) / 1e6,
    }


def stages(matter: Matter, frame: np.ndarray, behind: np.ndarray, rounds: int = 30) -> dict:
    """Milliseconds of processor time of each stage of one frame, medians, in one thread."""
    opencv().setNumThreads(1)
    spent: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for _ in range(rounds):
        marks = [time.process_time()]
        prepared = prepare(Photo(frame, None), matter.area, matter.refine, quick=True)
        marks.append(time.process_time())
        alpha = matter.runtime.run(prepared.values[None].astype(np.float32))[0, ..., 0]
        marks.append(time.process_time())
        alpha = restore(alpha, prepared)
        marks.append(time.process_time())
        composite(frame, alpha, behind)
        marks.append(time.process_time())
        for stage, (began, ended) in zip(STAGES, pairwise(marks), strict=True):
            spent[stage].append(ended - began)
    return {stage: median(times) * 1000 for stage, times in spent.items()}


def worked_on(matter: Matter, frame: np.ndarray) -> float:
    """Share of the frame that counts as soft edge; rectangles around it are worked on."""
    share = to_share(matter(frame))
    boxes = [share[here] for here in soft_tiles(share)]
    return sum(box.size for box in boxes) / share.size


def portrait(height: int, width: int) -> np.ndarray:
    """A photo of half a person in the middle of a frame, before itself out of focus."""
    photo = read_image(SAMPLES / "grace_hopper.jpg")
    wide = Image.fromarray(cover(photo, (height, width))).filter(ImageFilter.GaussianBlur(25))
    person = Image.fromarray(photo).resize(
        (round(photo.shape[1] * height / photo.shape[0]), height), Image.Resampling.BICUBIC
    )
    wide.paste(person, ((width - person.width) // 2, 0))
    return np.asarray(wide)


def moving(scene: np.ndarray, count: int) -> Iterator[Frame]:
    """Frames in which the person sways."""
    # Made beforehand: to move a picture costs as much as to decode one.
    frames = [np.roll(scene, STEP * abs(step), axis=1) for step in range(-SWAY, SWAY)]
    for number in range(count):
        yield Frame(frames[number % len(frames)], Fraction(number, RATE), Fraction(1, RATE))


def resident() -> int:
    """Bytes of memory that this process holds."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def report(facts: dict) -> None:
    """Print the tables."""
    flags, rows = facts["settings"], facts["rows"]
    cores = facts["machine"]["cores"]
    rounds, frames = flags["rounds"], flags["frames"]
    print(
        f"{flags['model']}, frames of {flags['size']}, --temporal {flags['temporal']}, "
        f"--looks {flags['looks']}; medians of {rounds} rounds of {frames} frames, engines in "
        "turn.\n"
    )
    print("| runtime | input | frames/s | ms (p95) | processor ms | frames/s at most | growth MB |")
    print("|---|---|---|---|---|---|---|")
    for engine in flags["runtimes"]:
        mine = [row for row in rows if row["runtime"] == engine]
        middle = {
            key: median([row[key] for row in mine])
            for key, value in mine[0].items()
            if isinstance(value, float)
        }
        most = 1000 * cores / middle["processor_ms"]
        print(
            f"| {engine} | {mine[0]['input'][1]}×{mine[0]['input'][0]} "
            f"| {middle['frames_per_second']:.1f} "
            f"| {middle['median_ms']:.1f} ({middle['p95_ms']:.1f}) "
            f"| {middle['processor_ms']:.1f} | {most:.1f} "
            f"| {max(row['growth_mb'] for row in mine):.1f} |"
        )
    print("\n| runtime | " + " | ".join(STAGES) + " | soft |")
    print("|---" * (len(STAGES) + 2) + "|")
    for engine in flags["runtimes"]:
        mine = [row for row in rows if row["runtime"] == engine]
        cells = [f"{median([r['stages_ms'][stage] for r in mine]):.1f}" for stage in STAGES]
        print(f"| {engine} | {' | '.join(cells)} | {mine[0]['worked_on']:.0%} |")
    print(
        "\nProcessor ms: of all threads together, a frame; frames/s at most: what that leaves two "
        "cores that nobody else wants. Stages: processor ms of one thread. Growth: the most that "
        "the process held after the warm-up, less what it held then."
    )


if __name__ == "__main__":
    raise SystemExit(main())
