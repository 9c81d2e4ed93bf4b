"""MobileNetV2 as PyTorch pads it: the backbone of MODNet.

`keras.applications.MobileNetV2` pads its stride-2 convolutions at the right and bottom only, which
moves every map by a pixel against PyTorch's, so published MODNet weights would not fit it.

Source: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from matting_keras.architectures.blocks import TORCH_NORM, imagenet

ROWS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
        (6, 320, 1, 1))  # fmt: skip
"""Expansion, channels, repetitions and first stride of each group (the paper's table 2)."""


BACKBONE = "backbone.model.features"
"""Before the names of its layers in MODNet, and so in all that take that network's weights."""

LAST = 18
"""The number of the last feature, the one of 1280 channels."""


def mobilenet_v2(x, prefix: str, last: int = LAST) -> dict[int, object]:
    """The convolutional part, width 1.

    Args:
        x: RGB in -1..1, (batch, height, width, 3), sides multiples of 32.
        prefix: before each layer's name; the rest is the module's name in torchvision.
        last: number of the last feature that is wanted; what comes after it is not built.

    Returns:
        The output of each of the features up to the last by number: 1 is 16 channels at 1/2 of the
        input's size, 3 is 24 at 1/4, 6 is 32 at 1/8, 13 is 96 at 1/16, 16 is 160 and 18 is 1280 at
        1/32.
    """
    x = _convolution(x, 32, 3, 2, f"{prefix}.0.0", f"{prefix}.0.1")
    features = {0: x}
    number = 1
    for expansion, channels, repetitions, stride in ROWS:
        for repetition in range(repetitions):
            if number > last:
                return features
            first_stride = stride if repetition == 0 else 1
            x = _inverted_residual(x, expansion, channels, first_stride, f"{prefix}.{number}")
            features[number] = x
            number += 1
    if last == LAST:
        features[LAST] = _convolution(x, 1280, 1, 1, f"{prefix}.{LAST}.0", f"{prefix}.{LAST}.1")
    return features


def _inverted_residual(x, expansion: int, channels: int, stride: int, prefix: str):
    inputs, before = x, x.shape[-1]
    at = 0
    if expansion > 1:
        x = _convolution(x, before * expansion, 1, 1, f"{prefix}.conv.0", f"{prefix}.conv.1")
        at = 3
    x = _padded(x, stride, f"{prefix}.conv.{at}")
    x = layers.DepthwiseConv2D(
        3,
        strides=stride,
        padding="same" if stride == 1 else "valid",
        use_bias=False,
        name=f"{prefix}.conv.{at}",
    )(x)
    x = layers.BatchNormalization(**TORCH_NORM, name=f"{prefix}.conv.{at + 1}")(x)
    x = layers.ReLU(6.0, name=f"{prefix}.conv.{at + 2}")(x)
    x = layers.Conv2D(channels, 1, use_bias=False, name=f"{prefix}.conv.{at + 3}")(x)
    x = layers.BatchNormalization(**TORCH_NORM, name=f"{prefix}.conv.{at + 4}")(x)
    if stride == 1 and before == channels:
        x = layers.Add(name=f"{prefix}.add")([inputs, x])
    return x


def _convolution(x, filters: int, kernel_size: int, stride: int, name: str, norm: str):
    x = _padded(x, stride, name)
    padding = "valid" if stride > 1 else "same"
    x = layers.Conv2D(
        filters, kernel_size, strides=stride, padding=padding, use_bias=False, name=name
    )(x)
    x = layers.BatchNormalization(**TORCH_NORM, name=norm)(x)
    return layers.ReLU(6.0, name=f"{norm}.relu6")(x)


def _padded(x, stride: int, name: str):
    """PyTorch's padding=1; Keras' "same" pads even sizes at one end only."""
    return layers.ZeroPadding2D(1, name=f"{name}.pad")(x) if stride > 1 else x


def load_imagenet(model: keras.Model, prefix: str) -> None:
    """Give the backbone inside a model the ImageNet weights of `keras.applications`.

    They were trained with the padding of `keras.applications`: a start for training, not the same
    function.

    Args:
        model: holds the layers that `mobilenet_v2` made with this prefix.
        prefix: as given to `mobilenet_v2`.

    Raises:
        InputError: the weights cannot be downloaded.
    """
    copy_applications(imagenet("MobileNetV2"), model, prefix)


def copy_applications(source: keras.Model, model: keras.Model, prefix: str) -> None:
    """Copy `keras.applications.MobileNetV2` into the backbone, layer by layer in order."""
    theirs = [layer for layer in source.layers if layer.weights]
    ours = [
        layer for layer in model.layers if layer.weights and layer.name.startswith(f"{prefix}.")
    ]
    for old, new in zip(theirs, ours, strict=True):
        weights = old.get_weights()
        if isinstance(old, layers.BatchNormalization):
            # The same function under the other epsilon.
            weights[3] = np.maximum(weights[3] + old.epsilon - new.epsilon, 0)
        new.set_weights(weights)
