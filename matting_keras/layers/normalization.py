"""Normalisation that Keras does not have."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable("matting_keras")
class IBNorm(keras.layers.Layer):
    """Batch normalisation of the first half of the channels, instance normalisation of the rest.

    The instance half has no learned scale and no running statistics: every map is shifted and
    scaled to mean 0 and variance 1 over its own height and width, in training and after. Its
    statistics are computed in float32 under every precision policy: over 512 by 512 pixels the
    squares overflow half precision.

    Args:
        batch: False leaves the first half as it is. `fold` uses it after it has moved the batch
            half into the convolution before.
        momentum: of the batch half's moving statistics.
        epsilon: added to both variances.

    Input and output: (batch, height, width, channels).

    Source: Pan et al., "Two at Once: Enhancing Learning and Generalization Capacities via
    IBN-Net", ECCV 2018, as MODNet uses it (Ke et al., AAAI 2022).

    Example:
        >>> import numpy as np
        >>> maps = np.random.default_rng(0).normal(3, 5, (1, 8, 8, 4)).astype("float32")
        >>> normed = IBNorm()(maps)
        >>> [abs(round(float(m), 4)) for m in ops.mean(normed[..., 2:], axis=(0, 1, 2))]
        [0.0, 0.0]
    """

    def __init__(
        self, *, batch: bool = True, momentum: float = 0.9, epsilon: float = 1e-5, **kwargs
    ):
        super().__init__(**kwargs)
        self.batch = batch
        self.momentum = momentum
        self.epsilon = epsilon
        self.batch_norm = None
        if batch:
            self.batch_norm = keras.layers.BatchNormalization(
                momentum=momentum, epsilon=epsilon, dtype=self.dtype_policy, name="batch_norm"
            )

    def build(self, input_shape):
        self.half = input_shape[-1] // 2
        if self.batch_norm is not None:
            self.batch_norm.build((*input_shape[:-1], self.half))

    def call(self, inputs, training=False):
        first = inputs[..., : self.half]
        if self.batch_norm is not None:
            first = self.batch_norm(first, training=training)
        rest = ops.cast(inputs[..., self.half :], "float32")
        centred = rest - _map_mean(rest)
        rest = centred * ops.rsqrt(_map_mean(ops.square(centred)) + self.epsilon)
        return ops.concatenate([first, ops.cast(rest, inputs.dtype)], axis=-1)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "batch": self.batch,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
        }


def _map_mean(values):
    # Rows first: one running sum over a whole map in float32 loses four digits at 512 by 512.
    rows = ops.mean(values, axis=2, keepdims=True)
    return ops.mean(rows, axis=1, keepdims=True)
