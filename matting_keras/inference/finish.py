"""What is done to an alpha that a network gave, at the network's size."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from matting_keras.inference.engines import Runtime
from matting_keras.inference.levels import UNTOUCHED, stretched
from matting_keras.inference.parts import SHARE_AFAR, SHARE_CLOSER, largest, sure


class Finish(NamedTuple):
    """What is done: levels last, for parts go by what the network says.

    Attributes:
        parts: a key of `parts.PARTS`.
        levels: black and white point.
    """

    parts: str = "all"
    levels: tuple[float, float] = UNTOUCHED

    def __call__(self, alpha: np.ndarray, afar: np.ndarray | None = None) -> np.ndarray:
        """An alpha (height, width) in 0..1, finished.

        Args:
            alpha: what was found.
            afar: of the same shape, where that comes of a closer look: what was found before it.
        """
        if self.parts == "sure" and afar is None:
            alpha = sure(alpha)
        elif self.parts == "sure":
            known = sure(afar, share=SHARE_AFAR)
            alpha = sure(alpha, share=SHARE_CLOSER, known=known)
        elif self.parts == "largest":
            alpha = largest(alpha)
        return alpha if self.levels == UNTOUCHED else stretched(alpha, *self.levels)


class Finished:
    """A runtime whose alphas are finished.

    Args:
        runtime: the one that finds them.
        finish: what is done to them.
    """

    def __init__(self, runtime: Runtime, finish: Finish):
        self._runtime, self._finish = runtime, finish
        self.name, self.metadata, self.device = runtime.name, runtime.metadata, runtime.device

    def run(self, batch: np.ndarray) -> np.ndarray:
        found = np.asarray(self._runtime.run(batch))
        if found.shape != (*batch.shape[:3], 1) or not np.isfinite(found).all():
            return found  # whoever asked says what is wrong with it
        return np.stack([self._finish(alpha[..., 0])[..., None] for alpha in found])
