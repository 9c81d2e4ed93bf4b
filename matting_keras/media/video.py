"""Reading and writing video files, frame by frame, in RGB.

Sound is not carried: what is written has pictures only. Frame times are taken as even, so a
recording with a variable frame rate keeps its frames but not its exact timing.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from matting_keras.atomic import atomic_path
from matting_keras.errors import InputError
from matting_keras.media.opencv import opencv, swap

VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".mpg", ".mpeg")
DEFAULT_FPS = 25.0


class VideoReader:
    """The frames of a video file, in order, the right way up.

    Args:
        path: the file.

    Attributes:
        fps: frames a second; `DEFAULT_FPS` where the file does not say.
        size: (height, width) in pixels.
        count: the number of frames the file promises; 0 where it does not say.
        read: the number of frames handed out so far.

    Raises:
        InputError: missing, empty, not a video, or without a single frame.

    Example:
        with VideoReader("walk.mp4") as video:
            for frame in video:  # uint8 RGB (height, width, 3)
                ...
    """

    def __init__(self, path: str | os.PathLike):
        cv2 = opencv()
        self.path = Path(path)
        _check_path(self.path)
        self._capture = cv2.VideoCapture(str(path))
        if not self._capture.isOpened():
            self.close()
            raise InputError(
                f"{path}: is not a video that can be read here, or is damaged; expected one of "
                f"{', '.join(VIDEO_SUFFIXES)}. Convert it to .mp4, or copy it again."
            )
        self._first = self._next()
        if self._first is None:
            self.close()
            raise InputError(f"{path}: holds no frame that can be decoded; record it again.")
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if math.isfinite(fps) and 0.1 <= fps <= 1000 else DEFAULT_FPS
        self.size = self._first.shape[:2]
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.count = int(count) if math.isfinite(count) and count > 0 else 0
        self.read = 0

    def __iter__(self) -> Iterator[np.ndarray]:
        frame = self._first
        while frame is not None:
            self.read += 1
            yield frame
            frame = self._next()

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._capture.release()

    def rewind(self) -> None:
        """Start again at the first frame."""
        self._capture.release()
        self._capture = opencv().VideoCapture(str(self.path))
        self._first = self._next()

    def _next(self) -> np.ndarray | None:
        good, frame = self._capture.read()
        return swap(frame) if good else None


class VideoWriter:
    """Writes RGB frames to an .mp4 file, which appears when it is complete.

    Args:
        path: ends in .mp4; missing folders are made.
        size: (height, width) of every frame. H.264 and its kin want even sides: a last odd row
            or column is doubled.
        fps: frames a second.

    Raises:
        InputError: another suffix, or a place or codec that does not work.

    Example:
        with VideoWriter("out.mp4", (720, 1280), 25) as video:
            video.write(frame)
    """

    def __init__(self, path: str | os.PathLike, size: tuple[int, int], fps: float):
        self.path = Path(path)
        if self.path.suffix.lower() != ".mp4":
            raise InputError(f"{path}: videos are written as .mp4; end its name in .mp4.")
        self.size = size
        self.written = 0
        self._even = (size[0] + size[0] % 2, size[1] + size[1] % 2)
        self._fps = fps
        self._stack = ExitStack()

    def __enter__(self) -> VideoWriter:
        cv2 = opencv()
        with ExitStack() as stack:
            try:
                temporary = stack.enter_context(atomic_path(self.path))
            except OSError as error:
                raise InputError(
                    f"{self.path}: cannot be written ({error.strerror or error}); choose "
                    "another place."
                ) from error
            self._writer = cv2.VideoWriter(
                str(temporary), cv2.VideoWriter.fourcc(*"mp4v"), self._fps, self._even[::-1]
            )
            stack.callback(self._writer.release)
            if not self._writer.isOpened():
                raise InputError(
                    f"{self.path}: this OpenCV cannot write .mp4 at {self._even[1]}x"
                    f"{self._even[0]}; reinstall it with pip install opencv-python."
                )
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind, error, trace) -> bool | None:
        if error is None and not self.written:
            error = InputError(f"{self.path}: there was no frame to write.")
            self._stack.__exit__(InputError, error, None)
            raise error
        return self._stack.__exit__(kind, error, trace)

    def write(self, frame: np.ndarray) -> None:
        """Append one uint8 RGB frame (height, width, 3) of this video's size."""
        if frame.shape != (*self.size, 3) or frame.dtype != np.uint8:
            raise InputError(
                f"{self.path}: expected a uint8 frame of shape {(*self.size, 3)}, got "
                f"{frame.dtype} {frame.shape}."
            )
        grow = ((0, self._even[0] - self.size[0]), (0, self._even[1] - self.size[1]), (0, 0))
        if self._even != self.size:
            frame = np.pad(frame, grow, mode="edge")
        self._writer.write(swap(frame))
        self.written += 1


def _check_path(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{path}: is a folder, not a video; give a file inside it.")
    if not path.exists():
        raise InputError(f"{path}: no such file; check the spelling.")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: is empty (0 bytes); copy or record it again.")
