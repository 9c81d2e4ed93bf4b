"""The layers that the networks need and Keras does not have."""

from matting_keras.layers.asymmetric import AsymmetricConv2D
from matting_keras.layers.colour import Grayscale
from matting_keras.layers.heads import TwoClassAlpha
from matting_keras.layers.resize import Upsample2x

__all__ = ["AsymmetricConv2D", "Grayscale", "TwoClassAlpha", "Upsample2x"]
