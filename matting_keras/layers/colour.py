"""What happens to colours inside a network, before its first convolution."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

LUMA = np.array([0.299, 0.587, 0.114], "float32")
"""Weights of red, green and blue in ITU-R BT.601 luma, the gray of JPEG, OpenCV and Pillow."""


@keras.saving.register_keras_serializable("matting_keras")
class Grayscale(keras.layers.Layer):
    """RGB to BT.601 luma, so that an exported gray network still takes RGB.

    Input: (batch, height, width, 3). Output: (batch, height, width, 1), range kept.
    """

    def call(self, inputs):
        weights = ops.convert_to_tensor(LUMA.reshape(1, 1, 3, 1))
        return ops.conv(
            inputs, ops.cast(weights, inputs.dtype), padding="valid", data_format="channels_last"
        )

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 1)


@keras.saving.register_keras_serializable("matting_keras")
class ImageMaximum(keras.layers.Layer):
    """Divides each image by its own largest value, as U²-Net's first release does.

    For parity with that release only: the same person gets another input, and so another alpha,
    as soon as one bright pixel enters the picture, and a dark scene is lit up to full contrast.
    A black image stays black.

    Input: values of at least 0, (batch, height, width, channels). Output: 0..1, same shape.
    """

    def call(self, inputs):
        largest = ops.max(inputs, axis=(1, 2, 3), keepdims=True)
        return inputs / ops.maximum(largest, 1e-6)

    def compute_output_shape(self, input_shape):
        return input_shape
