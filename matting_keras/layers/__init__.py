"""The layers that the networks need and Keras does not have."""

from matting_keras.layers.asymmetric import AsymmetricConv2D
from matting_keras.layers.colour import Grayscale, ImageMaximum
from matting_keras.layers.heads import MinMaxStretch, TwoClassAlpha
from matting_keras.layers.normalization import IBNorm
from matting_keras.layers.resize import BilinearKernel, ResizeLike, Upsample2x

__all__ = [
    "AsymmetricConv2D",
    "BilinearKernel",
    "Grayscale",
    "IBNorm",
    "ImageMaximum",
    "MinMaxStretch",
    "ResizeLike",
    "TwoClassAlpha",
    "Upsample2x",
]
