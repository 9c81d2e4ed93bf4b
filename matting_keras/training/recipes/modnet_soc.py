"""MODNet's self-supervised adaptation: its outputs must agree with each other."""

from __future__ import annotations

import keras
from keras import ops

from matting_keras.training.recipes.areas import blurred, edges, mean_within
from matting_keras.training.recipes.loss import RecipeLoss
from matting_keras.training.recipes.modnet import COARSE, reduced

SEEN = 0.1
"""Above this both alpha and semantic must be for a pixel to belong to the person."""

NOISE = 0.01
"""What one output shows below this is no example for the other."""

REACH = 80
"""Height plus width over this is the reach of the square that makes the band.

Its side is then 0.05 of the picture's mean side, made odd."""


@keras.saving.register_keras_serializable("matting_keras")
class ModnetSocLoss(RecipeLoss):
    """Sub-objectives' consistency, for photos without any alpha.

    The target is not a truth: it is the outputs of a frozen copy of the network, taken at the
    start of the epoch, `loss(backup_outputs, outputs)`. With outputs s (semantic), d (detail),
    o (alpha), the backup's d', o', c = blur(o reduced 16 times), and [x] = x where x > 0.01, else
    0, held constant:
    semantic * (mean (s - [c])² + mean (c - [s])²) + detail * (B|d - d'| + B|o - o'|).
    B is the mean over the band: the pixels whose neighbourhood, a square of 0.05 of the mean side,
    holds both person and background, the person being where o > 0.1 and s > 0.1.

    Args:
        semantic: weight of the agreement of alpha and semantic.
        detail: weight of staying near the backup inside the band.

    Shapes and ranges: outputs as for `ModnetLoss`, all 0..1; of the backup "alpha" and "detail".

    Source: ZHKKKe/MODNet, src/trainer.py, soc_adaptation_iter; weights 100 and 1, with Adam at
    1e-5 (betas 0.9, 0.99), batch 1, norms in evaluation mode (see `self_supervised.SelfTaught`).

    Differs: a picture without a band, as one without a person, gives 0 where the original divides
    by 0 (its issues 95, 117, 143). The band's means are over the batch, the same at the published
    batch of 1. The semantic output is enlarged by repetition and the square's side made odd, so
    that the band lies evenly around the edge. Reduction and blur are those of `ModnetLoss`.

    Example:
        >>> def outputs(value):
        ...     m = value * ops.ones((1, 32, 32, 1))
        ...     return {"alpha": m, "detail": m, "semantic": m[:, ::16, ::16]}
        >>> parts = ModnetSocLoss()(outputs(1.0), outputs(0.5))
        >>> {name: round(float(part), 3) for name, part in parts.items()}
        {'semantic': 0.0, 'detail': 0.0, 'matte': 0.0}
    """

    needs = ("alpha", "semantic", "detail")
    reads = ("alpha", "detail")
    supervised = False

    def __init__(self, semantic: float = 100.0, detail: float = 1.0):
        self.semantic = semantic
        self.detail = detail

    def parts(self, target, outputs):
        alpha, semantic = outputs["alpha"], outputs["semantic"]
        coarse = blurred(reduced(alpha, semantic), 3, 0.8)
        agreement = ops.mean(ops.square(semantic - _example(coarse)))
        agreement = agreement + ops.mean(ops.square(coarse - _example(semantic)))
        area = band(alpha, semantic)
        kept = {
            name: mean_within(ops.abs(outputs[name] - ops.stop_gradient(target[name])), area)
            for name in ("detail", "alpha")
        }
        return {
            "semantic": self.semantic * agreement,
            "detail": self.detail * kept["detail"],
            "matte": self.detail * kept["alpha"],
        }

    def get_config(self):
        return {"semantic": self.semantic, "detail": self.detail}


def band(alpha, semantic):
    """Where the person's edge may be, by the network's own opinion.

    Args:
        alpha: float32 (batch, height, width, 1), 0..1.
        semantic: float32 (batch, height / 16, width / 16, 1), 0..1.

    Returns:
        float32 like alpha, 0 or 1; no gradient flows through it.
    """
    height, width = ops.shape(alpha)[1:3]
    enlarged = ops.repeat(ops.repeat(semantic, COARSE, 1), COARSE, 2)
    person = ops.cast(ops.logical_and(alpha > SEEN, enlarged > SEEN), "float32")
    return ops.stop_gradient(edges(person, ops.maximum(1, (height + width) // REACH)))


def _example(values):
    return ops.stop_gradient(values * ops.cast(values > NOISE, "float32"))
