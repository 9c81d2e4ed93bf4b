"""Looking at a picture twice, as it is and mirrored: the mean errs less than either."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from matting_keras.inference.engines import Runtime
from matting_keras.inference.runtimes import for_frames

LOOKS = (1, 2)

LOOKS_HELP = (
    "2: at a photo as it is and mirrored, to take the mean, as shipped weights are used: finds "
    "people better, and nobody where nobody is, in twice the time; films and cameras have 1"
)


class Mirrored:
    """A runtime that sees every picture and its mirror image, and gives the mean of both alphas.

    A person's mirror image is as likely as the person, so what a network says of one only is an
    accident of its training. Films are looked at once: their frames have no time for more.

    Args:
        runtime: the one that looks.
    """

    def __init__(self, runtime: Runtime):
        self._runtime = runtime
        self.name, self.metadata, self.device = runtime.name, runtime.metadata, runtime.device

    def for_frames(self, ahead: bool) -> tuple[Runtime, int]:
        """As that of the runtime inside, which sees every frame once."""
        return for_frames(self._runtime, ahead)

    def run(self, batch: np.ndarray) -> np.ndarray:
        # One after the other: both in one batch would want twice the memory, and gain no time.
        found = np.asarray(self._runtime.run(batch), np.float32)
        turned = np.asarray(self._runtime.run(np.ascontiguousarray(batch[:, :, ::-1])), np.float32)
        if found.shape != (*batch.shape[:3], 1):
            return found  # whoever asked says what is wrong with it
        return (found + turned[:, :, ::-1]) / 2


def twice(look: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """The mean of what somebody else's network finds in a picture and in its mirror image.

    Args:
        look: gives the alpha (height, width) of a picture (height, width, 3).
    """
    return lambda image: (look(image) + look(np.ascontiguousarray(image[:, ::-1]))[:, ::-1]) / 2
