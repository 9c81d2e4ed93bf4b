"""Reading the graph of a functional model."""

from __future__ import annotations

import keras


def producers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """The layers whose outputs a layer of a functional model reads, in order.

    Args:
        layer: called once; an input layer reads nothing.
    """
    if isinstance(layer, keras.layers.InputLayer):
        return []
    inputs = layer.input if isinstance(layer.input, list) else [layer.input]
    return [producer_of(tensor) for tensor in inputs]


def producer_of(tensor: keras.KerasTensor) -> keras.layers.Layer:
    """The layer that gave a symbolic tensor, for example one of `model.outputs`."""
    return tensor._keras_history.operation
