"""A video for tests whose frames can be told apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from matting_keras.media.video import VideoWriter


def gray_clip(path: Path) -> Path:
    """Write 24 frames of 64 by 48, each evenly gray and 10 levels brighter than the one before."""
    with VideoWriter(path, (64, 48), 25) as video:
        for number in range(24):
            video.write(np.full((64, 48, 3), 10 * number, np.uint8))
    return path
