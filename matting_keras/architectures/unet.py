"""U-Net as LikeUnet's notebooks had it before Night: the same plan at twice the width.

Source: toytag/humanMatting, MIT licence, info/FCN.ipynb.
"""

from __future__ import annotations

import keras

from matting_keras.architectures.like_unet import LikeUnetSpec, from_spec

SPEC = LikeUnetSpec(
    channels=3,
    stem=None,
    encoder=(32, 64, 128, 256, 512),
    # The last step has no transposed convolution, and a wider head after its doubling.
    decoder=((512, 256), (256, 128), (128, 64), (64, 32), (32, None)),
    norm="middle",
    head=16,
    published_raw=False,
)


def unet(
    *, asymmetric: bool = False, branch_norm: bool = False, original: bool = False
) -> keras.Model:
    """Build the U-Net that LikeUnet's author compared with.

    Args:
        asymmetric: learn its encoder and decoder convolutions as asymmetric blocks.
        branch_norm: give each branch of those blocks a BatchNormalization.
        original: two classes at the end, as published (7,069,490 parameters).

    Returns:
        A functional model from raw 0..255 values (batch, height, width, 3), sides multiples of 32,
        to alpha (batch, height, width, 1) in 0..1, float32 under any policy.
    """
    return from_spec(
        "unet", SPEC, asymmetric=asymmetric, branch_norm=branch_norm, original=original
    )
