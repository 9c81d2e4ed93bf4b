"""BatchNormalization as one operation while it trains, where Keras takes a dozen."""

from __future__ import annotations

from functools import partial

import keras
from keras import ops


def quicken(network: keras.Model) -> None:
    """Have every BatchNormalization use TensorFlow's own operation for it in training.

    Keras computes it from differences, squares, means and products, each of which goes through
    memory once; on a processor they took half of Dark-Light's step. The one operation gives the
    same outputs, gradients and moving statistics but for rounding, and under half precision keeps
    mean and variance in float32, where Keras rounds them. The network's file stays what it was.

    Args:
        network: changed in place. Norms along another axis than the last, without scale or shift,
            with renormalisation or synchronised by Keras keep Keras' way, as all do under jax.

    Source: Ioffe and Szegedy, "Batch Normalization", 2015, algorithm 1.
    """
    if keras.backend.backend() != "tensorflow":
        return
    for layer in network._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization) and _plain(layer):
            layer.call = partial(normalised, layer)


def slow_down(layer: keras.layers.BatchNormalization) -> None:
    """Give a norm back Keras' own way."""
    vars(layer).pop("call", None)


def normalised(
    layer: keras.layers.BatchNormalization, inputs, training: bool | None = None, mask=None
):
    """What `layer.call` returns, and the same change of its moving statistics.

    Args:
        layer: a norm along the last axis.
        inputs: (batch, height, width, channels).
        training: whether to look at the batch.
        mask: None for the one operation; Keras' way otherwise.
    """
    if not (training and layer.trainable) or mask is not None or len(inputs.shape) != 4:
        return type(layer).call(layer, inputs, training=training, mask=mask)
    import tensorflow as tf

    outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
        ops.cast(inputs, layer.compute_dtype),
        scale=ops.convert_to_tensor(layer.gamma),
        offset=ops.convert_to_tensor(layer.beta),
        epsilon=layer.epsilon,
        is_training=True,
    )
    # TensorFlow's variance is the population's guess, n / (n - 1) times the batch's own.
    count = tf.cast(tf.reduce_prod(tf.shape(inputs)[:-1]), variance.dtype)
    variance *= (count - 1) / count
    for moving, now in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
        moving.assign(moving * layer.momentum + now * (1 - layer.momentum))
    return outputs


def _plain(layer: keras.layers.BatchNormalization) -> bool:
    last = layer.axis in (-1, 3)
    return last and layer.scale and layer.center and not (layer.renorm or layer.synchronized)
