"""LikeUnet: a U-Net whose skips start after the pools, so nothing wide runs at full resolution.

Five encoder steps (convolution, max-pool) and five decoder steps (convolution, transposed
convolution at stride 1, bilinear doubling); skips join at 1/16 to 1/2 of the input size.

Source: toytag/humanMatting, MIT licence: networks Night, Dark and Dark-Light.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
from keras import layers

from matting_keras.errors import InputError
from matting_keras.layers import AsymmetricConv2D, TwoClassAlpha, Upsample2x


@dataclass(frozen=True)
class LikeUnetSpec:
    """What tells the members of the family apart.

    Attributes:
        channels: of the input: 3 for RGB, 1 for gray.
        stem: filters of a plain convolution before the encoder, or None for no such stem.
        encoder: filters of the five encoder convolutions.
        decoder: filters of the five decoder steps: convolution, transposed convolution; None for
            a step without the latter.
        norm: "all" puts BatchNormalization after every encoder and decoder convolution,
            "middle" only one between encoder and decoder.
        head: filters of the last convolution before the alpha.
        published_raw: whether the published weights expect raw values rather than values / 255.
    """

    channels: int
    stem: int | None
    encoder: tuple[int, ...]
    decoder: tuple[tuple[int, int | None], ...]
    norm: str
    head: int = 8
    published_raw: bool = True


_LARGE = {
    "stem": None,
    "encoder": (16, 32, 64, 128, 256),
    "decoder": ((256, 128), (128, 64), (64, 32), (32, 16), (16, 8)),
    "norm": "middle",
}
_SMALL = {
    "stem": 8,
    "encoder": (16, 32, 32, 32, 64),
    "decoder": ((64, 64), (32, 32), (32, 32), (32, 32), (16, 16)),
    "norm": "all",
}
SPECS = {
    "night": LikeUnetSpec(channels=3, **_LARGE),
    "dark": LikeUnetSpec(channels=1, **_LARGE),
    "night-lite": LikeUnetSpec(channels=3, **_SMALL),
    "dark-light": LikeUnetSpec(channels=1, **_SMALL),
}


def like_unet(
    name: str,
    *,
    asymmetric: bool = False,
    branch_norm: bool = False,
    original: bool = False,
) -> keras.Model:
    """Build a member of the family.

    Args:
        name: "night", "dark", "night-lite" or "dark-light".
        asymmetric: learn the ten encoder and decoder convolutions as asymmetric blocks.
        branch_norm: give each branch of those blocks a BatchNormalization (ACNet's own form).
        original: build the published form, for its weights: values go unscaled into the first
            convolution, and the head has two classes, read as alpha. Ours scales by 1/255
            inside the network, which keeps half precision accurate, and ends in one sigmoid
            channel: the same function of the two logits with nine parameters fewer.

    Returns:
        A functional model from raw 0..255 values (batch, height, width, channels), sides
        multiples of 32, to alpha (batch, height, width, 1) in 0..1, float32 under any policy.

    Raises:
        InputError: unknown name.
    """
    if name not in SPECS:
        raise InputError(f"no LikeUnet is called {name!r}; there are {', '.join(SPECS)}.")
    return from_spec(
        name, SPECS[name], asymmetric=asymmetric, branch_norm=branch_norm, original=original
    )


def from_spec(
    name: str, spec: LikeUnetSpec, *, asymmetric: bool, branch_norm: bool, original: bool
) -> keras.Model:
    """Build the network that a specification describes; arguments as for `like_unet`."""
    blocks = _Blocks(spec.norm == "all", asymmetric, branch_norm)
    image = x = keras.Input((None, None, spec.channels), name="image")
    if not (original and spec.published_raw):
        x = layers.Rescaling(1 / 255, dtype="float32", name="scale")(x)
    if spec.stem:
        x = layers.Conv2D(spec.stem, 3, padding="same", activation="relu", name="stem")(x)
    x, skips = _encode(x, spec, blocks)
    x = _decode(x, skips, spec, blocks)
    x = layers.Conv2D(spec.head, 3, padding="same", activation="relu", name="head")(x)
    # The last layer stays in float32: half precision cannot tell 0.9995 from 1.
    if original:
        logits = layers.Conv2D(2, 1, dtype="float32", name="logits")(x)
        alpha = TwoClassAlpha(dtype="float32", name="alpha")(logits)
    else:
        alpha = layers.Conv2D(1, 1, activation="sigmoid", dtype="float32", name="alpha")(x)
    return keras.Model(image, alpha, name=name)


@dataclass(frozen=True)
class _Blocks:
    """The family's two kinds of convolution, each followed by a norm or only by its ReLU."""

    normed: bool
    asymmetric: bool
    branch_norm: bool

    def convolution(self, x, filters: int, name: str):
        activation = None if self.normed else "relu"
        if self.asymmetric:
            layer = AsymmetricConv2D(
                filters, branch_norm=self.branch_norm, activation=activation, name=name
            )
        else:
            layer = layers.Conv2D(filters, 3, padding="same", activation=activation, name=name)
        return self._followed(layer(x), name)

    def transposed(self, x, filters: int, name: str):
        activation = None if self.normed else "relu"
        layer = layers.Conv2DTranspose(filters, 3, padding="same", activation=activation, name=name)
        return self._followed(layer(x), name)

    def _followed(self, x, name: str):
        if not self.normed:
            return x
        x = layers.BatchNormalization(name=f"{name}_norm")(x)
        return layers.ReLU(name=f"{name}_relu")(x)


def _encode(x, spec: LikeUnetSpec, blocks: _Blocks):
    """Five convolutions, each with a pool; the pools' outputs but the last are the skips."""
    skips = []
    for step, filters in enumerate(spec.encoder, 1):
        x = blocks.convolution(x, filters, f"conv{step}")
        x = layers.MaxPooling2D(2, name=f"pool{step}")(x)
        skips.append(x)
    if spec.norm == "middle":
        x = layers.BatchNormalization(name="middle_norm")(x)
    return x, skips[:-1]


def _decode(x, skips: list, spec: LikeUnetSpec, blocks: _Blocks):
    """Five doublings; the skips join from the deepest to the shallowest."""
    for step, (filters, narrower) in enumerate(spec.decoder, 1):
        x = blocks.convolution(x, filters, f"conv{5 + step}")
        if narrower:
            x = blocks.transposed(x, narrower, f"transposed{step}")
        x = Upsample2x(name=f"up{step}")(x)
        if step <= len(skips):
            x = layers.Concatenate(name=f"join{step}")([skips[-step], x])
    return x
