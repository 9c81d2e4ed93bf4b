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
