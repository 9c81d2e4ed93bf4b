"""A camera, of which only the newest picture matters, and whether there is a screen at all."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from matting_keras.errors import InputError
from matting_keras.media.opencv import opencv, swap


class Camera:
    """An open camera. A thread reads it, so that a slow network sees no queue of old frames.

    Args:
        index: 0 for the first camera of the computer, 1 for the second, ...

    Attributes:
        size: (height, width) of its frames, in pixels.
        fps: frames a second, as the camera says; 25 where it does not.

    Raises:
        InputError: no such camera, or one that gives no picture.

    Example:
        with Camera(0) as camera:
            for frame in camera:  # uint8 RGB (height, width, 3)
                ...
    """

    def __init__(self, index: int):
        cv2 = opencv()
        self._capture = cv2.VideoCapture(index)
        good, frame = self._capture.read() if self._capture.isOpened() else (False, None)
        if not good:
            self._capture.release()
            raise InputError(
                f"camera {index}: cannot be opened; {_cameras()}. Check that it is plugged in, "
                "that no other program uses it, and that this user may read it."
            )
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 1 <= fps <= 240 else 25.0
        self.size = frame.shape[:2]
        self._newest = frame
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[np.ndarray]:
        while (frame := self.read()) is not None:
            yield frame

    def __enter__(self) -> Camera:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def read(self) -> np.ndarray | None:
        """Wait for a frame not seen yet and return it as RGB; None when the camera is gone."""
        with self._changed:
            while self._newest is None and not self._ended:
                self._changed.wait()
            frame, self._newest = self._newest, None
        return None if frame is None else swap(frame)

    def close(self) -> None:
        """Let the camera go."""
        self._ended = True
        self._thread.join(timeout=5)

    def _follow(self) -> None:
        good = True
        while good and not self._ended:
            good, frame = self._capture.read()
            with self._changed:
                if good:
                    self._newest = frame
                self._changed.notify()
        with self._changed:
            self._ended = True
            self._changed.notify()
        # Released by the thread that reads: another one would pull it away under the read.
        self._capture.release()


def has_display() -> bool:
    """Whether a window can be shown. OpenCV aborts the whole process where it cannot.

    On Linux a screen is announced by DISPLAY or WAYLAND_DISPLAY; macOS and Windows have one.
    """
    if not sys.platform.startswith("linux"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def show(frame: np.ndarray, title: str = "matting_keras, q or Esc to leave") -> bool:
    """Show an RGB frame in a window; False when the user asks to leave.

    Raises:
        InputError: this OpenCV was built without windows.
    """
    cv2 = opencv()
    try:
        cv2.imshow(title, swap(frame))
        return (cv2.waitKey(1) & 0xFF) not in (ord("q"), 27)
    except cv2.error as error:
        raise InputError(
            "this OpenCV has no windows; pass --no-window, or pip install opencv-python in place "
            "of opencv-python-headless."
        ) from error


def _cameras() -> str:
    if not sys.platform.startswith("linux"):
        return "there is no such camera, or it may not be used"
    found = sorted(
        int(match[1])
        for path in Path("/dev").glob("video*")
        if (match := re.fullmatch(r"video(\d+)", path.name))
    )
    return f"this computer has {', '.join(map(str, found))}" if found else "this computer has none"
