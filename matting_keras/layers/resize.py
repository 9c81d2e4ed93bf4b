"""Bilinear resizing that works with sizes known only at run time, in any precision, with XLA."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("matting_keras")
class Upsample2x(keras.layers.Layer):
    """Doubles height and width bilinearly (half-pixel centres), computed in float32.

    Keras 3.14 to 3.15.1 cannot trace `UpSampling2D(interpolation="bilinear")` with unknown sizes
    on TensorFlow (keras pull request 22079), and XLA refuses its half-precision gradient. On
    TensorFlow this layer therefore calls `tf.image.resize`, between casts; it gives the same
    bits as UpSampling2D does where that one works. Elsewhere it mixes neighbours itself: jax's
    resize is a product with a dense matrix, at forty times the operations.

    Input: (batch, height, width, channels). Output: (batch, 2 height, 2 width, channels).
    """

    def call(self, inputs):
        shape = ops.shape(inputs)
        if keras.backend.backend() == "tensorflow":
            return _bilinear(inputs, (2 * shape[1], 2 * shape[2]))
        values = ops.cast(inputs, "float32")
        return ops.cast(_doubled(_doubled(values, 1), 2), inputs.dtype)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return (batch, height and 2 * height, width and 2 * width, channels)


@keras.saving.register_keras_serializable("matting_keras")
class ResizeLike(keras.layers.Layer):
    """Resizes a map to the height and width of another, bilinearly, computed in float32.

    Where pools round odd sizes up, doubling would not come back to the size before the pool;
    this does. Half-pixel centres, no antialiasing: PyTorch's `interpolate` with
    `align_corners=False`.

    Input: a list of the map to resize (batch, h, w, channels) and the map to be like
    (batch, height, width, any). Output: (batch, height, width, channels).
    """

    def call(self, inputs):
        values, like = inputs
        shape = ops.shape(like)
        return _bilinear(values, (shape[1], shape[2]))

    def compute_output_shape(self, input_shape):
        values, like = input_shape
        return (values[0], like[1], like[2], values[3])


@keras.saving.register_keras_serializable("matting_keras")
class BilinearKernel(keras.initializers.Initializer):
    """A transposed convolution's kernel that enlarges each channel bilinearly.

    For kernels (2 step, 2 step, channels, channels) at stride `step`.
    """

    def __call__(self, shape, dtype=None):
        side = shape[0]
        distance = np.abs(np.arange(side) - (side - 1) / 2)
        line = np.maximum(1 - distance / (side / 2), 0)
        kernel = np.zeros(shape)
        for channel in range(min(shape[2], shape[3])):
            kernel[:, :, channel, channel] = np.outer(line, line)
        return ops.convert_to_tensor(kernel, dtype=dtype or keras.config.floatx())


def _doubled(values, axis: int):
    """Twice as long along an axis: each value a quarter of the way towards its neighbours."""
    whole = (slice(None),) * axis
    first, last = values[(*whole, slice(0, 1))], values[(*whole, slice(-1, None))]
    before = ops.concatenate([first, values[(*whole, slice(0, -1))]], axis)
    after = ops.concatenate([values[(*whole, slice(1, None))], last], axis)
    pairs = ops.stack([0.75 * values + 0.25 * before, 0.75 * values + 0.25 * after], axis + 1)
    shape = list(values.shape)
    shape[axis] *= 2
    return ops.reshape(pairs, [-1, *shape[1:]])


def _bilinear(inputs, size: tuple):
    values = ops.cast(inputs, "float32")
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        outputs = tf.image.resize(values, size, method="bilinear")
    else:
        outputs = ops.image.resize(
            values, size, interpolation="bilinear", antialias=False, data_format="channels_last"
        )
    return ops.cast(outputs, inputs.dtype)
