"""What training minimises. All losses compute in float32 under every precision policy."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable("matting_keras")
class AlphaCrossentropy(keras.losses.Loss):
    """Binary cross-entropy of a soft alpha: its minimum is at the truth, soft or hard.

    For a true alpha a and a predicted p: -a log p - (1 - a) log(1 - p), averaged over pixels.

    Args:
        epsilon: p is kept this far from 0 and 1, so that one pixel costs at most -log(epsilon).

    Shapes: truth and prediction (batch, height, width, 1), both 0..1.

    Source: LikeUnet's training (toytag/humanMatting), where the two softmax channels mirror each
    other and their mean cross-entropy is this one.

    Example:
        >>> loss = AlphaCrossentropy()
        >>> round(float(loss([[[[1.0]]]], [[[[0.5]]]])), 4)
        0.6931
    """

    def __init__(self, epsilon: float = 1e-6, name: str = "alpha_crossentropy", **kwargs):
        super().__init__(name=name, dtype="float32", **kwargs)
        self.epsilon = epsilon

    def call(self, y_true, y_pred):
        p = ops.clip(y_pred, self.epsilon, 1 - self.epsilon)
        return -(y_true * ops.log(p) + (1 - y_true) * ops.log(1 - p))

    def get_config(self):
        return {"name": self.name, "reduction": self.reduction, "epsilon": self.epsilon}
