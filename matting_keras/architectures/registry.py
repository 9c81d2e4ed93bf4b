"""Every network this package can build, by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import keras

from matting_keras.architectures.dawn import dawn
from matting_keras.architectures.dusk import dusk
from matting_keras.architectures.fcn import fcn8s
from matting_keras.architectures.like_unet import SPECS, like_unet
from matting_keras.architectures.modnet import modnet
from matting_keras.architectures.selfie import selfie
from matting_keras.architectures.u2net import u2net
from matting_keras.architectures.unet import unet
from matting_keras.errors import InputError


@dataclass(frozen=True)
class Architecture:
    """One network: how to build it and what its users must know.

    Attributes:
        build: makes the model; takes `asymmetric`, `branch_norm`, `original` and what is its own.
        channels: of its input: 3 for RGB, 1 for gray.
        area: height times width, in pixels, at which a picture is shown to it by default.
        summary: one line for `matting-keras info`.
        multiple: what the sides of its input are multiples of; 1 for any size.
        counts: parameters, and multiply-accumulates at 256×256 and at 512×512, of the plain form,
            so that `matting-keras info` need not build it; None is counted when asked.
    """

    build: Callable[..., keras.Model]
    channels: int
    area: int
    summary: str
    multiple: int = 32
    counts: tuple[int, int, int] | None = None


_LIKE_UNETS = {
    "night": ("LikeUnet, RGB", (1_769_305, 802_684_928, 3_210_739_712)),
    "dark": ("LikeUnet, gray", (1_769_017, 783_810_560, 3_135_242_240)),
    "night-lite": ("small LikeUnet, RGB", (221_761, 599_785_472, 2_399_141_888)),
    "dark-light": ("small LikeUnet, gray", (221_617, 590_348_288, 2_361_393_152)),
}
ARCHITECTURES: dict[str, Architecture] = {
    name: Architecture(
        partial(like_unet, name), SPECS[name].channels, 320 * 256, summary, counts=counts
    )
    for name, (summary, counts) in _LIKE_UNETS.items()
}
ARCHITECTURES["dusk"] = Architecture(
    dusk,
    channels=3,
    area=320 * 256,
    summary="MODNet's backbone, a narrow decoder",
    counts=(1_729_465, 868_052_992, 3_472_211_968),
)
ARCHITECTURES["dawn"] = Architecture(
    dawn,
    channels=3,
    area=384 * 256,
    summary="MediaPipe's selfie network, a fine edge",
    counts=(107_865, 150_441_856, 601_657_216),
)
ARCHITECTURES["selfie"] = Architecture(
    selfie,
    channels=3,
    area=256 * 256,
    summary="MediaPipe's selfie network",
    counts=(106_401, 59_215_744, 236_752_768),
)
ARCHITECTURES["u2net"] = Architecture(
    partial(u2net, "u2net"),
    channels=3,
    area=320 * 320,
    summary="U²-Net",
    multiple=1,
    counts=(44_038_669, 37_502_877_696, 150_011_510_784),
)
ARCHITECTURES["u2netp"] = Architecture(
    partial(u2net, "u2netp"),
    channels=3,
    area=320 * 320,
    summary="small U²-Net",
    multiple=1,
    counts=(1_136_877, 12_643_897_344, 50_575_589_376),
)
ARCHITECTURES["modnet"] = Architecture(
    modnet,
    channels=3,
    area=512 * 512,
    summary="MODNet on MobileNetV2",
    counts=(6_511_409, 3_867_107_328, 15_465_971_712),
)
ARCHITECTURES["unet"] = Architecture(
    unet,
    channels=3,
    area=256 * 256,
    summary="U-Net, Night's parent, a baseline",
    counts=(7_069_473, 3_228_565_504, 12_914_262_016),
)
ARCHITECTURES["fcn8s"] = Architecture(
    fcn8s,
    channels=3,
    area=256 * 256,
    summary="FCN-8s on VGG16, a baseline",
    counts=(134_265_699, 27_695_911_936, 110_783_647_744),
)


def metadata(name: str, area: int | None = None) -> dict[str, str]:
    """What an exported file of a network says about itself, for `Matter` to read.

    Args:
        name: of the network; of one that is not in `ARCHITECTURES` only the name is known.
        area: at which it does best, in pixels; None is the architecture's.
    """
    facts = {"matting_keras.architecture": name}
    if area is None and name in ARCHITECTURES:
        area = ARCHITECTURES[name].area
    return facts | ({"matting_keras.area": str(area)} if area else {})


def build(
    name: str,
    *,
    asymmetric: bool = False,
    branch_norm: bool = False,
    original: bool = False,
    weights: str | None = None,
    **options,
) -> keras.Model:
    """Build a network by name.

    Args:
        name: a key of `ARCHITECTURES`, for example "dark-light".
        asymmetric: learn its square convolutions as asymmetric blocks, to be fused after training.
        branch_norm: give each branch of those blocks its own BatchNormalization.
        original: build the published form instead of ours, to hold its weights unchanged.
        weights: None for random weights, "default" for the shipped ones of that name, another
            preset's name, such as "dark-light-clean", or a .keras file.
        **options: of that network alone. U²-Net and MODNet take `training=True` for the outputs
            that only training needs; see `architectures.u2net.u2net`, `modnet.modnet` and
            `fcn.fcn8s` for the others.

    Returns:
        A model from raw 0..255 values (batch, height, width, channels) to alpha
        (batch, height, width, 1) in 0..1. Sides are multiples of `ARCHITECTURES[name].multiple`.
        In training form it gives a dictionary of which "alpha" is one.

    Raises:
        InputError: unknown name or option, branch_norm without asymmetric, or weights that do
            not fit.

    Example:
        >>> build("dark-light").count_params()
        221617
    """
    if name not in ARCHITECTURES:
        raise InputError(f"no network is called {name!r}; there are {', '.join(ARCHITECTURES)}.")
    if branch_norm and not asymmetric:
        raise InputError("branch_norm needs asymmetric: without branches there is nothing to norm.")
    builder = ARCHITECTURES[name].build
    known = inspect.signature(builder).parameters
    for option in options:
        if option not in known:
            raise InputError(
                f"{name!r} has no option {option!r}; it takes {', '.join(p for p in known)}."
            )
    model = builder(asymmetric=asymmetric, branch_norm=branch_norm, original=original, **options)
    if weights is not None:
        from matting_keras.weights.files import load, transfer

        transfer(load(name if weights == "default" else weights), model)
    return model
