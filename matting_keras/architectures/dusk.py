"""Dusk: what MODNet's backbone knows of people, and a narrow decoder in place of its branches.

Four fifths of MODNet's weights and nine tenths of its operations come after the backbone's last
narrow feature. Dusk ends the backbone there and goes back up as LikeUnet does: five steps of a
convolution and a doubling, skips from 1/16 to 1/2 of the input's size, and at the full size eight
channels beside eight of the picture itself.

Source: the backbone is MobileNetV2 (Sandler et al., CVPR 2018) with the names and the padding of
MODNet (Ke et al., AAAI 2022), so it takes that network's weights; that a portrait network wants a
backbone which has seen much else is PortraitNet's finding (Zhang et al., Computers & Graphics
2019).
"""

from __future__ import annotations

import keras
from keras import layers

from matting_keras.architectures.blocks import Blocks
from matting_keras.architectures.mobilenet_v2 import BACKBONE, mobilenet_v2
from matting_keras.layers import Upsample2x

LAST = 16
"""The backbone's last feature: 160 channels at 1/32. The next would be a third more weights."""

STEPS = ((96, 13), (80, 6), (48, 3), (32, 1))
"""Channels of each step before its doubling, and the feature that joins after it."""


def dusk(
    *, asymmetric: bool = False, branch_norm: bool = False, original: bool = False
) -> keras.Model:
    """Build Dusk.

    Args:
        asymmetric: learn the decoder's square kernels as asymmetric blocks.
        branch_norm: give each branch of those blocks a BatchNormalization.
        original: the same network; there is no published form.

    Returns:
        A functional model from raw 0..255 values (batch, height, width, 3), sides multiples of 32,
        to alpha (batch, height, width, 1) in 0..1, float32 under any policy.
    """
    blocks = Blocks(asymmetric, branch_norm)
    raw = keras.Input((None, None, 3), name="image")
    image = layers.Rescaling(1 / 127.5, -1.0, dtype="float32", name="scale")(raw)
    features = mobilenet_v2(image, BACKBONE, LAST)
    x = features[LAST]
    for step, (filters, skip) in enumerate(STEPS, 1):
        x = _convolution(x, filters, f"conv{step}", blocks)
        x = Upsample2x(name=f"up{step}")(x)
        x = layers.Concatenate(name=f"join{step}")([x, features[skip]])
    # At the full size channels come in eights: where they were twelve, beside the picture's three,
    # TensorFlow's kernels for processors took as long for this as for all the rest of a step.
    x = _convolution(x, 32, "conv5", blocks)
    x = _convolution(x, 8, "conv6", blocks)
    x = Upsample2x(name="up5")(x)
    return keras.Model(raw, blocks.fine_head(x, image), name="dusk")


def _convolution(x, filters: int, name: str, blocks: Blocks):
    x = blocks.convolution(x, filters, name)
    return blocks.normed(x, f"{name}_norm", f"{name}_relu")
