"""What stands behind the person while a video runs: a colour, a picture, or another video."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from matting_keras.errors import InputError
from matting_keras.inference.composite import Background, cover, parse_colour
from matting_keras.media.images import read_image
from matting_keras.media.kinds import kind_of
from matting_keras.media.video import Frame, VideoReader

LONGEST_STEP = 1
"""Seconds that a video behind may be asked to go on at once."""


class Backdrop:
    """A background for every moment of a video; closing it lets its file go.

    Args:
        text: "transparent", "blur", a colour, or the path of a picture or video.
        size: (height, width) that a picture is scaled to once; None where sizes differ.

    Raises:
        InputError: none of these, or a file that cannot be used.

    Example:
        >>> Backdrop("teal").at(3)
        'teal'
    """

    def __init__(self, text: str, size: tuple[int, int] | None = None):
        self.text = text
        self._still: Background | None = None
        self._video: VideoReader | None = None
        if text in ("transparent", "blur") or parse_colour(text):
            self._still = text
        elif not Path(text).exists():
            raise InputError(
                f"--background {text}: neither a colour nor a file; give a name such as teal, "
                "'#rrggbb', blur, transparent, or the path of a picture or video."
            )
        elif kind_of(text) == "image":
            picture = read_image(text)
            self._still = picture if size is None else cover(picture, size)
        else:
            self._video = VideoReader(text)
            self._frames = self._endless(self._video)
            self._shown, self._next = next(self._frames), next(self._frames)
            self._rest: Fraction | float = 0

    def __enter__(self) -> Backdrop:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let a video go; nothing is to be asked for after that."""
        video, self._video = self._video, None
        if video is not None:
            video.close()

    def at(self, time: Fraction | float) -> Background:
        """The background at a time, in seconds; times must not go back.

        A video runs at its own pace, and starts again at its end. While nobody asks it rests.
        """
        if self._still is not None:
            return self._still
        self._rest += max(0, time - self._rest - self._next.time - LONGEST_STEP)
        while time - self._rest >= self._next.time:
            self._shown, self._next = self._next, next(self._frames)
        return self._shown.rgb

    def _endless(self, video: VideoReader) -> Iterator[Frame]:
        start = end = Fraction(0)
        while True:
            for event in video.events():
                if isinstance(event, Frame):
                    time = start + event.time
                    end = max(end, time + event.duration)
                    yield Frame(event.rgb, time, event.duration)
            if self._video is None:
                return
            start = end
            video.rewind()
