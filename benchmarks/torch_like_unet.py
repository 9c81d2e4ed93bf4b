"""Dark-Light in PyTorch with asymmetric blocks in three forms: one function, trained in three ways.

The counterpart of `matting_keras.architectures.like_unet`, for comparison; modules are named as our
layers. Norms and upsampling are Keras': epsilon 1e-3, momentum 0.99 (PyTorch's 0.01), half-pixel
centres. It needs PyTorch and numpy alone.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

STEM, HEAD = 8, 8
ENCODER = (16, 32, 32, 32, 64)
DECODER = (64, 32, 32, 32, 16)
"""Filters of each step; a decoder step's transposed convolution has as many as its convolution."""


class ThreeBranches(nn.Module):
    """An asymmetric block as ACNet's authors train it, without norms: three convolutions, added."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.square = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.horizontal = nn.Conv2d(inputs, outputs, (1, 3), padding=(0, 1))
        self.vertical = nn.Conv2d(inputs, outputs, (3, 1), padding=(1, 0))

    def forward(self, x: Tensor) -> Tensor:
        return self.square(x) + self.horizontal(x) + self.vertical(x)


class WeightSpace(ThreeBranches):
    """An asymmetric block as ours: the kernels are added, and there is one convolution."""

    def forward(self, x: Tensor) -> Tensor:
        branches = self.square, self.horizontal, self.vertical
        horizontal = functional.pad(self.horizontal.weight, (0, 0, 1, 1))
        vertical = functional.pad(self.vertical.weight, (1, 1, 0, 0))
        kernel = self.square.weight + horizontal + vertical
        return functional.conv2d(x, kernel, sum(one.bias for one in branches), padding=1)


class Plain(nn.Conv2d):
    """The convolution that a block amounts to, with no branches to learn."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, outputs, 3, padding=1)


FORMS = {"three branches": ThreeBranches, "weight space": WeightSpace, "plain": Plain}


class LikeUnet(nn.Module):
    """Dark-Light.

    Args:
        form: of its ten blocks, a key of `FORMS`.

    Input: gray (batch, 1, height, width), 0..1; sides multiples of 32. Output: a tuple of one alpha
    (batch, 1, height, width) in 0..1, float32 also under autocast.
    """

    def __init__(self, form: str):
        super().__init__()
        block = FORMS[form]
        self.stem = nn.Conv2d(1, STEM, 3, padding=1)
        inputs = STEM
        for step, filters in enumerate(ENCODER, 1):
            self._add(f"conv{step}", block(inputs, filters), filters)
            inputs = filters
        for step, (filters, joined) in enumerate(zip(DECODER, (*ENCODER[-2::-1], 0), strict=True)):
            self._add(f"conv{6 + step}", block(inputs, filters), filters)
            transposed = nn.ConvTranspose2d(filters, filters, 3, padding=1)
            self._add(f"transposed{1 + step}", transposed, filters)
            inputs = filters + joined
        self.head = nn.Conv2d(inputs, HEAD, 3, padding=1)
        self.alpha = nn.Conv2d(HEAD, 1, 1)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        x = functional.relu(self.stem(x), inplace=True)
        skips = []
        for step in range(1, len(ENCODER) + 1):
            x = functional.max_pool2d(self._run(f"conv{step}", x), 2)
            skips.append(x)
        skips.pop()
        for step in range(1, len(DECODER) + 1):
            x = self._run(f"transposed{step}", self._run(f"conv{5 + step}", x))
            x = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            if skips:
                x = torch.cat([skips.pop(), x], 1)
        x = functional.relu(self.head(x), inplace=True)
        with torch.autocast("cpu", enabled=False):
            return (torch.sigmoid(self.alpha(x.float())),)

    def _add(self, name: str, convolution: nn.Module, filters: int) -> None:
        self.add_module(name, convolution)
        self.add_module(f"{name}_norm", nn.BatchNorm2d(filters, eps=1e-3, momentum=0.01))

    def _run(self, name: str, x: Tensor) -> Tensor:
        x = self.get_submodule(f"{name}_norm")(self.get_submodule(name)(x))
        return functional.relu(x, inplace=True)


def network_input(images: np.ndarray) -> Tensor:
    """Raw 0..255 values (batch, height, width, 1) as the network takes them."""
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2) / 255, "float32"))
