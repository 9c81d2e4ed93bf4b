"""A look at the values of a first batch, for mistakes that no loss can see and no error shows."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np

from matting_keras.data.trimap import CERTAIN
from matting_keras.errors import InputError

STRAY = 0.25
"""The largest share of soft pixels that may lie outside the unknown band of a refined sample."""


def check_target(target: Mapping) -> None:
    """Refuse a batch whose values are not what a recipe's loss takes them for.

    A compiled step cannot look at values, so this is called once, with the first batch, before
    the first step.

    Args:
        target: any of "image", "alpha", "unknown" and "refined", as `RecipeLoss` describes them.

    Raises:
        InputError: an alpha or trimap of 0..255 (by which MODNet users lost their detail loss), a
            band that is not 0 and 1, an image of 0..1 or -1..1, numbers that are not finite, or a
            band that lies elsewhere than the alpha's soft pixels, as a trimap does that was not
            flipped with its photo.

    Example:
        >>> check_target({"alpha": np.full((1, 2, 2, 1), 0.5), "unknown": np.ones((1, 2, 2, 1))})
    """
    given = {name: keras.ops.convert_to_numpy(value) for name, value in target.items()}
    for name, values in given.items():
        if not np.isfinite(np.asarray(values, "float32")).all():
            raise InputError(f"the target's {name!r} holds numbers that are not finite.")
    for name, check in (("alpha", _alpha), ("unknown", _unknown), ("refined", _refined)):
        if name in given:
            check(given[name])
    if "image" in given:
        _image(given["image"])
    if {"alpha", "unknown"} <= set(given):
        _aligned(given["alpha"], given["unknown"], given.get("refined"))


def _alpha(alpha: np.ndarray) -> None:
    if alpha.min() < 0 or alpha.max() > 1:
        raise InputError(
            f"the target's 'alpha' must be 0..1, got {_range(alpha)}; divide 8-bit alphas by 255."
        )


def _unknown(unknown: np.ndarray) -> None:
    if not np.isin(unknown, (0, 1)).all():
        raise InputError(
            f"the target's 'unknown' must be 1 inside the band and 0 elsewhere, got "
            f"{_range(unknown)}; of a trimap 0/128/255 pass trimap == 128, and threshold a band "
            "that was resampled."
        )


def _refined(refined: np.ndarray) -> None:
    if not np.isin(refined, (0, 1)).all():
        raise InputError(
            f"the target's 'refined' must be 1 for a soft alpha and 0 for a rough mask, got "
            f"{_range(refined)}."
        )


def _image(image: np.ndarray) -> None:
    fractions = image[(image > 0) & (image < 1)]
    if image.min() < 0 or image.max() > 255 or (image.max() <= 1 and fractions.size):
        raise InputError(
            f"the target's 'image' must be 0..255, got {_range(image)}; networks and losses "
            "scale it themselves."
        )


def _aligned(alpha: np.ndarray, unknown: np.ndarray, refined: np.ndarray | None) -> None:
    if refined is not None:
        alpha, unknown = alpha[refined == 1], unknown[refined == 1]
    soft = (alpha > CERTAIN) & (alpha < 1 - CERTAIN)
    outside = (soft & (unknown == 0)).sum()
    if outside > STRAY * soft.sum():
        raise InputError(
            f"{outside} of {soft.sum()} soft pixels lie outside the unknown band; the trimap must "
            "go through every flip and crop of its photo, or be made of the alpha afterwards."
        )


def _range(values: np.ndarray) -> str:
    return f"{values.min():g}..{values.max():g}"
