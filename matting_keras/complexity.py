"""How much a network computes, counted from its layers' shapes."""

from __future__ import annotations

import math

import keras
from keras import layers

from matting_keras.graph import producers
from matting_keras.layers import AsymmetricConv2D


def multiply_accumulates(model: keras.Model, height: int, width: int) -> int:
    """Multiply-accumulates of one picture through the convolutions of a network.

    Norms, activations, pools and resizes are not counted, as is usual; where others print FLOPs,
    those are about twice this.

    Args:
        model: a functional model; nothing is run.
        height: of the picture, in pixels, as the network takes it.
        width: likewise.

    Returns:
        The count for one picture.

    Example:
        >>> from matting_keras import build
        >>> round(multiply_accumulates(build("dark-light"), 256, 256) / 1e6)
        590
    """
    shapes: dict[str, tuple] = {}
    total = 0
    for layer in model.layers:
        if isinstance(layer, layers.InputLayer):
            shapes[layer.name] = (1, height, width, layer.batch_shape[-1])
            continue
        read = [shapes[producer.name] for producer in producers(layer)]
        several = isinstance(layer.input, list)
        shape = tuple(layer.compute_output_shape(read if several else read[0]))
        shapes[layer.name] = shape
        total += _of_layer(layer, read[0], shape)
    return total


def counts(model: keras.Model) -> tuple[int, int, int]:
    """Parameters, and multiply-accumulates at 256×256 and at 512×512, of a functional model."""
    return (model.count_params(), *(multiply_accumulates(model, s, s) for s in (256, 512)))


def _of_layer(layer: layers.Layer, read: tuple, shape: tuple) -> int:
    area, channels = math.prod(shape[1:3]), read[-1]
    if isinstance(layer, layers.DepthwiseConv2D):
        return area * shape[-1] * math.prod(layer.kernel_size)
    if isinstance(layer, layers.Conv2DTranspose):
        return math.prod(read[1:]) * math.prod(layer.kernel_size) * layer.filters
    if isinstance(layer, layers.Conv2D):
        inputs = channels // layer.groups
        return area * math.prod(layer.kernel_size) * inputs * layer.filters
    if isinstance(layer, AsymmetricConv2D):
        side = layer.kernel_size
        # Without norms the three kernels are added first and convolved once.
        taps = side * side + (2 * side if layer.branch_norm else 0)
        return area * taps * channels * layer.filters
    return 0
