"""MediaPipe's selfie network: a tenth of a million weights that have seen a great many people.

A MobileNetV3 that ends at 1/16 of the input's size, and three steps back up. In each, what goes up
and what the encoder saw at that size decide together, by their means over the whole picture, how
much of each of the encoder's channels is let through.

Source: "MediaPipe Selfie Segmentation" (model card, Google 2021, Apache-2.0), written down from the
published file; its blocks are those of Howard et al., "Searching for MobileNetV3", ICCV 2019.
Layers carry the names that their kernels have in that file, so its weights fit by name.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import keras
from keras import layers

from matting_keras.layers import Upsample2x

BOTTLENECKS = ((5, 128, 32), (5, 128, 32), (5, 96, 24), (5, 96, 24))
"""Kernel, expansion and squeezed channels of the four that keep 32 channels at 1/16."""


def selfie(
    *, asymmetric: bool = False, branch_norm: bool = False, original: bool = False
) -> keras.Model:
    """Build the selfie network.

    Args:
        asymmetric: the same network; its square kernels are depthwise or at stride 2.
        branch_norm: likewise.
        original: the same network; there is one form.

    Returns:
        A functional model from raw 0..255 values (batch, height, width, 3), sides multiples of 32,
        to alpha (batch, height, width, 1) in 0..1, float32 under any policy.
    """
    raw = keras.Input((None, None, 3), name="image")
    image = layers.Rescaling(1 / 255, dtype="float32", name="scale")(raw)
    x = selfie_features(image)
    x = layers.Conv2DTranspose(1, 2, strides=2, padding="same", dtype="float32", name="segment")(x)
    alpha = layers.Activation("sigmoid", dtype="float32", name="alpha")(x)
    return keras.Model(raw, alpha, name="selfie")


def selfie_features(image):
    """All of the selfie network but its last layer.

    Args:
        image: RGB in 0..1, (batch, height, width, 3), sides multiples of 16.

    Returns:
        16 channels at half the size.
    """
    parts = _Parts()
    half = parts.hard_swish(parts.convolution(image, 16, 3, 2))
    x = parts.relu(parts.convolution(half, 16))
    x = parts.relu(parts.depthwise(x, 3, 2))
    x = parts.convolution(parts.squeezed(x, 8), 16)
    quarter = x
    x = parts.bottleneck(x, 3, 72, 24, stride=2)
    eighth = parts.bottleneck(x, 3, 88, 24)
    x = parts.bottleneck(eighth, 5, 96, 32, squeezed=24, stride=2)
    for kernel_size, expansion, squeezed in BOTTLENECKS:
        x = parts.bottleneck(x, kernel_size, expansion, 32, squeezed=squeezed)
    mean = parts.mean(x)
    x = parts.relu(parts.convolution(x, 128))
    x = parts.times(x, parts.sigmoid(parts.convolution(mean, 128)))
    for skip, filters in ((eighth, 24), (quarter, 16), (half, 16)):
        x = parts.step_up(x, skip, filters)
    return x


@dataclass
class _Parts:
    """The layers of one network, numbered as they are made."""

    counts: dict[str, int] = field(default_factory=dict)

    def name(self, kind: str) -> str:
        number = self.counts.get(kind, 0)
        self.counts[kind] = number + 1
        return f"{kind}_{number}" if number else kind

    def convolution(self, x, filters: int, kernel_size: int = 1, stride: int = 1):
        name = self.name("conv2d")
        return layers.Conv2D(
            filters,
            kernel_size,
            strides=stride,
            padding="same",
            kernel_initializer="he_normal",
            name=name,
        )(x)

    def depthwise(self, x, kernel_size: int, stride: int = 1):
        name = self.name("depthwise_conv2d")
        return layers.DepthwiseConv2D(
            kernel_size,
            strides=stride,
            padding="same",
            depthwise_initializer="he_normal",
            name=name,
        )(x)

    def relu(self, x):
        return layers.ReLU(name=self.name("re_lu"))(x)

    def hard_swish(self, x):
        return layers.Activation("hard_silu", name=self.name("h_swish"))(x)

    def sigmoid(self, x):
        return layers.Activation("sigmoid", name=self.name("activation"))(x)

    def mean(self, x):
        name = self.name("average_pooling2d")
        return layers.GlobalAveragePooling2D(keepdims=True, name=name)(x)

    def times(self, x, weights):
        return layers.Multiply(name=self.name("multiply"))([x, weights])

    def add(self, x, y):
        return layers.Add(name=self.name("add"))([x, y])

    def weights_of(self, x, squeezed: int, filters: int):
        """How much of each channel to let through, from the means of all."""
        x = self.relu(self.convolution(self.mean(x), squeezed))
        return self.sigmoid(self.convolution(x, filters))

    def squeezed(self, x, filters: int):
        return self.times(x, self.weights_of(x, filters, x.shape[-1]))

    def bottleneck(
        self, x, kernel_size: int, expansion: int, filters: int, squeezed: int = 0, stride: int = 1
    ):
        """An inverted residual: with squeeze and excitation and hard swish, or with ReLU."""
        inputs = x
        activation = self.hard_swish if squeezed else self.relu
        x = activation(self.convolution(x, expansion))
        x = activation(self.depthwise(x, kernel_size, stride))
        if squeezed:
            x = self.squeezed(x, squeezed)
        x = self.convolution(x, filters)
        return x if stride > 1 else self.add(x, inputs)

    def step_up(self, x, skip, filters: int):
        x = Upsample2x(name=self.name("up_sampling2d"))(x)
        x = self.convolution(x, filters)
        weights = self.weights_of(self.add(skip, x), filters, filters)
        x = self.add(self.times(skip, weights), x)
        x = self.relu(self.convolution(x, filters))
        return self.add(x, self.relu(self.depthwise(x, 3)))
