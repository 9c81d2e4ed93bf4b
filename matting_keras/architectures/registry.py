"""Every network this package can build, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import keras

from matting_keras.architectures.like_unet import SPECS, like_unet
from matting_keras.errors import InputError


@dataclass(frozen=True)
class Architecture:
    """One network: how to build it and what its users must know.

    Attributes:
        build: makes the model; takes `asymmetric`, `branch_norm` and `original`.
        channels: of its input: 3 for RGB, 1 for gray.
        area: height times width, in pixels, at which a picture is shown to it by default.
        summary: one line for `matting-keras info`.
    """

    build: Callable[..., keras.Model]
    channels: int
    area: int
    summary: str


_SUMMARIES = {
    "night": "LikeUnet, RGB, 1.77 M parameters",
    "dark": "LikeUnet, gray, 1.77 M parameters",
    "night-lite": "LikeUnet, RGB, 0.22 M parameters",
    "dark-light": "LikeUnet, gray, 0.22 M parameters",
}

ARCHITECTURES: dict[str, Architecture] = {
    name: Architecture(partial(like_unet, name), spec.channels, 384 * 288, _SUMMARIES[name])
    for name, spec in SPECS.items()
}


def build(
    name: str,
    *,
    asymmetric: bool = False,
    branch_norm: bool = False,
    original: bool = False,
    weights: str | None = None,
) -> keras.Model:
    """Build a network by name.

    Args:
        name: a key of `ARCHITECTURES`, for example "dark-light".
        asymmetric: learn its 3×3 convolutions as asymmetric blocks, to be fused after training.
        branch_norm: give each branch of those blocks its own BatchNormalization.
        original: build the published form instead of ours, to hold its weights unchanged.
        weights: None for random weights, "default" for the shipped ones, or a .keras file.

    Returns:
        A model from raw 0..255 values (batch, height, width, channels), sides multiples of 32,
        to alpha (batch, height, width, 1) in 0..1.

    Raises:
        InputError: unknown name, or weights that do not fit.

    Example:
        >>> build("dark-light").count_params()
        221617
    """
    if name not in ARCHITECTURES:
        raise InputError(f"no network is called {name!r}; there are {', '.join(ARCHITECTURES)}.")
    model = ARCHITECTURES[name].build(
        asymmetric=asymmetric, branch_norm=branch_norm, original=original
    )
    if weights is not None:
        from matting_keras.weights.files import load, transfer

        transfer(load(name if weights == "default" else weights), model)
    return model
