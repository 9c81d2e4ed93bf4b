"""What reading and writing of video files share: PyAV, loaded on first use, and its errors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np

from matting_keras.errors import InputError
from matting_keras.media.opencv import opencv

VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".mpg", ".mpeg")
DEFAULT_FPS = 25.0

BT709 = 1
"""The colours of HD television, as FFmpeg numbers them, and what every file written here says."""


class Frame(NamedTuple):
    """A picture of a video.

    Attributes:
        rgb: uint8 (height, width, 3), the right way up, of square pixels.
        time: when it is shown, in seconds from the start of the video.
        duration: how long, in seconds.
    """

    rgb: np.ndarray
    time: Fraction
    duration: Fraction


@cache
def pyav() -> ModuleType:
    """The `av` module, which says nothing on stderr by itself.

    Raises:
        InputError: PyAV is not installed.
    """
    # On Linux both bring a window system's library. With PyAV's loaded first, OpenCV's windows wait
    # for ever, deaf to ctrl-C (PyAV-Org/PyAV#978): so the program's own order must not matter.
    opencv()
    try:
        import av
    except ImportError as error:
        raise InputError(f"videos need PyAV ({error}); pip install av.") from error
    return av


@contextmanager
def writing(path: str | os.PathLike) -> Iterator[None]:
    """Turn what goes wrong while a video is written into a message that names it.

    Raises:
        InputError: with the reason that the system or FFmpeg gives.
    """
    try:
        yield
    except (OSError, pyav().error.FFmpegError) as error:
        raise unwritable(path, error) from error


def unwritable(path: str | os.PathLike, error: Exception) -> InputError:
    """What to tell where a file cannot be written."""
    reason = getattr(error, "strerror", None) or error
    return InputError(f"{path}: cannot be written ({reason}); choose another place.")


def check_path(path: Path) -> None:
    """Refuse what cannot be a video before anything opens it.

    Raises:
        InputError: missing, a folder, or empty.
    """
    if path.is_dir():
        raise InputError(f"{path}: is a folder, not a video; give a file inside it.")
    if not path.exists():
        raise InputError(f"{path}: no such file; check the spelling.")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: is empty (0 bytes); copy or record it again.")


def rate_of(fps: float) -> Fraction:
    """A frame rate as a fraction: 29.97 is 30000/1001.

    Example:
        >>> rate_of(29.97), rate_of(12.0)
        (Fraction(30000, 1001), Fraction(12, 1))
    """
    television = Fraction(round(fps * 1.001) * 1000, 1001)
    if round(fps) != fps and abs(fps - television) < 0.005:
        return television
    return Fraction(fps).limit_denominator(1001)
