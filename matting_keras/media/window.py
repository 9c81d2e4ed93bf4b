"""A window on the screen, and whether there is a screen at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import numpy as np

from matting_keras.errors import InputError
from matting_keras.media.opencv import opencv, swap

WHITE = (255, 255, 255)
ESCAPE = 27


def has_display() -> bool:
    """Whether a window can be shown. OpenCV aborts the whole process where it cannot.

    On Linux a screen is announced by DISPLAY or WAYLAND_DISPLAY; macOS and Windows have one.
    """
    if not sys.platform.startswith("linux"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


class Window:
    """A window for frames. Only the program's main thread may use it.

    Args:
        title: of the window.

    Raises:
        InputError: this OpenCV was built without windows.

    Example:
        with Window("me") as window:
            key = window.show(frame, ["q quits"])
    """

    def __init__(self, title: str):
        self.title = title
        self._shown = False

    def __enter__(self) -> Window:
        return self

    def __exit__(self, *error: object) -> None:
        if self._shown:
            opencv().destroyAllWindows()

    def show(self, rgb: np.ndarray, lines: Sequence[str] = ()) -> str:
        """Show a uint8 RGB frame with lines of text on it.

        Returns:
            The key that was pressed, lower case; "" for none, "q" for Esc or a closed window.
        """
        cv2 = opencv()
        try:
            if self._shown and cv2.getWindowProperty(self.title, cv2.WND_PROP_VISIBLE) < 1:
                return "q"
            if not self._shown:
                # Without Qt's toolbar, and its complaints about fonts that nothing here needs.
                os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")
                cv2.namedWindow(self.title, cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL)
            cv2.imshow(self.title, write_on(swap(rgb), lines))
            self._shown = True
            key = cv2.waitKey(1)
        except cv2.error as error:
            raise InputError(
                "this OpenCV has no windows; pass --no-window, or pip install opencv-python in "
                "place of opencv-python-headless."
            ) from error
        if key < 0:
            return ""
        return "q" if key & 0xFF == ESCAPE else chr(key & 0xFF).lower()


def write_on(picture: np.ndarray, lines: Sequence[str]) -> np.ndarray:
    """Write lines of text on a darkened strip at the top of a picture, in place.

    Args:
        picture: uint8 (height, width, 3); the text is as large as suits its height.
        lines: of plain ASCII, which is all that OpenCV's letters have.

    Returns:
        The same picture.
    """
    cv2 = opencv()
    scale = max(0.4, picture.shape[0] / 1000)
    step = round(34 * scale)
    strip = picture[: round(step * (len(lines) + 0.5))] if lines else picture[:0]
    strip[:] = strip // 3
    for number, line in enumerate(lines, 1):
        where = (step // 2, number * step)
        cv2.putText(picture, line, where, cv2.FONT_HERSHEY_SIMPLEX, scale, WHITE, 1, cv2.LINE_AA)
    return picture
