"""Cutting people out of something that moves, from the first frame to the last."""

from __future__ import annotations

import threading
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Protocol

from matting_keras.errors import InputError
from matting_keras.inference.backdrop import Backdrop
from matting_keras.inference.frames import mattes
from matting_keras.inference.matter import Matter
from matting_keras.inference.stream import composites, grays, relay
from matting_keras.inference.temporal import steady
from matting_keras.media.camera import Camera
from matting_keras.media.video import (
    Frame,
    RawReader,
    RawWriter,
    SequenceWriter,
    VideoReader,
    VideoWriter,
    is_sequence,
)
from matting_keras.standard import standard_output

Source = VideoReader | RawReader | Camera
Sink = VideoWriter | SequenceWriter | RawWriter

STANDARD = Path("-")
"""The path that stands for standard input or output."""

WHOLE = Fraction(9, 10)
"""Part of the length that a file promises with which it passes for whole: some only guess it."""


class Progress(Protocol):
    """What is told of every frame that is done; tqdm's bars are such."""

    def update(self) -> object: ...


def open_sink(target: Path, source: Source, alpha: bool) -> Sink:
    """What writes a source's frames.

    Args:
        target: a video file, numbered pictures ("cut/%05d.png"), or "-" for standard output.
        source: gives size, rate, units of time and sound.
        alpha: frames are RGBA.

    Raises:
        InputError: a name that no video can have, or one without transparency where that is
            asked for.
    """
    if target == STANDARD:
        return RawWriter(standard_output())
    if is_sequence(target):
        return SequenceWriter(target, source.fps)
    options = {"alpha": alpha, "time_base": source.time_base, "sound": source.sound}
    return VideoWriter(target, source.size, source.fps, **options)


def film(
    source: Source,
    sink: Sink,
    matter: Matter,
    backdrop: Backdrop | None,
    *,
    temporal: str,
    stop: threading.Event,
    progress: Progress,
    until: Callable[[Frame], bool] = lambda frame: False,
) -> None:
    """Cut out every frame of a source; decoding, matting and encoding run at the same time.

    Args:
        source: opened.
        sink: entered; leaving it finishes the file.
        matter: the network.
        backdrop: what to put behind; None for the mattes themselves.
        temporal: a key of `temporal.METHODS`.
        stop: ends it before the source does.
        progress: is told of every frame written.
        until: whether a frame is the last one.

    Raises:
        InputError: naming the file that cannot be read or written.
        KeyboardInterrupt: it was stopped before there was a frame.
    """
    steps = (
        partial(mattes, matter=matter, method=steady(temporal), ahead=True),
        partial(composites, backdrop=backdrop) if backdrop else grays,
    )
    with relay(source.events(), *steps, stop=stop) as events:
        for event in events:
            if not isinstance(event, Frame):
                sink.write_sound(event)
                continue
            sink.write(*event)
            progress.update()
            if until(event):
                break
    if stop.is_set() and not sink.written:
        raise KeyboardInterrupt


def losses(source: Source, target: Path) -> str:
    """What to tell of a source that was not whole; empty where nothing was lost."""
    if isinstance(source, RawReader):
        return source.lost
    if not isinstance(source, VideoReader):
        return ""
    # Not by the number of frames, which nobody knows where the rate is uneven or the film trimmed.
    if source.reached < WHOLE * source.length:
        return (
            f"{source.path}: breaks off after {float(source.reached):.1f} of "
            f"{float(source.length):.1f} seconds; {target} ends there."
        )
    if source.damaged:
        places = "one place" if source.damaged == 1 else f"{source.damaged} places"
        return f"{source.path}: is damaged in {places}; look at {target} before you use it."
    return ""


def refuse_same(source: Path, target: Path) -> None:
    """Refuse to write onto what is read.

    Raises:
        InputError: both are one file.
    """
    if target.exists() and target.samefile(source):
        raise InputError(f"{target}: is the input itself; give another --output.")
