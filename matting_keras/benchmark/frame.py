"""Where the time of one webcam frame goes, stage by stage, and whether the stages are all of it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np

from matting_keras.benchmark.measure import interleaved, median, p95
from matting_keras.benchmark.pictures import clip
from matting_keras.benchmark.subjects import SHIPPED, Subject
from matting_keras.inference.backdrop import Backdrop
from matting_keras.inference.composite import background_for, mix
from matting_keras.inference.foreground import own_colours, surroundings, to_share
from matting_keras.inference.frames import mattes
from matting_keras.inference.matter import Matter
from matting_keras.inference.pipeline import prepare, restore
from matting_keras.inference.stream import composites
from matting_keras.inference.studio import SCREEN_GREEN
from matting_keras.inference.temporal import steady
from matting_keras.media.images import Photo
from matting_keras.media.video import Frame, VideoReader, VideoWriter

STAGES = ("decode", "resize", "infer", "refine", "foreground", "composite", "encode")
TOLERANCE = 0.1
"""How far the stages' sum may be from the time of the untouched loop."""


class Stopwatch:
    """Seconds of each stage, frame after frame.

    Attributes:
        seconds: of the stages that took part, one dictionary a frame.
    """

    def __init__(self):
        self.seconds: list[dict[str, float]] = []

    def start(self) -> None:
        """Begin a frame."""
        self.seconds.append(dict.fromkeys(STAGES, 0.0))
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Count the time since the last lap to a stage."""
        now = time.perf_counter()
        self.seconds[-1][stage] += now - self._last
        self._last = now


def frame(subjects: Sequence[Subject], size: tuple[int, int], rounds: int, warmup: int) -> dict:
    """Time the stages of a frame beside the loop of the demo, frame by frame in turn.

    Both do one thing after another; the demo does them in threads that overlap.

    Networks and engines are timed one after another, not in turn: a demo has one engine, and
    threads of others that still spin would slow it.

    Args:
        subjects: with their files; each is timed in each of its engines.
        size: (width, height) of the webcam, in pixels.
        rounds: timed frames.
        warmup: frames before.

    Returns:
        `rows`: of each network and engine the median milliseconds of each stage, their sum, the
        median of the untouched loop and the ratio of the two; and `tolerance`.
    """
    with tempfile.TemporaryDirectory() as name:
        webcam = clip(Path(name) / "webcam.mp4", *size, rounds + warmup)
        rows = [
            {"model": model, "runtime": runtime} | _row(matter, webcam, rounds, warmup)
            for (model, runtime), matter in matters(subjects).items()
        ]
    return {"width": size[0], "height": size[1], "tolerance": TOLERANCE, "rows": rows}


def matters(
    subjects: Sequence[Subject], looks: int = 1, refine: str | None = None
) -> dict[tuple[str, str], Matter]:
    """Each network in each of its engines, all at the area that the first one's file asks for.

    Args:
        subjects: with their files.
        looks: of shipped networks; others have one (see `Matter`).
        refine: how the alpha of a photo comes back to its size; None leaves it to the network.
    """
    found: dict[tuple[str, str], Matter] = {}
    for subject in subjects:
        area = None
        many = looks if subject.source == SHIPPED else 1
        for runtime in subject.runtimes:
            matter = Matter(subject.files[runtime], runtime, area, looks=many, refine=refine)
            found[subject.name, runtime] = matter
            area = matter.area
    return found


def _row(matter: Matter, webcam: Path, rounds: int, warmup: int) -> dict:
    watch = Stopwatch()
    with ExitStack() as stack:
        actions = {}
        for loop, make in (("staged", partial(_staged, watch)), ("untouched", _untouched)):
            video = stack.enter_context(VideoReader(webcam))
            target = webcam.with_name(f"{loop}.mp4")
            writer = stack.enter_context(VideoWriter(target, video.size, video.fps))
            actions[loop] = make(video, matter, writer)
        seconds = interleaved(actions, rounds, warmup, title="frame")
        empty = Photo(np.zeros((*video.size, 3), np.uint8), None)
        shape = prepare(empty, matter.area).values.shape
    whole = seconds["untouched"]
    stages = {
        stage: median([one[stage] for one in watch.seconds[warmup:]]) * 1000 for stage in STAGES
    }
    return {
        "input": {"width": shape[1], "height": shape[0]},
        "stages_ms": stages,
        "sum_ms": sum(stages.values()),
        "end_to_end_ms": median(whole) * 1000,
        "end_to_end_p95_ms": p95(whole) * 1000,
        "ratio": sum(stages.values()) / (median(whole) * 1000),
        "frames_per_second": 1 / median(whole),
    }


def _frames(events: Iterable) -> Iterator[Frame]:
    """A reader's pictures, without its sound."""
    return (event for event in events if isinstance(event, Frame))


def _untouched(video: VideoReader, matter: Matter, writer: VideoWriter) -> Callable[[], None]:
    backdrop = Backdrop(SCREEN_GREEN, video.size)
    frames = _frames(composites(mattes(video.events(), matter, steady("off")), backdrop))
    return lambda: writer.write(*next(frames))


def _staged(
    watch: Stopwatch, video: VideoReader, matter: Matter, writer: VideoWriter
) -> Callable[[], None]:
    """The same loop with a stopwatch between the same functions."""
    frames = _frames(video.events())
    backdrop = Backdrop(SCREEN_GREEN, video.size)

    def step() -> None:
        watch.start()
        frame = next(frames)
        rgb = frame.rgb
        watch.lap("decode")
        prepared = prepare(Photo(rgb, None), matter.area, matter.refine, quick=True)
        watch.lap("resize")
        alpha = matter.runtime.run(prepared.values[None].astype(np.float32))[0, ..., 0]
        watch.lap("infer")
        alpha = restore(alpha, prepared)
        watch.lap("refine")
        behind = background_for(rgb, alpha, backdrop.at(frame.time))
        share = to_share(alpha)
        watch.lap("composite")
        front, back = surroundings(rgb, share)
        watch.lap("foreground")
        picture = mix(
            rgb,
            behind,
            share,
            lambda here: own_colours(rgb[here], share[here], front[here], back[here]),
        )
        watch.lap("composite")
        writer.write(picture, frame.time, frame.duration)
        watch.lap("encode")

    return step
