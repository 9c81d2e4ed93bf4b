"""Batches for the recipes' losses, and what the losses are made of, by numpy and scipy."""

import numpy as np
from scipy import ndimage

from matting_keras.data.trimap import unknown_band
from matting_keras.training.recipes.cyclical import CyclicalLoss
from matting_keras.training.recipes.easy_to_hard import EasyToHardLoss
from matting_keras.training.recipes.likeunet import LikeUnetLoss
from matting_keras.training.recipes.modnet import ModnetLoss
from matting_keras.training.recipes.modnet_soc import ModnetSocLoss
from matting_keras.training.recipes.portrait import PortraitLoss

LOSSES = {
    "likeunet": LikeUnetLoss(1.0, 0.5, unknown=2.0),
    "portrait": PortraitLoss(),
    "cyclical": CyclicalLoss(),
    "easy-to-hard 1": EasyToHardLoss(),
    "easy-to-hard 2": EasyToHardLoss(2, "crossentropy"),
    "modnet": ModnetLoss(),
    "modnet-soc": ModnetSocLoss(),
}


def batch(seed: int = 0, size: tuple[int, int] = (32, 48), count: int = 3) -> tuple[dict, dict]:
    """A target with rough and refined samples, and outputs of every kind."""
    rng = np.random.default_rng(seed)
    shape = (count, *size, 1)
    smooth = ndimage.gaussian_filter(rng.normal(size=shape), (0, 5, 5, 0))
    alpha = np.clip(0.5 + 20 * smooth, 0, 1).astype("float32")
    refined = (np.arange(count) % 2).astype("float32")
    alpha[refined == 0] = alpha[refined == 0] > 0.5
    unknown = np.stack([unknown_band(a[..., 0], 2.0)[..., None] for a in alpha])
    target = {
        "image": rng.uniform(0, 255, (count, *size, 3)).astype("float32"),
        "alpha": alpha,
        "unknown": unknown.astype("float32"),
        "refined": refined,
    }
    maps = ("alpha", "detail", "side1", "side2")
    outputs = {name: rng.uniform(0.01, 0.99, shape).astype("float32") for name in maps}
    coarse = (count, size[0] // 16, size[1] // 16, 1)
    outputs["semantic"] = rng.uniform(0.01, 0.99, coarse).astype("float32")
    return target, outputs


def numbers(parts: dict) -> dict[str, float]:
    return {name: float(part) for name, part in parts.items()}


def soc_outputs(seed: int):
    outputs = batch(seed)[1]
    alpha = np.zeros((3, 32, 48, 1), "float32")
    alpha[:, 10:, 12:40] = 1  # a person, so that there is a band
    return outputs | {"alpha": 0.9 * alpha + 0.05 * outputs["alpha"]}


def pair(name: str) -> tuple[dict, dict]:
    return (soc_outputs(2), soc_outputs(1)) if name == "modnet-soc" else batch()


def within(values, area) -> float:
    return (values * area).sum() / area.sum() if area.any() else 0.0


def smoothed(alpha, size: int, sigma: float):
    """A blur that is normalised at the border, by scipy."""
    options = {"sigma": (0, sigma, sigma, 0), "radius": (0, size // 2, size // 2, 0)}
    inside = ndimage.gaussian_filter(np.ones_like(alpha), mode="constant", **options)
    return ndimage.gaussian_filter(alpha, mode="constant", **options) / inside


def trusted(target):
    return target["unknown"] * target["refined"].reshape(-1, 1, 1, 1)


def entropy(a, p):
    return -a * np.log(p) - (1 - a) * np.log(1 - p)
