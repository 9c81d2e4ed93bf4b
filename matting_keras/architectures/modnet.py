"""MODNet: a low-resolution branch knows where the person is, a high-resolution one sees the edge.

The backbone and the low-resolution branch (LR) find the person at 1/8 of the size, the
high-resolution branch (HR) works out detail at 1/2, and the fusion branch (F) joins both.
In training each branch has an output of its own; afterwards only the fused matte is left.

Source: Ke et al., "MODNet: Real-Time Trimap-Free Portrait Matting via Objective Decomposition",
AAAI 2022; ZHKKKe/MODNet, Apache-2.0, with its squeeze-and-excitation block. Layers carry the names
of that project's modules, so its checkpoints fit by name.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
from keras import layers

from matting_keras.architectures.blocks import Blocks
from matting_keras.architectures.mobilenet_v2 import BACKBONE, load_imagenet, mobilenet_v2
from matting_keras.errors import InputError
from matting_keras.layers import IBNorm, Upsample2x


def modnet(
    *,
    asymmetric: bool = False,
    branch_norm: bool = False,
    original: bool = False,
    training: bool = False,
    backbone: str | None = None,
) -> keras.Model:
    """Build MODNet on MobileNetV2.

    Args:
        asymmetric: learn the branches' square kernels at stride 1 as asymmetric blocks.
        branch_norm: give each branch of those blocks a BatchNormalization.
        original: the same network; there is no other published form.
        training: give the outputs that only training needs as well.
        backbone: "imagenet" for the weights of `keras.applications`, which are downloaded once;
            None for random ones.

    Returns:
        A functional model from raw 0..255 values (batch, height, width, 3), sides multiples of 32,
        to alpha (batch, height, width, 1) in 0..1, float32 under any policy. With `training` to a
        dictionary: "alpha", "semantic" (1/16 of the size) and "detail" (the image's size).

    Raises:
        InputError: unknown backbone, or its weights cannot be downloaded.
    """
    if backbone not in (None, "imagenet"):
        raise InputError(f"backbone must be 'imagenet' or None, got {backbone!r}.")
    parts = _Parts(Blocks(asymmetric, branch_norm))
    raw = keras.Input((None, None, 3), name="image")
    image = layers.Rescaling(1 / 127.5, -1.0, dtype="float32", name="scale")(raw)
    features = mobilenet_v2(image, BACKBONE)
    low = _low_resolution(features[18], parts)
    high = _high_resolution(image, features[1], features[3], low, parts)
    alpha = _fusion(image, low, high, parts)
    model = keras.Model(raw, alpha, name="modnet")
    if training:
        outputs = {
            "alpha": alpha,
            "semantic": parts.semantic(low),
            "detail": parts.detail(high, image),
        }
        model = keras.Model(raw, outputs, name="modnet")
    if backbone:
        load_imagenet(model, BACKBONE)
    return model


@dataclass(frozen=True)
class _Parts:
    """What the branches are made of."""

    blocks: Blocks

    def cir(self, x, filters: int, kernel_size: int, name: str, stride: int = 1):
        """Convolution, IBNorm, ReLU."""
        if stride > 1:
            x = layers.ZeroPadding2D(1, name=f"{name}.layers.0.pad")(x)
            x = layers.Conv2D(
                filters,
                kernel_size,
                strides=stride,
                kernel_initializer="he_uniform",
                name=f"{name}.layers.0",
            )(x)
        else:
            x = self.blocks.convolution(
                x, filters, f"{name}.layers.0", kernel_size, kernel_initializer="he_uniform"
            )
        x = IBNorm(name=f"{name}.layers.1")(x)
        return layers.ReLU(name=f"{name}.layers.2")(x)

    def chain(self, x, filters: tuple[int, ...], name: str):
        for number, count in enumerate(filters):
            x = self.cir(x, count, 3, f"{name}.{number}")
        return x

    @staticmethod
    def semantic(low):
        x = layers.ZeroPadding2D(1, name="lr_branch.conv_lr.layers.0.pad")(low)
        x = layers.Conv2D(
            1, 3, strides=2, kernel_initializer="he_uniform", name="lr_branch.conv_lr.layers.0"
        )(x)
        return layers.Activation("sigmoid", dtype="float32", name="semantic")(x)

    def detail(self, high, image):
        x = Upsample2x(name="hr_branch.up2")(high)
        x = layers.Concatenate(name="hr_branch.join_image")([x, image])
        x = self.cir(x, 32, 3, "hr_branch.conv_hr.0")
        return self.last(x, "hr_branch.conv_hr.1.layers.0")

    @staticmethod
    def last(x, name: str):
        # In float32: half precision cannot tell 0.9995 from 1.
        return layers.Conv2D(
            1, 1, activation="sigmoid", kernel_initializer="he_uniform", dtype="float32", name=name
        )(x)


def _low_resolution(x, parts: _Parts):
    """Squeeze and excitation, then up to 1/8 of the size."""
    weights = layers.GlobalAveragePooling2D(keepdims=True, name="lr_branch.se_block.pool")(x)
    # 1×1 convolutions, not Dense layers: some mobile runtimes lay those out wrongly.
    for number, (filters, activation) in enumerate(((320, "relu"), (1280, "sigmoid"))):
        weights = layers.Conv2D(
            filters,
            1,
            use_bias=False,
            activation=activation,
            kernel_initializer="he_uniform",
            name=f"lr_branch.se_block.fc.{2 * number}",
        )(weights)
    x = layers.Multiply(name="lr_branch.se_block.scale")([x, weights])
    x = Upsample2x(name="lr_branch.up16x")(x)
    x = parts.cir(x, 96, 5, "lr_branch.conv_lr16x")
    x = Upsample2x(name="lr_branch.up8x")(x)
    return parts.cir(x, 32, 5, "lr_branch.conv_lr8x")


def _high_resolution(image, enc2x, enc4x, low, parts: _Parts):
    """Detail at 1/2 of the size, guided by the low-resolution branch."""
    # Halving and quartering bilinearly without antialiasing is the mean of the middle 2×2 pixels.
    half = layers.AveragePooling2D(2, dtype="float32", name="hr_branch.image2x")(image)
    middle = layers.Cropping2D(1, dtype="float32", name="hr_branch.image4x.crop")(image)
    quarter = layers.AveragePooling2D(2, strides=4, dtype="float32", name="hr_branch.image4x")(
        middle
    )
    enc2x = parts.cir(enc2x, 32, 1, "hr_branch.tohr_enc2x")
    x = layers.Concatenate(name="hr_branch.join2x")([half, enc2x])
    x = parts.cir(x, 32, 3, "hr_branch.conv_enc2x", stride=2)
    enc4x = parts.cir(enc4x, 32, 1, "hr_branch.tohr_enc4x")
    x = layers.Concatenate(name="hr_branch.join4x")([x, enc4x])
    x = parts.cir(x, 64, 3, "hr_branch.conv_enc4x")
    low = Upsample2x(name="hr_branch.up_lr")(low)
    x = layers.Concatenate(name="hr_branch.join_lr")([x, low, quarter])
    x = parts.chain(x, (64, 64, 32), "hr_branch.conv_hr4x")
    x = Upsample2x(name="hr_branch.up4x")(x)
    x = layers.Concatenate(name="hr_branch.join_enc2x")([x, enc2x])
    return parts.chain(x, (64, 32, 32, 32), "hr_branch.conv_hr2x")


def _fusion(image, low, high, parts: _Parts):
    """Both branches at the image's size, one channel."""
    x = Upsample2x(name="f_branch.up_lr")(low)
    x = parts.cir(x, 32, 5, "f_branch.conv_lr4x")
    x = Upsample2x(name="f_branch.up4x")(x)
    x = layers.Concatenate(name="f_branch.join2x")([x, high])
    x = parts.cir(x, 32, 3, "f_branch.conv_f2x")
    x = Upsample2x(name="f_branch.up2x")(x)
    x = layers.Concatenate(name="f_branch.join_image")([x, image])
    x = parts.cir(x, 16, 3, "f_branch.conv_f.0")
    return parts.last(x, "f_branch.conv_f.1.layers.0")
