"""Colour to gray inside a network, so that an exported gray network still takes RGB."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

LUMA = np.array([0.299, 0.587, 0.114], "float32")
"""Weights of red, green and blue in ITU-R BT.601 luma, the gray of JPEG, OpenCV and Pillow."""


@keras.saving.register_keras_serializable("matting_keras")
class Grayscale(keras.layers.Layer):
    """RGB to BT.601 luma: (batch, height, width, 3) to (batch, height, width, 1), range kept."""

    def call(self, inputs):
        weights = ops.convert_to_tensor(LUMA.reshape(1, 1, 3, 1))
        return ops.conv(
            inputs, ops.cast(weights, inputs.dtype), padding="valid", data_format="channels_last"
        )

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 1)
