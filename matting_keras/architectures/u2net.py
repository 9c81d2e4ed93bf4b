"""U²-Net: a U-Net of small U-Nets, with an alpha from every scale, fused into one.

Each of its eleven stages is a residual U-block (RSU): an encoder and a decoder of its own, whose
output is added to its input. Pools round odd sizes up and the decoder comes back to the encoder's
own sizes, so pictures of any height and width go through without padding.

Source: Qin et al., "U²-Net: Going Deeper with Nested U-Structure for Salient Object Detection",
Pattern Recognition 2020; xuebinqin/U-2-Net, Apache-2.0. Layers carry the names of that project's
modules, so its checkpoints fit by name.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
from keras import layers

from matting_keras.architectures.blocks import Blocks
from matting_keras.errors import InputError
from matting_keras.layers import ImageMaximum, MinMaxStretch, ResizeLike


@dataclass(frozen=True)
class Stage:
    """One RSU block.

    Attributes:
        name: of the module in the original.
        depth: L in RSU-L: the number of its encoder convolutions.
        middle: channels inside.
        outputs: channels of its result.
        dilated: RSU-4F: growing dilation in place of pools, for the smallest maps.
    """

    name: str
    depth: int
    middle: int
    outputs: int
    dilated: bool = False


ENCODER = {
    "u2net": (
        Stage("stage1", 7, 32, 64),
        Stage("stage2", 6, 32, 128),
        Stage("stage3", 5, 64, 256),
        Stage("stage4", 4, 128, 512),
        Stage("stage5", 4, 256, 512, dilated=True),
        Stage("stage6", 4, 256, 512, dilated=True),
    ),
    "u2netp": (
        Stage("stage1", 7, 16, 64),
        Stage("stage2", 6, 16, 64),
        Stage("stage3", 5, 16, 64),
        Stage("stage4", 4, 16, 64),
        Stage("stage5", 4, 16, 64, dilated=True),
        Stage("stage6", 4, 16, 64, dilated=True),
    ),
}
DECODER = {
    "u2net": (
        Stage("stage5d", 4, 256, 512, dilated=True),
        Stage("stage4d", 4, 128, 256),
        Stage("stage3d", 5, 64, 128),
        Stage("stage2d", 6, 32, 64),
        Stage("stage1d", 7, 16, 64),
    ),
    "u2netp": (
        Stage("stage5d", 4, 16, 64, dilated=True),
        Stage("stage4d", 4, 16, 64),
        Stage("stage3d", 5, 16, 64),
        Stage("stage2d", 6, 16, 64),
        Stage("stage1d", 7, 16, 64),
    ),
}

INPUT_NORMS = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
"""Mean and deviation of RGB in 0..1: as U²-Net was trained, and as u-2-net-portrait was."""


def u2net(
    name: str,
    *,
    asymmetric: bool = False,
    branch_norm: bool = False,
    original: bool = False,
    training: bool = False,
    input_norm: str = "imagenet",
) -> keras.Model:
    """Build U²-Net or its small form.

    Args:
        name: "u2net" or "u2netp".
        asymmetric: learn every 3×3 convolution of the stages as an asymmetric block.
        branch_norm: give each branch of those blocks a BatchNormalization.
        original: divide each image by its own maximum instead of by 255, and stretch the alpha to
            fill 0..1, as the first release does around the network. For parity only: the first
            makes the result depend on a single bright pixel, the second turns a scene without
            people into a false person. The training form has no stretch, as there.
        training: give the alphas of all scales, each of which is compared with the truth.
        input_norm: "imagenet" for weights of xuebinqin/U-2-Net, "half" (mean and deviation 0.5)
            for those of dennisbappert/u-2-net-portrait.

    Returns:
        A functional model from raw 0..255 values (batch, height, width, 3), any height and width,
        to alpha (batch, height, width, 1) in 0..1, float32 under any policy. With `training` to a
        dictionary: "alpha" (the original's d0) and "side1" to "side6" (d1 to d6), all of the
        image's size.

    Raises:
        InputError: unknown name or input_norm.
    """
    if name not in ENCODER:
        raise InputError(f"no U²-Net is called {name!r}; there are {', '.join(ENCODER)}.")
    if input_norm not in INPUT_NORMS:
        raise InputError(f"input_norm must be one of {', '.join(INPUT_NORMS)}, got {input_norm!r}.")
    blocks = Blocks(asymmetric, branch_norm)
    image = x = keras.Input((None, None, 3), name="image")
    if original:
        x = ImageMaximum(dtype="float32", name="image_maximum")(x)
    mean, deviation = INPUT_NORMS[input_norm]
    unit = 1 if original else 255
    x = layers.Rescaling(
        [1 / (unit * d) for d in deviation],
        [-m / d for m, d in zip(mean, deviation, strict=True)],
        dtype="float32",
        name="scale",
    )(x)
    sides = _sides(_stages(x, name, blocks))
    logits = layers.Concatenate(name="sides")(sides)
    alpha = layers.Conv2D(1, 1, activation="sigmoid", dtype="float32", name="outconv")(logits)
    if not training:
        if original:
            alpha = MinMaxStretch(dtype="float32", name="stretch")(alpha)
        return keras.Model(image, alpha, name=name)
    outputs = {"alpha": alpha}
    for number, side in enumerate(sides, 1):
        outputs[f"side{number}"] = layers.Activation(
            "sigmoid", dtype="float32", name=f"side{number}.sigmoid"
        )(side)
    return keras.Model(image, outputs, name=name)


def _stages(x, name: str, blocks: Blocks) -> list:
    """The maps that give an alpha each, from the image's size to 1/32 of it."""
    skips = []
    for stage in ENCODER[name]:
        if skips:
            x = layers.MaxPooling2D(2, padding="same", name=f"{stage.name}.pool")(x)
        x = _rsu(x, stage, blocks)
        skips.append(x)
    maps = [x]
    for stage, skip in zip(DECODER[name], skips[-2::-1], strict=True):
        x = ResizeLike(name=f"{stage.name}.up")([x, skip])
        x = layers.Concatenate(name=f"{stage.name}.join")([x, skip])
        x = _rsu(x, stage, blocks)
        maps.insert(0, x)
    return maps


def _rsu(x, stage: Stage, blocks: Blocks):
    """A residual U-block; "same" pools round odd sizes up."""

    def convolution(x, filters: int, module: str, dilation: int):
        x = blocks.convolution(x, filters, f"{stage.name}.{module}.conv_s1", dilation_rate=dilation)
        return blocks.normed(x, f"{stage.name}.{module}.bn_s1", f"{stage.name}.{module}.relu_s1")

    residual = x = convolution(x, stage.outputs, "rebnconvin", 1)
    skips = []
    for step in range(1, stage.depth):
        if step > 1 and not stage.dilated:
            x = layers.MaxPooling2D(2, padding="same", name=f"{stage.name}.pool{step - 1}")(x)
        dilation = 2 ** (step - 1) if stage.dilated else 1
        x = convolution(x, stage.middle, f"rebnconv{step}", dilation)
        skips.append(x)
    bottom = 2 ** (stage.depth - 1) if stage.dilated else 2
    x = convolution(x, stage.middle, f"rebnconv{stage.depth}", bottom)
    for step in range(stage.depth - 1, 0, -1):
        skip = skips[step - 1]
        if not stage.dilated and step < stage.depth - 1:
            x = ResizeLike(name=f"{stage.name}.up{step}")([x, skip])
        x = layers.Concatenate(name=f"{stage.name}.join{step}")([x, skip])
        dilation = 2 ** (step - 1) if stage.dilated else 1
        filters = stage.middle if step > 1 else stage.outputs
        x = convolution(x, filters, f"rebnconv{step}d", dilation)
    return layers.Add(name=f"{stage.name}.add")([x, residual])


def _sides(maps: list) -> list:
    """One channel of logits from each map, all of the first one's size."""
    sides = []
    for number, x in enumerate(maps, 1):
        x = layers.Conv2D(1, 3, padding="same", name=f"side{number}")(x)
        if sides:
            x = ResizeLike(name=f"side{number}.up")([x, sides[0]])
        sides.append(x)
    return sides
