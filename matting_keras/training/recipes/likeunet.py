"""LikeUnet's loss: the cross-entropy of a soft alpha."""

from __future__ import annotations

import keras
from keras import ops

from matting_keras.errors import InputError
from matting_keras.training.losses import AlphaLoss
from matting_keras.training.recipes.areas import mean_within, trusted_band
from matting_keras.training.recipes.loss import SidesLoss


@keras.saving.register_keras_serializable("matting_keras")
class LikeUnetLoss(SidesLoss):
    """Cross-entropy and absolute difference, everywhere and once more inside the unknown band.

    With the loss of a pixel l = crossentropy * H(a, p) + difference * |a - p| (see `AlphaLoss`),
    for each map: mean of l over all pixels + unknown * mean of l over the unknown band of refined
    samples, 0 where there is none.

    Args:
        crossentropy: weight of the cross-entropy.
        difference: weight of the absolute difference.
        unknown: weight of the band; 0, as published, needs no trimap.
        sides: weight of each side output. With 1 and a U²-Net this is U²-Net's own loss, the sum
            of seven cross-entropies.

    Shapes and ranges: as for `RecipeLoss`; alphas 0..1, the parts without unit.

    Raises:
        InputError: both crossentropy and difference are 0, which asks nothing.

    Source: toytag/humanMatting, train.ipynb: binary cross-entropy over two mirrored softmax
    channels, which is that of one alpha; xuebinqin/U-2-Net, u2net_train.py for the sides.

    Differs: difference and band are ours and off by default. The band counts only where its alpha
    is trusted.

    Example:
        >>> alpha = ops.ones((1, 4, 4, 1))
        >>> parts = LikeUnetLoss(difference=2.0)({"alpha": alpha}, {"alpha": 0.5 * alpha})
        >>> {name: round(float(part), 3) for name, part in parts.items()}
        {'crossentropy': 0.693, 'difference': 1.0}
    """

    def __init__(
        self,
        crossentropy: float = 1.0,
        difference: float = 0.0,
        unknown: float = 0.0,
        sides: float = 1.0,
    ):
        if not (crossentropy or difference):
            raise InputError("crossentropy and difference are both 0; one must be above it.")
        self.crossentropy = crossentropy
        self.difference = difference
        self.unknown = unknown
        self.sides = sides
        self.reads = ("alpha", "unknown", "refined") if unknown else ("alpha",)

    def terms(self, target, alpha):
        maps = {}
        if self.crossentropy:
            maps["crossentropy"] = AlphaLoss(self.crossentropy, 0.0).call(target["alpha"], alpha)
        if self.difference:
            maps["difference"] = AlphaLoss(0.0, self.difference).call(target["alpha"], alpha)
        parts = {name: ops.mean(values) for name, values in maps.items()}
        if self.unknown:
            parts["unknown"] = self.unknown * mean_within(sum(maps.values()), trusted_band(target))
        return parts

    def get_config(self):
        return {
            "crossentropy": self.crossentropy,
            "difference": self.difference,
            "unknown": self.unknown,
            "sides": self.sides,
        }
