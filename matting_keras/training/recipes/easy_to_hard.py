"""The loss of the easy-to-hard recipe: first the whole person, then the hair."""

from __future__ import annotations

import keras
from keras import ops

from matting_keras.errors import InputError
from matting_keras.training.losses import AlphaLoss
from matting_keras.training.recipes.areas import mean_within, trusted_band
from matting_keras.training.recipes.loss import SidesLoss

FORMS = {"difference": AlphaLoss(0.0, 1.0), "crossentropy": AlphaLoss(1.0, 0.0)}
"""What is asked of a pixel: |a - p|, or the soft cross-entropy."""


@keras.saving.register_keras_serializable("matting_keras")
class EasyToHardLoss(SidesLoss):
    """One loss over all maps; in the second stage also over the unknown band of the alpha.

    With the loss of a pixel l, |o - m| or the cross-entropy:
    stage 1: sum over maps of mean(l);
    stage 2: the same + unknown * sum(l T) / sum(T) of the fused alpha alone, T being the unknown
    band of the refined samples, over the batch.

    Args:
        stage: 1 for coarse masks, 2 for composites with soft alphas.
        form: "difference" or "crossentropy".
        unknown: weight of the band in stage 2.
        sides: weight of each side output beside the alpha.

    Shapes and ranges: as for `RecipeLoss`; alphas 0..1, the parts without unit. Stage 1 needs no
    trimap.

    Raises:
        InputError: another stage or form.

    Source: seed 003, U2Net_protrait (stage 1 on AISegment, stage 2 on composites whose background
    goes from easy to hard); weight 3, both forms.

    Differs: an empty band gives 0 and no band is enlarged by the published 1e-3 in the divisor.
    The band is divided by its area wherever it is used; the original leaves that out of its test.
    A rough mask's band counts for nothing. The trimap must have gone through the photo's flips,
    which half of the original's had not (see `target.check_target`).

    Example:
        >>> m = ops.ones((1, 4, 4, 1))
        >>> target = {"alpha": m, "unknown": m, "refined": ops.ones(1)}
        >>> parts = EasyToHardLoss(stage=2)(target, {"alpha": 0.9 * m})
        >>> {name: round(float(part), 3) for name, part in parts.items()}
        {'everywhere': 0.1, 'unknown': 0.3}
    """

    def __init__(
        self,
        stage: int = 1,
        form: str = "difference",
        unknown: float = 3.0,
        sides: float = 1.0,
    ):
        if stage not in (1, 2):
            raise InputError(f"the easy-to-hard recipe has stages 1 and 2, got {stage!r}.")
        if form not in FORMS:
            raise InputError(f"form must be one of {', '.join(FORMS)}, got {form!r}.")
        self.stage = stage
        self.form = form
        self.unknown = unknown
        self.sides = sides
        self.reads = ("alpha", "unknown", "refined") if stage == 2 else ("alpha",)

    def terms(self, target, alpha):
        pixels = FORMS[self.form].call(target["alpha"], alpha)
        parts = {"everywhere": ops.mean(pixels)}
        if self.stage == 2:
            parts["unknown"] = self.unknown * mean_within(pixels, trusted_band(target))
        return parts

    def side_terms(self, target, alpha):
        return {"everywhere": ops.mean(FORMS[self.form].call(target["alpha"], alpha))}

    def get_config(self):
        return {
            "stage": self.stage,
            "form": self.form,
            "unknown": self.unknown,
            "sides": self.sides,
        }
