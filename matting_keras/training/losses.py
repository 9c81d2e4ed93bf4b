"""What training minimises. All losses compute in float32 under every precision policy."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable("matting_keras")
class AlphaLoss(keras.losses.Loss):
    """Cross-entropy of a soft alpha, and its absolute difference, each with a weight.

    For a true alpha a and a predicted p, averaged over pixels:
    crossentropy * (-a log p - (1 - a) log(1 - p)) + difference * |a - p|.

    The cross-entropy is least at the truth, soft or hard, and teaches fast. Where it is unsure it
    hedges; the difference makes up its mind, which lowers MAD.

    Args:
        crossentropy: weight of the cross-entropy.
        difference: weight of the absolute difference.
        epsilon: p is kept this far from 0 and 1, so that one pixel costs at most -log(epsilon).

    Shapes: truth and prediction (batch, height, width, 1), both 0..1.

    Source: cross-entropy as in LikeUnet's training (toytag/humanMatting), where the two softmax
    channels mirror each other and their mean cross-entropy is this one; difference as in MODNet.

    Example:
        >>> loss = AlphaLoss(difference=2.0)
        >>> truth, guess = ops.full((1, 8, 8, 1), 1.0), ops.full((1, 8, 8, 1), 0.5)
        >>> round(float(loss(truth, guess)), 4)
        1.6931
    """

    def __init__(
        self,
        crossentropy: float = 1.0,
        difference: float = 0.0,
        epsilon: float = 1e-6,
        name: str = "alpha_loss",
        reduction: str = "sum_over_batch_size",
    ):
        super().__init__(name=name, reduction=reduction, dtype="float32")
        self.crossentropy = crossentropy
        self.difference = difference
        self.epsilon = epsilon

    def call(self, y_true, y_pred):
        p = ops.clip(y_pred, self.epsilon, 1 - self.epsilon)
        entropy = -(y_true * ops.log(p) + (1 - y_true) * ops.log(1 - p))
        return self.crossentropy * entropy + self.difference * ops.abs(y_true - y_pred)

    def get_config(self):
        return {
            "name": self.name,
            "reduction": self.reduction,
            "crossentropy": self.crossentropy,
            "difference": self.difference,
            "epsilon": self.epsilon,
        }
