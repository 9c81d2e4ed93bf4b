"""U²-NetP in PyTorch.

The network of Qin et al., "U²-Net: Going Deeper with Nested U-Structure for Salient Object
Detection", Pattern Recognition 2020, written from the paper for comparison with ours. Modules are
named as in xuebinqin/U-2-Net, so that a state dict fits both.

It needs PyTorch and numpy alone.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of RGB in 0..1 over ImageNet: what the network takes is normed with them."""

MIDDLE, OUTPUTS = 16, 64
"""Channels inside every stage, and of its result."""

ENCODER = {"stage1": 7, "stage2": 6, "stage3": 5, "stage4": 4, "stage5": 4, "stage6": 4}
DECODER = {"stage5d": 4, "stage4d": 4, "stage3d": 5, "stage2d": 6, "stage1d": 7}
"""The depth of each stage by its name, in the order they are run."""

DILATED = ("stage5", "stage6", "stage5d")
"""Stages with growing dilation in place of pools."""


class Convolution(nn.Module):
    """3×3 convolution, norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, dilation: int = 1):
        super().__init__()
        self.conv_s1 = nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation)
        self.bn_s1 = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.bn_s1(self.conv_s1(x)), inplace=True)


class Stage(nn.Module):
    """A residual U-block: an encoder and a decoder whose output is added to its input."""

    def __init__(self, inputs: int, depth: int, dilated: bool):
        super().__init__()
        self.depth, self.dilated = depth, dilated
        self.rebnconvin = Convolution(inputs, OUTPUTS)
        for step in range(1, depth):
            dilation = 2 ** (step - 1) if dilated else 1
            outside = OUTPUTS if step == 1 else MIDDLE
            self.add_module(f"rebnconv{step}", Convolution(outside, MIDDLE, dilation))
            self.add_module(f"rebnconv{step}d", Convolution(2 * MIDDLE, outside, dilation))
        bottom = Convolution(MIDDLE, MIDDLE, 2 ** (depth - 1) if dilated else 2)
        self.add_module(f"rebnconv{depth}", bottom)

    def forward(self, x: Tensor) -> Tensor:
        residual = x = self.rebnconvin(x)
        skips = []
        for step in range(1, self.depth):
            if step > 1 and not self.dilated:
                x = halved(x)
            x = self.get_submodule(f"rebnconv{step}")(x)
            skips.append(x)
        x = self.get_submodule(f"rebnconv{self.depth}")(x)
        for step in range(self.depth - 1, 0, -1):
            joined = torch.cat([resized(x, skips[step - 1]), skips[step - 1]], 1)
            x = self.get_submodule(f"rebnconv{step}d")(joined)
        return x + residual


class U2NetP(nn.Module):
    """The small U²-Net.

    Input: RGB (batch, 3, height, width), 0..1, normed with `MEAN` and `DEVIATION`; any height and
    width. Output: seven alphas (batch, 1, height, width) in 0..1, float32 also under autocast: the
    fused one and those of the six scales.
    """

    def __init__(self):
        super().__init__()
        for name, depth in ENCODER.items():
            inputs = 3 if name == "stage1" else OUTPUTS
            self.add_module(name, Stage(inputs, depth, name in DILATED))
        for name, depth in DECODER.items():
            self.add_module(name, Stage(2 * OUTPUTS, depth, name in DILATED))
        for number in range(1, len(ENCODER) + 1):
            self.add_module(f"side{number}", nn.Conv2d(OUTPUTS, 1, 3, padding=1))
        self.outconv = nn.Conv2d(len(ENCODER), 1, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        skips = []
        for name in ENCODER:
            x = self.get_submodule(name)(halved(x) if skips else x)
            skips.append(x)
        maps = [x]
        for name, skip in zip(DECODER, skips[-2::-1], strict=True):
            x = self.get_submodule(name)(torch.cat([resized(x, skip), skip], 1))
            maps.insert(0, x)
        sides: list[Tensor] = []
        for number, x in enumerate(maps, 1):
            side = self.get_submodule(f"side{number}")(x)
            sides.append(resized(side, sides[0]) if sides else side)
        logits = [self.outconv(torch.cat(sides, 1)), *sides]
        return tuple(torch.sigmoid(one.float()) for one in logits)


def halved(x: Tensor) -> Tensor:
    """Pooled by two; odd sizes are rounded up."""
    return functional.max_pool2d(x, 2, stride=2, ceil_mode=True)


def resized(x: Tensor, like: Tensor) -> Tensor:
    """Bilinearly of another map's height and width; as it is where it has them."""
    size = like.shape[2:]
    if x.shape[2:] == size:
        return x
    return functional.interpolate(x, size=size, mode="bilinear", align_corners=False)


def network_input(images: np.ndarray) -> Tensor:
    """Raw 0..255 values (batch, height, width, 3) as the network takes them."""
    normed = (images / 255 - np.array(MEAN)) / np.array(DEVIATION)
    return torch.from_numpy(np.ascontiguousarray(normed.transpose(0, 3, 1, 2), "float32"))
