"""A camera for a machine that has none."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from matting_keras.media.video import Frame


class FakeCamera:
    """A camera of five gray frames, seven a second."""

    size, fps, count, sound, gone = (34, 48), 10.0, 0, (), False
    time_base = Fraction(1, 1000)
    frames = 5

    def __init__(self, index: int):
        self.path = f"camera {index}"

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def events(self):
        picture = np.full((*self.size, 3), 200, np.uint8)
        for number in range(self.frames):
            yield Frame(picture.copy(), number / Fraction(7), Fraction(1, 10))
