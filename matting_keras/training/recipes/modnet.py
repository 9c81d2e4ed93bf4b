"""MODNet's losses: one for each of its three outputs."""

from __future__ import annotations

import keras
from keras import ops

from matting_keras.errors import InputError
from matting_keras.training.recipes.areas import blurred, mean_within, trusted_band
from matting_keras.training.recipes.loss import RecipeLoss

COARSE = 16
"""How many pixels a side of the alpha one of the semantic output stands for."""


@keras.saving.register_keras_serializable("matting_keras")
class ModnetLoss(RecipeLoss):
    """Where the person is, what the edge looks like, and the matte that joins them.

    With outputs s (semantic), d (detail) and o (alpha), truth m, image I in -1..1, and the means
    D = mean |.| over everything and B = mean |.| over the unknown band of refined samples:
    semantic * mean (s - blur(m reduced 16 times))²
    + detail * B(d - m)
    + matte * (D(o - m) + band * B(o - m))
    + composition * (D(I o - I m) + band * B(I o - I m)).
    The blur is Gaussian, 3×3 with a deviation of 0.8 coarse pixels.

    Args:
        semantic: weight of the semantic part.
        detail: weight of the detail part.
        matte: weight of the alpha's part.
        composition: weight of the part for what is seen in front of black.
        band: how much more the band counts in the last two.

    Shapes and ranges: as for `RecipeLoss`; outputs "alpha" and "detail" of the image's size,
    "semantic" (batch, height / 16, width / 16, 1); sides multiples of 16; all 0..1.

    Source: ZHKKKe/MODNet, src/trainer.py; weights 10, 10, 1, 1, band 4. Ke et al., "MODNet:
    Real-Time Trimap-Free Portrait Matting via Objective Decomposition", AAAI 2022.

    Differs: means over the band are divided by the band's area and not by the picture's, as
    PaddleSeg does for the detail: there the part nearly vanishes for thin bands, and users saw
    0 throughout. At a band of a tenth of the picture it weighs ten times as much here; band=0.4
    and detail=1 are the published balance. The alpha is reduced by the mean of all 16×16 pixels;
    the published bilinear reduction looks at four of them. The blur ends at the border (see
    `areas.blurred`). A band of 0 gives 0. The unknown band is a mask of 0 and 1 here, and the
    alpha has one channel or is refused: a trimap of 0..255 gave the MindSpore port hard hair, and
    users of the original a detail loss of 0 (its issues 57, 59).

    Example:
        >>> m = ops.ones((1, 32, 32, 1))
        >>> target = {"image": 255 * m, "alpha": m, "unknown": m, "refined": ops.ones(1)}
        >>> outputs = {"alpha": 0.9 * m, "detail": m, "semantic": ops.ones((1, 2, 2, 1))}
        >>> parts = ModnetLoss()(target, outputs)
        >>> {name: round(float(part), 3) for name, part in parts.items()}
        {'semantic': 0.0, 'detail': 0.0, 'matte': 0.5, 'composition': 0.5}
    """

    needs = ("alpha", "semantic", "detail")
    reads = ("image", "alpha", "unknown", "refined")

    def __init__(
        self,
        semantic: float = 10.0,
        detail: float = 10.0,
        matte: float = 1.0,
        composition: float = 1.0,
        band: float = 4.0,
    ):
        self.semantic = semantic
        self.detail = detail
        self.matte = matte
        self.composition = composition
        self.band = band

    def parts(self, target, outputs):
        truth, unknown = target["alpha"], trusted_band(target)
        coarse = blurred(reduced(truth, outputs["semantic"]), 3, 0.8)
        difference = ops.abs(outputs["alpha"] - truth)
        # |I o - I m| is |I| |o - m|, averaged over the colours.
        seen = ops.mean(ops.abs(target["image"] / 127.5 - 1), -1, keepdims=True) * difference
        detail = ops.abs(outputs["detail"] - truth)
        return {
            "semantic": self.semantic * ops.mean(ops.square(outputs["semantic"] - coarse)),
            "detail": self.detail * mean_within(detail, unknown),
            "matte": self.matte * self._with_band(difference, unknown),
            "composition": self.composition * self._with_band(seen, unknown),
        }

    def _with_band(self, difference, unknown):
        return ops.mean(difference) + self.band * mean_within(difference, unknown)

    def get_config(self):
        return {
            "semantic": self.semantic,
            "detail": self.detail,
            "matte": self.matte,
            "composition": self.composition,
            "band": self.band,
        }


def reduced(alpha, semantic):
    """An alpha at a sixteenth of its size, for comparison with the semantic output.

    Args:
        alpha: float32 (batch, height, width, 1).
        semantic: (batch, height / 16, width / 16, 1).

    Raises:
        InputError: the semantic output has another size.
    """
    for fine, coarse in zip(alpha.shape[1:3], semantic.shape[1:3], strict=True):
        if None not in (fine, coarse) and fine != COARSE * coarse:
            raise InputError(
                f"the output 'semantic' is {tuple(semantic.shape)} for an alpha of "
                f"{tuple(alpha.shape)}; it must have a sixteenth of its height and width."
            )
    return ops.average_pool(alpha, COARSE, COARSE, "valid")
