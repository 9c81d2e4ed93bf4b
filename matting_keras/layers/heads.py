"""Output layers."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable("matting_keras")
class TwoClassAlpha(keras.layers.Layer):
    """Alpha from two-class logits: the softmax share of channel 1 (0 background, 1 person).

    Equal to sigmoid(logit 1 - logit 0), which is what `fold` turns it into.

    Input: (batch, height, width, 2) logits. Output: (batch, height, width, 1) in 0..1.
    """

    def call(self, inputs):
        return ops.softmax(ops.cast(inputs, "float32"), axis=-1)[..., 1:]

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 1)


@keras.saving.register_keras_serializable("matting_keras")
class MinMaxStretch(keras.layers.Layer):
    """Stretches each map so that its smallest value is 0 and its largest is 1.

    For parity with U²-Net's first release only: in a scene without a person the network's faint
    doubts become a false person of full contrast. A constant map becomes 0.

    Input and output: (batch, height, width, channels).
    """

    def call(self, inputs):
        values = ops.cast(inputs, "float32")
        smallest = ops.min(values, axis=(1, 2, 3), keepdims=True)
        largest = ops.max(values, axis=(1, 2, 3), keepdims=True)
        return (values - smallest) / ops.maximum(largest - smallest, 1e-6)

    def compute_output_shape(self, input_shape):
        return input_shape
