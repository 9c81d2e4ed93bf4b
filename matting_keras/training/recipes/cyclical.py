"""The loss of the cyclical recipe: errors along the person's outline count more."""

from __future__ import annotations

import keras
from keras import ops

from matting_keras.training.recipes.areas import dilated, eroded, rooted
from matting_keras.training.recipes.loss import SidesLoss, side_names

STEP = 0.5 / 255
"""A change of the alpha above this, half a level of 8 bits, makes a boundary; less is rounding."""


@keras.saving.register_keras_serializable("matting_keras")
class CyclicalLoss(SidesLoss):
    """Root mean squared error over the picture and, weighted, along the boundary; mean over maps.

    For each map o and true alpha m: R(1) + boundary * R(E), with
    R(A) = mean over samples of sqrt(sum((o - m)² A) / sum(A) + 1e-6) - 1e-3. E is 1 where the
    largest and smallest alpha in the 7×7 square around a pixel differ by half a level of 255 at
    least (the morphological gradient). The maps' losses are averaged, side outputs with their
    weight.

    Args:
        boundary: weight of the boundary's error.
        sides: weight of each side output in the mean over maps.

    Shapes and ranges: as for `RecipeLoss`; alphas 0..1, the parts without unit.

    Source: the notebook of seed 002, "Data_Mining_Project" (U²-Net portrait matting with a
    cyclical rate): weight 4, 7×7 box, mean over seven maps.

    Differs: the root is taken of each sample by itself. That of a whole batch gives every sample
    a gradient divided by the others' error, so a photo counts for less in bad company. The
    boundary's error is divided by the boundary's area and not by the picture's, so that a small
    subject's outline weighs as much as a large one's. At a boundary of 6 % of the picture this
    makes the weight 4 act as 16 did; boundary=1 is about the published balance. Both parts are
    part of validation too.

    Example:
        >>> m = ops.reshape(ops.convert_to_tensor([0.0] * 8 + [1.0] * 8), (1, 1, 16, 1))
        >>> parts = CyclicalLoss()({"alpha": m}, {"alpha": 0.5 + 0 * m})
        >>> {name: round(float(part), 3) for name, part in parts.items()}
        {'everywhere': 0.499, 'boundary': 1.996}
    """

    reach = 7

    def __init__(self, boundary: float = 4.0, sides: float = 1.0):
        self.boundary = boundary
        self.sides = sides

    def parts(self, target, outputs):
        alpha = target["alpha"]
        change = dilated(alpha, self.reach) - eroded(alpha, self.reach)
        edge = ops.stop_gradient(ops.cast(change > STEP, "float32"))
        parts = super().parts(target | {"edge": edge}, outputs)
        total = 1 + self.sides * len(side_names(outputs))
        return {name: part / total for name, part in parts.items()}

    def terms(self, target, alpha):
        squares = ops.square(alpha - target["alpha"])
        return {
            "everywhere": rooted(squares),
            "boundary": self.boundary * rooted(squares, target["edge"]),
        }

    def get_config(self):
        return {"boundary": self.boundary, "sides": self.sides}
