"""A video as numbered pictures in a folder, for programs that cut films from these."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np

from matting_keras.errors import InputError
from matting_keras.media.images import write_image
from matting_keras.media.video.container import rate_of, unwritable

TIMES = "times.txt"
"""Beside the pictures: when each is shown, in milliseconds, as "timestamp format v2"."""

_NUMBER = re.compile(r"%(0\d)?d")


class SequenceWriter:
    """Writes frames as pictures, which appear in their folder when all are there.

    Args:
        pattern: a path with one %d, %04d or the like in its name: "cut/%05d.png". The first
            picture is number 1. The folder may be there, but without such pictures.
        fps: frames a second.

    Attributes:
        written: the number of frames so far.

    Raises:
        InputError: a name without a number or with several, another kind of picture, or a
            folder that has pictures of this name or cannot be written.

    Example:
        with SequenceWriter("cut/%05d.png", 25) as pictures:
            pictures.write(frame)
    """

    def __init__(self, pattern: str | os.PathLike, fps: float):
        self.path = Path(pattern)
        self.written = 0
        self._rate = rate_of(fps)
        self._folder = self.path.parent
        if not is_sequence(self.path) or self.path.name.count("%") != 1:
            raise InputError(
                f"{pattern}: numbered pictures are named with one %d, %04d or the like, as in "
                "cut/%05d.png."
            )
        before, after = (re.escape(part) for part in _NUMBER.split(self.path.name)[::2])
        taken = re.compile(rf"{before}\d+{after}").fullmatch
        if self._folder.is_dir() and any(taken(name) for name in os.listdir(self._folder)):
            raise InputError(
                f"{pattern}: the folder holds such pictures already, and a rest of them would be "
                "taken for this video's; choose an empty one."
            )

    def __enter__(self) -> SequenceWriter:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._hidden = Path(tempfile.mkdtemp(prefix=".frames.", dir=self._folder))
        except OSError as error:
            raise unwritable(self.path, error) from error
        self._times = ["# timestamp format v2"]
        return self

    def __exit__(self, kind, error, trace) -> None:
        try:
            if error is None and not self.written:
                raise InputError(f"{self.path}: there was no frame to write.")
            if error is None:
                (self._hidden / TIMES).write_text("\n".join(self._times) + "\n")
                for path in sorted(self._hidden.iterdir()):
                    os.replace(path, self._folder / path.name)
        except OSError as late:
            raise unwritable(self.path, late) from late
        finally:
            shutil.rmtree(self._hidden)

    def write(
        self, frame: np.ndarray, time: Fraction | None = None, duration: Fraction | None = None
    ) -> None:
        """Write the next frame, uint8 RGB or RGBA; its time, in seconds, goes into the list."""
        if time is None:
            time = self.written / self._rate
        write_image(self._hidden / (self.path.name % (self.written + 1)), frame)
        self._times.append(f"{float(time) * 1000:.6f}".rstrip("0").rstrip("."))
        self.written += 1

    def write_sound(self, packet: object) -> None:
        """Pictures carry no sound."""


def is_sequence(path: str | os.PathLike) -> bool:
    """Whether a path names numbered pictures.

    Example:
        >>> is_sequence("cut/%05d.png"), is_sequence("100%.png")
        (True, False)
    """
    return bool(_NUMBER.search(Path(path).name))
