"""OpenCV, loaded on first use and told to be quiet: what it would print, our errors say."""

from __future__ import annotations

import os
from functools import cache
from types import ModuleType

import numpy as np

from matting_keras.errors import InputError


@cache
def opencv() -> ModuleType:
    """The `cv2` module, without its own messages on stderr.

    Raises:
        InputError: OpenCV is not installed.
    """
    # FFmpeg inside OpenCV reads this once, when the first video is opened.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        import cv2
    except ImportError as error:
        raise InputError(
            f"videos and cameras need OpenCV ({error}); pip install opencv-python."
        ) from error
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2


def swap(frame: np.ndarray) -> np.ndarray:
    """OpenCV's BGR to RGB, or back; (height, width, 3). Ten times faster than by NumPy."""
    cv2 = opencv()
    return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
