"""Convolutions as the networks of PyTorch origin use them: plain or asymmetric, then a norm."""

from __future__ import annotations

from dataclasses import dataclass

import keras
from keras import layers

from matting_keras.errors import InputError
from matting_keras.layers import AsymmetricConv2D

TORCH_NORM = {"momentum": 0.9, "epsilon": 1e-5}
"""PyTorch's BatchNorm defaults in Keras terms; Keras' own are 0.99 and 1e-3."""


@dataclass(frozen=True)
class Blocks:
    """Whether convolutions learn as asymmetric blocks.

    Attributes:
        asymmetric: learn square kernels as asymmetric blocks.
        branch_norm: give each branch of those a BatchNormalization.
    """

    asymmetric: bool = False
    branch_norm: bool = False

    def convolution(
        self, x, filters: int, name: str, kernel_size: int = 3, dilation_rate: int = 1, **options
    ):
        """A convolution at stride 1 that keeps height and width.

        Args:
            x: (batch, height, width, channels).
            filters: channels of the result.
            name: of the layer.
            kernel_size: of the square kernel; one of side 1 has no branches.
            dilation_rate: spacing of its taps.
            **options: of `Conv2D`; an asymmetric block has its own initializer and takes none.
        """
        if self.asymmetric and kernel_size > 1:
            layer = AsymmetricConv2D(
                filters,
                kernel_size,
                branch_norm=self.branch_norm,
                **TORCH_NORM,
                dilation_rate=dilation_rate,
                name=name,
            )
        else:
            layer = layers.Conv2D(
                filters,
                kernel_size,
                padding="same",
                dilation_rate=dilation_rate,
                name=name,
                **options,
            )
        return layer(x)

    def fine_head(self, x, image):
        """Alpha at the full size, from eight channels beside eight of the picture itself.

        Args:
            x: (batch, height, width, 8), enlarged to the picture's size.
            image: the picture, scaled, (batch, height, width, 3).

        Returns:
            Alpha (batch, height, width, 1) in 0..1, float32 under any policy.
        """
        stem = layers.Conv2D(8, 3, padding="same", activation="relu", name="stem")(image)
        x = layers.Concatenate(name="join_stem")([x, stem])
        x = self.convolution(x, 8, "head")
        x = layers.ReLU(name="head_relu")(x)
        # In float32: half precision cannot tell 0.9995 from 1.
        return layers.Conv2D(1, 1, activation="sigmoid", dtype="float32", name="alpha")(x)

    @staticmethod
    def normed(x, norm: str, relu: str):
        """BatchNormalization and ReLU under the names given."""
        x = layers.BatchNormalization(**TORCH_NORM, name=norm)(x)
        return layers.ReLU(name=relu)(x)


def imagenet(backbone: str) -> keras.Model:
    """A network of `keras.applications` with its ImageNet weights, downloaded once.

    Args:
        backbone: its name there, for example "VGG16".

    Raises:
        InputError: the weights cannot be downloaded.
    """
    try:
        return getattr(keras.applications, backbone)(
            input_shape=(224, 224, 3), include_top=False, weights="imagenet"
        )
    except Exception as error:  # keras.utils.get_file raises a bare Exception
        raise InputError(
            f"the ImageNet weights of {backbone} cannot be downloaded ({error}). Connect to the "
            "internet once, put the file into ~/.keras/models, or build without backbone."
        ) from error
