"""The loss of u-2-net-portrait: rough and refined masks in one training."""

from __future__ import annotations

import keras
from keras import ops

from matting_keras.training.recipes.areas import blurred, mean_within, trusted_band
from matting_keras.training.recipes.loss import SidesLoss


@keras.saving.register_keras_serializable("matting_keras")
class PortraitLoss(SidesLoss):
    """Masked differences on known and unknown area, and closeness to the smoothed mask.

    For each map o and true alpha m:
    known * L1(o, m; K) + unknown * L1(o, m; U) + smooth * mean of (o - G(m))²,
    where L1(o, m; A) = sum(|o - m| A) / sum(A) over the batch. A refined sample has K = 1
    everywhere and U = its unknown band. A rough one has K = 1 outside the band and U = 0. G is a
    Gaussian blur, 9×9 with a deviation of 2.5 pixels.

    Args:
        known: weight of the known area's difference.
        unknown: weight of the unknown band's.
        smooth: weight of the squared difference from the smoothed mask.
        sides: weight of each side output beside the alpha.

    Shapes and ranges: as for `RecipeLoss`; alphas 0..1, the parts without unit.

    Source: dennisbappert/u-2-net-portrait, train.py and conf/; its weights 2, 3 and 1, summed over
    seven maps.

    Differs: a batch without refined samples, or whose bands are empty, gives 0 for the unknown
    part, where the original divides by 0 and ends in NaN (its issue 12). The blur takes nothing
    from beyond the border (see `areas.blurred`); the original's zero padding teaches it that
    persons fade at the frame.

    Example:
        >>> m = ops.ones((2, 8, 8, 1))
        >>> target = {"alpha": m, "unknown": 0 * m, "refined": ops.zeros(2)}
        >>> parts = PortraitLoss()(target, {"alpha": 0.5 * m})
        >>> {name: round(float(part), 3) for name, part in parts.items()}
        {'known': 1.0, 'unknown': 0.0, 'smooth': 0.25}
    """

    reads = ("alpha", "unknown", "refined")
    blur_size = 9
    blur_sigma = 2.5

    def __init__(
        self, known: float = 2.0, unknown: float = 3.0, smooth: float = 1.0, sides: float = 1.0
    ):
        self.known = known
        self.unknown = unknown
        self.smooth = smooth
        self.sides = sides

    def parts(self, target, outputs):
        # Once for all maps.
        target = target | {"smooth": blurred(target["alpha"], self.blur_size, self.blur_sigma)}
        return super().parts(target, outputs)

    def terms(self, target, alpha):
        difference = ops.abs(alpha - target["alpha"])
        refined = ops.reshape(target["refined"], (-1, 1, 1, 1))
        known = refined + (1 - refined) * (1 - target["unknown"])
        return {
            "known": self.known * mean_within(difference, known),
            "unknown": self.unknown * mean_within(difference, trusted_band(target)),
            "smooth": self.smooth * ops.mean(ops.square(alpha - target["smooth"])),
        }

    def get_config(self):
        return {
            "known": self.known,
            "unknown": self.unknown,
            "smooth": self.smooth,
            "sides": self.sides,
        }
