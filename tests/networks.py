"""Networks for tests: real architectures with statistics that a training could have left."""

from __future__ import annotations

from unittest import mock

import keras
import numpy as np

from matting_keras import build
from matting_keras.architectures import fcn

SMALL = {"fcn8s": {"fully_connected": 64}}
"""Options that keep a test of a huge network within memory and time; its layers are the same."""

VGG = [(convolutions, filters // 4) for convolutions, filters in fcn.VGG16]
"""A sixteenth of the backbone's weights, for the same reason."""

GAIN = 1.5


def small(name: str, **options) -> keras.Model:
    """An architecture as it is, or where that is huge with fewer filters in the same layers."""
    with mock.patch.object(fcn, "VGG16", VGG):
        return build(name, **SMALL.get(name, {}), **options)


def lively(name: str, seed: int = 0, **options) -> keras.Model:
    """A network with non-trivial BatchNormalization statistics, biases and gammas."""
    keras.utils.set_random_seed(seed)
    model = awake(small(name, **options))
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.name.endswith("bias"):
            weight.assign(rng.normal(0, 0.05, weight.shape))
    norms = [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    for norm in norms:
        norm.gamma.assign(norm.gamma * rng.uniform(0.5, 1.5, norm.gamma.shape))
        # Around 1, as trained ones: around 0 a random deep network is chaotic, and multiplies a
        # difference in the last digit by a thousand.
        norm.beta.assign(rng.normal(1, 0.3, norm.beta.shape))
    _see_a_batch(model, norms)
    for norm in norms:
        norm.moving_variance.assign(norm.moving_variance * rng.uniform(0.7, 1.4, norm.gamma.shape))
    return model


def awake(model: keras.Model) -> keras.Model:
    """Small random scores in FCN-8s, whose own start at zero: nothing beneath them would count.

    And larger kernels where norms are folded into them: through twenty layers without norms and
    ten gates half open, a random network's gradient is lost in the last digit.
    """
    for layer in model.layers:
        if model.name in ("selfie", "dawn") and layer.name.startswith(("conv2d", "depthwise")):
            layer.set_weights([GAIN * layer.get_weights()[0], layer.get_weights()[1]])
        if layer.name.startswith("score_"):
            draw = keras.initializers.RandomNormal(stddev=5e-3, seed=1)
            layer.kernel.assign(draw(layer.kernel.shape))
    return model


def noise(model: keras.Model, size: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    """Raw 0..255 input of (batch, height, width) for a model."""
    shape = (*size, model.input_shape[-1])
    return np.random.default_rng(seed).uniform(0, 255, shape).astype("float32")


def alpha_of(outputs) -> np.ndarray:
    """The alpha among a network's outputs, in training or inference form."""
    return np.array(outputs["alpha"] if isinstance(outputs, dict) else outputs, "float32")


def _see_a_batch(model: keras.Model, norms: list) -> None:
    # Statistics made up without regard to the values would saturate a deep network's output.
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    model(noise(model, (2, 64, 96)), training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
