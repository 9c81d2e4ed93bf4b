"""Convolutions as the networks of PyTorch origin use them: plain or asymmetric, then a norm."""

from __future__ import annotations

from dataclasses import dataclass

from keras import layers

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
        """A convolution at stride 1 that keeps height and width."""
        if self.asymmetric and kernel_size > 1:
            layer = AsymmetricConv2D(
                filters,
                kernel_size,
                branch_norm=self.branch_norm,
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
