"""From a rough mask to an alpha with hair: the mask decides what is certain, a method the rest."""

from __future__ import annotations

import numpy as np
from PIL import Image

from matting_keras.data.trimap import PERSON, UNKNOWN, trimap
from matting_keras.errors import InputError

METHODS = ("closed-form", "teacher", "mean")

SOLVED = 512 * 512
"""Pixels at which the closed-form system is solved; its time and memory grow with them."""

OUTSIDE, INSIDE = 0.02, 0.03
"""How far a rough mask's unknown band reaches, as a share of the shorter side. Masks drawn by hand
run outside of hair and inside of nothing, so what looks like person near the border is the more
doubtful side."""


def refine(
    image: np.ndarray,
    mask: np.ndarray,
    method: str,
    teacher: np.ndarray | None = None,
    outside: float | None = None,
    inside: float | None = None,
) -> np.ndarray:
    """Turn a rough mask into an alpha: soft inside the unknown band, the mask outside of it.

    Args:
        image: uint8 RGB (height, width, 3).
        mask: float32 (height, width), 0..1, hard or nearly so.
        method: "closed-form" solves for the alpha from the colours at both sides of the band
            (Levin et al. 2008, by pymatting); "teacher" takes a network's alpha there. "mean" is
            half the mask and half the network's alpha everywhere: what a network learns from it
            is also what the teacher was in doubt about.
        teacher: float32 (height, width), 0..1: that network's alpha; for "teacher" and "mean".
        outside: how many pixels beyond the mask's border are unknown; None takes `OUTSIDE` of
            the shorter side.
        inside: the same within the border; None takes `INSIDE`.

    Returns:
        float32 (height, width), 0..1.

    Raises:
        InputError: an unknown method, sizes that differ, no teacher for "teacher" or "mean", or
            pymatting missing for "closed-form".
    """
    if method not in METHODS:
        raise InputError(f"--refine {method}: there are {', '.join(METHODS)}.")
    if mask.shape != image.shape[:2]:
        raise InputError(f"the mask is {mask.shape} but its photo {image.shape[:2]}; same sizes.")
    if method == "mean":
        return (mask + _fitting(teacher, mask, method)) / 2
    shorter = min(mask.shape)
    reach = [
        max(2.0, share * shorter) if pixels is None else pixels
        for pixels, share in ((outside, OUTSIDE), (inside, INSIDE))
    ]
    certain = rough_trimap(mask, *reach)
    unknown = certain == UNKNOWN
    if not unknown.any():
        return (certain == PERSON).astype(np.float32)
    soft = _fitting(teacher, mask, method) if method == "teacher" else closed_form(image, certain)
    return np.where(unknown, soft, certain == PERSON).astype(np.float32)


def _fitting(teacher: np.ndarray | None, mask: np.ndarray, method: str) -> np.ndarray:
    if teacher is None or teacher.shape != mask.shape:
        raise InputError(f"the method {method!r} needs a network's alpha of the mask's size.")
    return teacher


def rough_trimap(mask: np.ndarray, outside: float, inside: float) -> np.ndarray:
    """A trimap whose unknown band reaches differently far to either side of a mask's border.

    Args:
        mask: float (height, width), 0..1.
        outside: pixels beyond the border that are unknown.
        inside: pixels within it.

    Returns:
        uint8 (height, width): 0 background, 128 unknown, 255 person.

    Example:
        >>> rough_trimap(np.array([[0, 0, 0, 1, 1, 1]], "float32"), 1, 2).tolist()
        [[0, 0, 128, 128, 128, 255]]
    """
    far, near = trimap(mask, outside), trimap(mask, inside)
    return np.where(mask > 0.5, near, far)


def closed_form(image: np.ndarray, certain: np.ndarray) -> np.ndarray:
    """Solve for the alpha of a trimap's unknown pixels.

    Args:
        image: uint8 RGB (height, width, 3).
        certain: a trimap, uint8 (height, width). Where it knows no person or no background at
            all, there is nothing to solve from, and the unknown is taken for background.

    Returns:
        float32 (height, width), 0..1. Large photos are solved at about `SOLVED` pixels.

    Raises:
        InputError: pymatting is missing.
    """
    if not ((certain == PERSON).any() and (certain == 0).any()):
        return (certain == PERSON).astype(np.float32)
    try:
        from pymatting import estimate_alpha_cf
    except ImportError as error:
        raise InputError(
            f"--refine closed-form needs pymatting ({error}); pip install pymatting."
        ) from error
    size = certain.shape[::-1]
    scale = min(1.0, (SOLVED / certain.size) ** 0.5)
    small = tuple(max(1, round(side * scale)) for side in size)
    colours = Image.fromarray(image).resize(small, Image.Resampling.BILINEAR)
    known = Image.fromarray(certain).resize(small, Image.Resampling.NEAREST)
    values = np.asarray(known, np.float64)
    values = np.where(values == UNKNOWN, 0.5, values / PERSON)
    alpha = estimate_alpha_cf(np.asarray(colours, np.float64) / 255, values)
    soft = Image.fromarray(alpha.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    return np.clip(np.asarray(soft), 0, 1)


def disagreement(mask: np.ndarray, teacher: np.ndarray) -> float:
    """How far a mask and a teacher are apart: one minus the IoU of their persons.

    Both are cut at one half. 0 where both find nobody, 1 where only one does.

    Example:
        >>> disagreement(np.array([[1.0, 1.0, 0.0]]), np.array([[0.9, 0.1, 0.2]]))
        0.5
    """
    person, found = mask > 0.5, teacher > 0.5
    union = (person | found).sum()
    return float(1 - (person & found).sum() / union) if union else 0.0
