"""The network as upstream trains and runs it before merging: three real convolutions a block."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from matting_keras import build
from matting_keras.errors import InputError
from matting_keras.layers import AsymmetricConv2D
from matting_keras.layers.asymmetric import BRANCHES


def three_branches(model: keras.Model) -> keras.Model:
    """Clone a network with every asymmetric block taken apart: three convolutions and their sum.

    Our blocks add their kernels and convolve once. This is the same function computed the long
    way, as the thing to compare with.

    Args:
        model: a functional model with asymmetric blocks and no norms in their branches.

    Returns:
        A new model with the same weights, the same precision and the same output.

    Raises:
        InputError: a block normalises its branches; it already computes each on its own.
    """
    blocks = {layer.name: layer for layer in model.layers if isinstance(layer, AsymmetricConv2D)}
    for name, block in blocks.items():
        if block.branch_norm:
            raise InputError(f"{name}: has branch_norm=True, so its branches are separate already.")

    def clone(layer):
        # The name is all that `call` needs of a block.
        if layer.name in blocks:
            return layers.Identity(name=layer.name)
        return layer.__class__.from_config(layer.get_config())

    def call(layer, *args, **kwargs):
        if layer.name in blocks:
            return _apart(blocks[layer.name], args[0])
        return layer(*args, **kwargs)

    apart = keras.models.clone_model(model, clone_function=clone, call_function=call)
    for layer in model.layers:
        if layer.name in blocks:
            for branch in BRANCHES:
                weights = [layer.kernels[branch], layer.biases[branch]]
                apart.get_layer(f"{layer.name}_{branch}").set_weights(weights)
        elif layer.weights:
            apart.get_layer(layer.name).set_weights(layer.get_weights())
    return apart


def lifelike(architecture: str, seed: int = 0) -> keras.Model:
    """An asymmetric network with random weights whose norms and biases are not trivial.

    Fresh weights would make networks agree that do not: biases of 0 and norms of mean 0 and
    variance 1 hide mistakes.
    """
    keras.utils.set_random_seed(seed)
    model = build(architecture, asymmetric=True)
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.name in ("gamma", "moving_variance"):
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif weight.name in ("beta", "moving_mean") or weight.name.endswith("bias"):
            weight.assign(rng.normal(0, 0.1, weight.shape))
    return model


def _apart(block: AsymmetricConv2D, inputs):
    k = block.kernel_size
    sides = {"square": (k, k), "horizontal": (1, k), "vertical": (k, 1)}
    outputs = [
        layers.Conv2D(
            block.filters,
            sides[branch],
            padding="same",
            dilation_rate=block.dilation_rate,
            dtype=block.dtype_policy,
            name=f"{block.name}_{branch}",
        )(inputs)
        for branch in BRANCHES
    ]
    total = layers.Add(dtype=block.dtype_policy, name=f"{block.name}_sum")(outputs)
    if block.activation is keras.activations.linear:
        return total
    return layers.Activation(
        block.activation, dtype=block.dtype_policy, name=f"{block.name}_activation"
    )(total)
