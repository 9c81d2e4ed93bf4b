"""Small videos with sound, turned, uneven or damaged, made as the tests need them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from matting_keras.media.video import Frame, VideoReader, VideoWriter

RATE = 48000
SIZE = (48, 64)


class Facts(NamedTuple):
    """What a video file holds, as PyAV decodes it.

    Attributes:
        size: (height, width) as stored.
        times: of the frames, in seconds.
        duration: of the whole file, in seconds.
        rotation: in degrees, as the file says.
        codecs: of the pictures, and of each sound track.
        samples: of the first sound track.
    """

    size: tuple[int, int]
    times: list[float]
    duration: float
    rotation: int
    codecs: list[str]
    samples: int


def picture(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A frame whose top left quarter is red, right of it green, and whose rest tells its number."""
    rgb = np.full((*size, 3), 10 * number % 200 + 30, np.uint8)
    half, middle = size[0] // 2, size[1] // 2
    rgb[:half, :middle] = 200, 20, 20
    rgb[:half, middle:] = 20, 180, 20
    return rgb


def make_film(
    path: Path,
    frames: int = 12,
    *,
    fps: int = 12,
    size: tuple[int, int] = SIZE,
    times: Sequence[int] | None = None,
    sound: str | None = "aac",
    turn: int = 0,
    mirror: bool = False,
    codec: str = "libx264",
    noise: bool = False,
    wide: int = 1,
) -> Path:
    """Write a video with a tone of 440 Hz.

    Args:
        path: its suffix chooses the container.
        times: of the frames in milliseconds, for an uneven rate; `frames` is not used then.
        sound: the encoder of the tone; None for silence.
        turn: degrees, counterclockwise, that players are told to turn the pictures by.
        mirror: players are told to mirror them, too.
        noise: pictures that need much space, in place of flat ones.
        wide: how many times wider than high each pixel is to be shown.
    """
    random = np.random.default_rng(0)
    times = times or [round(1000 * number / fps) for number in range(frames)]
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=fps)
        video.height, video.width = size
        video.pix_fmt = "yuv420p"
        # Old codecs know no unit but the frame.
        unit = Fraction(1, 12000) if codec == "libx264" else Fraction(1, fps)
        video.codec_context.time_base = unit
        if wide > 1:
            video.codec_context.sample_aspect_ratio = Fraction(wide, 1)
        if turn or mirror:
            video.set_display_rotation(turn, hflip=mirror)
        tone = container.add_stream(sound, rate=RATE, layout="mono") if sound else None
        for number, time in enumerate(times):
            rgb = random.integers(0, 256, (*size, 3), np.uint8) if noise else picture(number, size)
            frame = av.VideoFrame.from_ndarray(rgb)
            frame.pts, frame.time_base = round(Fraction(time, 1000) / unit), unit
            frame.duration = round(Fraction(1, fps) / unit)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if tone:
            _hum(container, tone, times[-1] / 1000 + 1 / fps)
    return path


def facts(path: Path) -> Facts:
    """Decode a whole file."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        frames = list(container.decode(video))
        duration = container.duration / av.time_base
        names = [s.codec_context.name for s in (video, *container.streams.audio)]
    samples = 0
    if len(names) > 1:
        with av.open(str(path)) as container:
            samples = sum(frame.samples for frame in container.decode(audio=0))
    size = frames[-1].height, frames[-1].width
    times = [frame.time for frame in frames]
    return Facts(size, times, duration, frames[-1].rotation, names, samples)


def copy(source: Path, target: Path) -> None:
    """Read a video and write it again, sound and all."""
    with (
        VideoReader(source) as video,
        VideoWriter(
            target, video.size, video.fps, time_base=video.time_base, sound=video.sound
        ) as writer,
    ):
        for event in video.events():
            if isinstance(event, Frame):
                writer.write(*event)
            else:
                writer.write_sound(event)


def _hum(container: av.container.OutputContainer, tone: av.AudioStream, seconds: float) -> None:
    wave = np.sin(2 * np.pi * 440 * np.arange(round(seconds * RATE)) / RATE)
    frame = av.AudioFrame.from_ndarray((wave * 9000).astype(np.int16)[None], "s16", "mono")
    frame.sample_rate, frame.pts = RATE, 0
    container.mux(tone.encode(frame))
    container.mux(tone.encode(None))
