"""Norms that were folded into their convolutions, made to normalise again.

A published .onnx is made to run: its norms are in the kernels, and read back they only add a bias.
Run like this they do no harm. In training they would divide by what each batch spreads, which the
file's own norms did and its kernels do already, and nothing of what the network knew would be left.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops

from matting_keras.weights.state_dict import identity_norm


def unfold(network: keras.Model, images: np.ndarray) -> list[str]:
    """Let norms that only add a bias expect what they see, so that they change nothing in training.

    Their statistics become those of their inputs, their scale and shift what undoes them. Run, the
    network gives what it gave; in training it begins near that.

    Args:
        network: changed in place. Norms that have learned or have not begun, and those of layers
            that keep their weights, stay as they are.
        images: raw 0..255 (batch, height, width, channels), like those to be learned from.

    Returns:
        The names of the norms that were changed.

    Example:
        >>> import keras
        >>> from matting_keras.weights.folded_norms import unfold
        >>> network = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.BatchNormalization()])
        >>> unfold(network, keras.random.uniform((2, 8, 8, 3), 0, 255))  # it has not begun
        []
    """
    norms = [
        layer
        for layer in network.layers
        if isinstance(layer, layers.BatchNormalization) and layer.trainable and _is_folded(layer)
    ]
    if not norms:
        return []
    seen = []
    for norm in norms:
        seen += ops.moments(ops.cast(norm.input, "float32"), axes=(1, 2))
    # Picture by picture: the inputs of all norms of a batch may not fit into memory together.
    found = keras.Model(network.input, seen).predict(images, batch_size=1, verbose=0)
    for norm, means, variances in zip(norms, found[::2], found[1::2], strict=True):
        mean = means.mean(0)
        variance = variances.mean(0) + means.var(0)
        bias = norm.get_weights()[1]
        norm.set_weights([np.sqrt(variance + norm.epsilon), bias + mean, mean, variance])
    return [norm.name for norm in norms]


def _is_folded(norm: layers.BatchNormalization) -> bool:
    # A norm that has not begun divides by the root of 1 + epsilon, one that was folded by 1.
    values = norm.get_weights()
    if len(values) != 4:
        return False
    folded = identity_norm(norm, values[1]).values()
    return all(np.array_equal(value, want) for value, want in zip(values, folded, strict=True))
