"""Keras metrics over whole epochs, wrapping `matting_keras.metrics`."""

from __future__ import annotations

import keras
from keras import ops

from matting_keras.metrics import confusion, mean_iou


@keras.saving.register_keras_serializable("matting_keras")
class AlphaMeanIoU(keras.metrics.Metric):
    """Mean of person's and background's IoU over all pixels seen, alphas cut at 0.5."""

    def __init__(self, name: str = "mIoU", dtype: str = "float32"):
        super().__init__(name=name, dtype=dtype)
        self.counts = [
            self.add_weight(name=part, initializer="zeros")
            for part in ("hit", "false", "missed", "clear")
        ]
        # float32 counts whole pixels up to 2**24 only, so counts are kept in megapixels.
        self.unit = 1e6

    def update_state(self, y_true, y_pred, sample_weight=None):
        for count, new in zip(self.counts, confusion(y_true, y_pred, ops), strict=True):
            count.assign_add(new / self.unit)

    def result(self):
        hit, false, missed, clear = (ops.convert_to_tensor(c) * self.unit for c in self.counts)
        return mean_iou(hit, false, missed, clear, ops)
