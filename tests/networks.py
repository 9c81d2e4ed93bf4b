"""Networks for tests: real architectures with statistics that a training could have left."""

from __future__ import annotations

import keras
import numpy as np

from matting_keras import build


def lively(name: str, seed: int = 0, **options) -> keras.Model:
    """A network with non-trivial BatchNormalization statistics, biases and gammas."""
    keras.utils.set_random_seed(seed)
    model = build(name, **options)
    rng = np.random.default_rng(seed)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            c = layer.gamma.shape[0]
            layer.set_weights(
                [
                    rng.uniform(0.5, 1.5, c),
                    rng.normal(0, 0.3, c),
                    rng.normal(0, 0.3, c),
                    rng.uniform(0.3, 2, c),
                ]
            )
    for weight in model.weights:
        if weight.name.endswith("bias"):
            weight.assign(rng.normal(0, 0.05, weight.shape))
    return model


def noise(model: keras.Model, size: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    """Raw 0..255 input of (batch, height, width) for a model."""
    shape = (*size, model.input_shape[-1])
    return np.random.default_rng(seed).uniform(0, 255, shape).astype("float32")
