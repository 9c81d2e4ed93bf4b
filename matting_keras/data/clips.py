"""Frames of video files as photos to learn from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from matting_keras.data.sample import Sample
from matting_keras.errors import InputError


class Clips:
    """Takes frames out of videos, as samples without alpha.

    A video is decoded once, when its frames are asked for, because it cannot be read out of
    order. Each sample hands out its frame once and forgets it, so that no frame is kept twice;
    whoever reads it again has the video decoded again up to there.

    Args:
        step: of each `step` frames the first is taken.
        area: frames with more pixels are shrunk to about this many.
        budget: bytes that the frames of all videos may need.

    Raises:
        InputError: a step below 1.
    """

    def __init__(self, step: int = 10, area: int = 2**18, budget: int = 2**32):
        if step < 1:
            raise InputError(f"data.frame_step must be 1 or more, got {step}.")
        self.step = step
        self.area = area
        self.budget = budget
        self.taken = 0

    def samples(self, path: str | os.PathLike, person: str | None = None) -> list[Sample]:
        """The frames of one video.

        Args:
            path: of the video.
            person: whom they show, as for `Sample`; the file's name where it is not known.

        Raises:
            InputError: not a video, or more frames than memory.
        """
        path = Path(path)
        decoded = {}
        for number, frame in enumerate(self._every(path)):
            decoded[number] = shrunk(frame, self.area)
            self.taken += decoded[number].nbytes
            if self.taken > self.budget:
                raise InputError(
                    f"{path}: with it the frames of the videos need more than "
                    f"{self.budget / 1e6:,.0f} MB; take fewer (data.frame_step={4 * self.step}) "
                    "or give more memory (data.memory=MEGABYTES)."
                )

        def read(number: int) -> tuple[np.ndarray, None]:
            frame = decoded.pop(number, None)
            if frame is None:
                frame = shrunk(next(islice(self._every(path), number, None)), self.area)
            return frame, None

        return [
            Sample(
                f"{path}, frame {number * self.step}",
                partial(read, number),
                person=person or path.name,
                labelled=False,
            )
            for number in decoded
        ]

    def _every(self, path: Path) -> Iterator[np.ndarray]:
        from matting_keras.media.video import VideoReader

        with VideoReader(path) as video:
            yield from islice(video, 0, None, self.step)


def shrunk(rgb: np.ndarray, area: int) -> np.ndarray:
    """A picture of about `area` pixels at most, uint8 (height, width, 3)."""
    scale = (area / (rgb.shape[0] * rgb.shape[1])) ** 0.5
    if scale >= 1:
        return np.array(rgb)
    size = max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale))
    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BOX, reducing_gap=None))
