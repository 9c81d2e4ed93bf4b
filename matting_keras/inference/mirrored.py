"""Looking at a picture twice, as it is and mirrored: both together err less than either."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from matting_keras.inference.engines import Runtime
from matting_keras.inference.runtimes import for_frames

LOOKS = (1, 2)

LOOKS_HELP = (
    "2: at a photo as it is and mirrored, of which the surer counts for more, as shipped weights "
    "are used: finds people better, and nobody where nobody is, in twice the time; films have 1"
)


DOUBT = 0.05
"""Added to how sure a look is, so that two that know nothing count alike."""


def both(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The mean of two looks, in which the one that is surer of a pixel counts for more there.

    The plain mean finds the same people, but leaves half of what one look is sure of and the other
    is not: a sleeve becomes a ghost. The weights are squares of the distance from one half.

    Args:
        first: alpha in 0..1, of any shape.
        second: likewise.

    Returns:
        Their mean, float32; where both are as sure, the plain one.

    Example:
        >>> [f"{alpha:.3f}" for alpha in both(np.float32([1, 0.6]), np.float32([0.5, 0.4]))]
        ['0.996', '0.500']
    """
    weights = [(np.abs(alpha - 0.5) + DOUBT) ** 2 for alpha in (first, second)]
    mean = (weights[0] * first + weights[1] * second) / (weights[0] + weights[1])
    return mean.astype(np.float32)


class Mirrored:
    """A runtime that sees every picture and its mirror image, and gives what both say (`both`).

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
        return both(found, turned[:, :, ::-1])


def twice(look: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """What somebody else's network finds in a picture and in its mirror image, as `both`.

    Args:
        look: gives the alpha (height, width) of a picture (height, width, 3).
    """
    return lambda image: both(look(image), look(np.ascontiguousarray(image[:, ::-1]))[:, ::-1])
