"""Drawn portraits as files, where nobody gave photos."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from matting_keras.data.synthetic import synthetic_scene
from matting_keras.media.images import write_image
from matting_keras.media.video import VideoWriter

FPS = 30.0
SCENES = 4
"""Drawing takes a second each: the pictures of a set are these, and these mirrored."""

STEP = 4
"""Pixels a clip moves by each frame, so that its encoder has something to do."""


def clip(path: Path, width: int, height: int, frames: int) -> Path:
    """Write an .mp4 of one person before a webcam that shakes."""
    scene = synthetic_scene(0, height, width, people=1).image
    with VideoWriter(path, (height, width), FPS) as video:
        for number in range(frames):
            offset = STEP * (number % 2) * (1 if number % 4 < 2 else -1)
            video.write(np.ascontiguousarray(np.roll(scene, offset, axis=1)))
    return path


def photos(folder: Path, width: int, height: int, count: int) -> list[Path]:
    """Write JPEG files of drawn portraits; returns their paths."""
    written = []
    for number, picture in zip(range(count), _portraits(width, height), strict=False):
        path = folder / f"portrait-{number:04}.jpg"
        write_image(path, picture)
        written.append(path)
    return written


def _portraits(width: int, height: int) -> Iterator[np.ndarray]:
    drawn: list[np.ndarray] = []
    while len(drawn) < SCENES:
        drawn.append(synthetic_scene(len(drawn), height, width, people=1).image)
        yield drawn[-1]
    while True:
        drawn = [np.ascontiguousarray(picture[:, ::-1]) for picture in drawn]
        yield from drawn
