"""A camera, of which only the newest picture matters."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from matting_keras.errors import InputError
from matting_keras.media.opencv import opencv, swap
from matting_keras.media.video import Frame
from matting_keras.media.window import has_display

__all__ = ["Camera", "has_display"]

MILLISECOND = Fraction(1, 1000)


class Camera:
    """An open camera. A thread reads it, so that a slow network sees no queue of old frames.

    Args:
        index: 0 for the first camera of the computer, 1 for the second, ...

    Attributes:
        size: (height, width) of its frames, in pixels.
        fps: frames a second, as the camera says; 25 where it does not.
        time_base: the unit, in seconds, of its frames' times.
        sound: none.
        gone: the camera has stopped to give pictures, without being closed.

    Raises:
        InputError: no such camera, or one that gives no picture.

    Example:
        with Camera(0) as camera:
            for frame in camera.events():  # a `Frame`
                ...
    """

    count = 0
    time_base = MILLISECOND
    sound = ()

    def __init__(self, index: int):
        cv2 = opencv()
        self.path = f"camera {index}"
        self._capture = cv2.VideoCapture(min(index, 2**31 - 1))  # more fits in no system
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
        self.gone = False
        self._newest = frame
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def __enter__(self) -> Camera:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def events(self) -> Iterator[Frame]:
        """The newest frame whenever one is asked for, until the camera is gone or closed."""
        start = time.monotonic()
        while (rgb := self.read()) is not None:
            passed = Fraction(round((time.monotonic() - start) * 1000), 1000)
            yield Frame(rgb, passed, 1 / Fraction(self.fps).limit_denominator(1001))

    def read(self) -> np.ndarray | None:
        """Wait for a frame not seen yet and return it as RGB; None when there will be none."""
        with self._changed:
            while self._newest is None and not self.gone and not self._closed:
                self._changed.wait()
            frame, self._newest = self._newest, None
        if frame is None or self._closed:
            return None
        if frame.shape[:2] != self.size:
            # Some cameras change their form when another program opens them.
            frame = opencv().resize(frame, self.size[::-1])
        return swap(frame)

    def close(self) -> None:
        """Let the camera go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(timeout=5)

    def _follow(self) -> None:
        good = True
        while good and not self._closed:
            try:
                good, frame = self._capture.read()
            except opencv().error:
                good = False  # some drivers say so when the plug is pulled
            with self._changed:
                if good:
                    self._newest = frame
                else:
                    self.gone = not self._closed
                self._changed.notify_all()
        # Released by the thread that reads: another one would pull it away under the read.
        self._capture.release()


def _cameras() -> str:
    if not sys.platform.startswith("linux"):
        return "there is no such camera, or it may not be used"
    found = sorted(
        int(match[1])
        for path in Path("/dev").glob("video*")
        if (match := re.fullmatch(r"video(\d+)", path.name))
    )
    return f"this computer has {', '.join(map(str, found))}" if found else "this computer has none"
