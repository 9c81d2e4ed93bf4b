"""One person out of several: what belongs to the largest part of an alpha, and nothing else."""

from __future__ import annotations

import numpy as np

from matting_keras.inference.engines import Runtime
from matting_keras.inference.runtimes import for_frames
from matting_keras.media.opencv import opencv

SURE = 0.5
"""An alpha above this is a part's core; what is softer belongs to the core nearest to it."""


def largest(alpha: np.ndarray) -> np.ndarray:
    """Keep the largest connected part of an alpha, with its soft edge.

    Hair is softer than a part's core and often not joined to it, so every pixel goes with the core
    that is nearest.

    Args:
        alpha: float32 (height, width) in 0..1.

    Returns:
        The same with 0 where another part is nearer; unchanged where there are not two parts.

    Example:
        >>> alpha = np.zeros((4, 40), "float32")
        >>> alpha[:, 2:20], alpha[:, 20:23], alpha[:, 30:36] = 1, 0.25, 1
        >>> kept = largest(alpha)
        >>> kept[0, [10, 21, 33]].tolist()
        [1.0, 0.25, 0.0]
    """
    cv2 = opencv()
    core = (alpha > SURE).astype(np.uint8)
    count, labels, facts, _ = cv2.connectedComponentsWithStats(core, connectivity=8)
    if count <= 2:  # the first is what lies around
        return alpha
    best = 1 + int(facts[1:, cv2.CC_STAT_AREA].argmax())
    here, there = ((labels == best), (labels != best) & (core > 0))
    to_here, to_there = (
        cv2.distanceTransform((~part).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        for part in (here, there)
    )
    return np.where(to_here <= to_there, alpha, np.float32(0))


class Largest:
    """A runtime whose alphas hold their largest part only; see `largest`.

    Args:
        runtime: the one that finds them.
    """

    def __init__(self, runtime: Runtime):
        self._runtime = runtime
        self.name, self.metadata, self.device = runtime.name, runtime.metadata, runtime.device

    def for_frames(self, ahead: bool) -> tuple[Runtime, int]:
        """As that of the runtime inside."""
        runtime, calls = for_frames(self._runtime, ahead)
        return Largest(runtime), calls

    def run(self, batch: np.ndarray) -> np.ndarray:
        found = np.asarray(self._runtime.run(batch))
        if found.shape != (*batch.shape[:3], 1):  # whoever asked says what is wrong with it
            return found
        return np.stack([largest(alpha[..., 0])[..., None] for alpha in found])
