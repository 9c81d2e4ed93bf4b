"""Dawn: what MediaPipe's selfie network knows of people, with an edge as fine as the picture.

The selfie network decides at half the size, and its last layer makes four pixels of each decision.
Dawn puts a head at the full size there, as dusk has it: eight of its channels, doubled, beside
eight of the picture itself.

Source: see `selfie` and `dusk`.
"""

from __future__ import annotations

import keras
from keras import layers

from matting_keras.architectures.blocks import Blocks
from matting_keras.architectures.selfie import selfie_features
from matting_keras.layers import Upsample2x


def dawn(
    *, asymmetric: bool = False, branch_norm: bool = False, original: bool = False
) -> keras.Model:
    """Build Dawn.

    Args:
        asymmetric: learn the head's square kernel as an asymmetric block.
        branch_norm: give each branch of that block a BatchNormalization.
        original: the same network; there is no published form.

    Returns:
        A functional model from raw 0..255 values (batch, height, width, 3), sides multiples of 32,
        to alpha (batch, height, width, 1) in 0..1, float32 under any policy.
    """
    blocks = Blocks(asymmetric, branch_norm)
    raw = keras.Input((None, None, 3), name="image")
    image = layers.Rescaling(1 / 255, dtype="float32", name="scale")(raw)
    x = selfie_features(image)
    x = layers.Conv2D(8, 1, name="narrow")(x)
    x = Upsample2x(name="up")(x)
    return keras.Model(raw, blocks.fine_head(x, image), name="dawn")
