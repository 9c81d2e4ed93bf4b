"""Bare frames through a pipe: what ffmpeg calls rawvideo, rgb24 or rgba.

ffmpeg -i in.mp4 -f rawvideo -pix_fmt rgb24 - | python demo.py - --raw 1280x720 --output - |
    ffmpeg -f rawvideo -pix_fmt rgb24 -s 1280x720 -r 30 -i - out.mp4
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import BinaryIO

import numpy as np

from matting_keras.errors import InputError
from matting_keras.media.decode import MAX_PIXELS
from matting_keras.media.video.container import DEFAULT_FPS, Frame, rate_of
from matting_keras.standard import writing


class RawReader:
    """Frames of raw RGB, row after row, three bytes a pixel, without any header.

    Args:
        file: open for reading, in binary, without a buffer of its own.
        size: (height, width) in pixels.
        fps: frames a second.
        name: what messages call it.

    Attributes:
        size, fps: as given.
        count: 0; nobody knows.
        time_base: one frame, in seconds.
        sound: none.
        read: the number of frames handed out so far.
        lost: what to tell of a last frame that is not whole; empty where there is none.

    Example:
        >>> import io
        >>> [len(list(RawReader(io.BytesIO(bytes(36)), (2, 3)).events()))]
        [2]
    """

    def __init__(
        self,
        file: BinaryIO,
        size: tuple[int, int],
        fps: float = DEFAULT_FPS,
        name: str = "standard input",
    ):
        self._file, self.path = file, name
        self.size, self.fps = size, fps
        self.time_base = 1 / rate_of(fps)
        self.count = self.read = 0
        self.lost = ""
        self.sound = ()

    def __enter__(self) -> RawReader:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def events(self) -> Iterator[Frame]:
        """All frames.

        Raises:
            InputError: there is no whole frame.
        """
        while (rgb := self._next()) is not None:
            self.read += 1
            yield Frame(rgb, (self.read - 1) * self.time_base, self.time_base)
        if not self.read:
            raise InputError(self.lost or f"{self.path}: there is no frame in it.")

    def _next(self) -> np.ndarray | None:
        rgb = np.empty((*self.size, 3), np.uint8)
        bytes_, done = memoryview(rgb).cast("B"), 0
        while done < len(bytes_) and (count := self._file.readinto(bytes_[done:])):
            done += count
        if 0 < done < len(bytes_):
            height, width = self.size
            self.lost = (
                f"{self.path}: ends {done} bytes into a frame of {len(bytes_)} ({width}x{height}, "
                f"rgb24), after {self.read} whole ones; check the size, and that ffmpeg was "
                "told -f rawvideo -pix_fmt rgb24."
            )
        return rgb if done == len(bytes_) else None


class RawWriter:
    """Writes frames as bare bytes: rgb24, or rgba for frames with transparency.

    Args:
        file: open for writing, in binary.

    Attributes:
        written: the number of frames so far.

    Raises:
        InputError: while writing, where the disk is full, say.
        BrokenPipeError: while writing, where whoever read it has left.
    """

    path = "standard output"

    def __init__(self, file: BinaryIO):
        self._file = file
        self.written = 0

    def __enter__(self) -> RawWriter:
        return self

    def __exit__(self, kind, error, trace) -> None:
        if error is None:
            with writing():
                self._file.flush()

    def write(
        self, frame: np.ndarray, time: Fraction | None = None, duration: Fraction | None = None
    ) -> None:
        """Write a uint8 frame, RGB or RGBA; its time has no place here."""
        with writing():
            self._file.write(np.ascontiguousarray(frame).data)
        self.written += 1

    def write_sound(self, packet: object) -> None:
        """Bare frames carry no sound."""


def parse_raw(text: str) -> tuple[tuple[int, int], float]:
    """The size and rate of raw frames.

    Args:
        text: "WIDTHxHEIGHT" or "WIDTHxHEIGHT@FPS".

    Returns:
        (height, width) in pixels, and frames a second: 25 where nothing is said.

    Raises:
        InputError: something else, or a size that cannot be meant.

    Example:
        >>> parse_raw("1280x720@30")
        ((720, 1280), 30.0)
    """
    found = re.fullmatch(r"(\d{1,6})x(\d{1,6})(?:@(\d+(?:\.\d+)?))?", text)
    width, height = (int(side) for side in found.groups()[:2]) if found else (0, 0)
    fps = float(found[3] or DEFAULT_FPS) if found else 0.0
    if not (0 < width * height <= MAX_PIXELS and 0.1 <= fps <= 1000):
        raise InputError(
            f"--raw {text}: expected WIDTHxHEIGHT or WIDTHxHEIGHT@FPS, such as 1280x720@30."
        )
    return (height, width), fps
