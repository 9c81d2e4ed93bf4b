"""One composite: a cut-out placed in a scene, in the scene's light and grain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from matting_keras.errors import InputError

LIGHT = 0.3
"""How far a person's brightness and contrast move towards the scene's, 0 to 1. All the way would
make a face in front of a dark door as dark as the door."""


@dataclass(frozen=True)
class Placement:
    """How a cut-out lies in a scene.

    Attributes:
        height: of the person's box, as a share of the picture's height.
        x: middle of the box, as a share of the picture's width.
        y: lower edge of the box, as a share of the picture's height; above 1 it is cut off.
        flip: mirrored left and right.
    """

    height: float
    x: float
    y: float
    flip: bool


def random_placement(rng: np.random.Generator) -> Placement:
    """Draw a placement: mostly a portrait standing on the lower edge, sometimes small or aside."""
    height = rng.uniform(0.35, 0.6) if rng.random() < 0.2 else rng.uniform(0.6, 1.1)
    return Placement(
        height=float(height),
        x=float(np.clip(rng.normal(0.5, 0.15), 0.15, 0.85)),
        y=float(rng.uniform(1.0, 1.15)),
        flip=bool(rng.random() < 0.5),
    )


def placed(
    foreground: np.ndarray, alpha: np.ndarray, size: tuple[int, int], placement: Placement
) -> tuple[np.ndarray, np.ndarray]:
    """Scale and move a cut-out to where it belongs in a picture.

    Where the photo cut the person off, the picture must too: such a side goes to or beyond the
    picture's own edge, whatever the placement says, so that nobody ends in a straight line in
    mid-air. Colours are weighted by alpha while they are resampled, so that nothing from outside
    the person bleeds in.

    Args:
        foreground: uint8 RGB (height, width, 3), the person's own colours.
        alpha: float32 (height, width), 0..1.
        size: (height, width) of the picture, in pixels.
        placement: where it goes.

    Returns:
        float32 foreground (*size, 3) in 0..255 and alpha (*size).

    Raises:
        InputError: nobody in the cut-out.
    """
    if placement.flip:
        foreground, alpha = foreground[:, ::-1], alpha[:, ::-1]
    top, bottom, left, right = _box(alpha)
    cut = _cut_sides(alpha)
    scale = placement.height * size[0] / (bottom - top)
    if cut["left"] and cut["right"]:
        scale = max(scale, size[1] / alpha.shape[1])
    if cut["top"] and cut["bottom"]:
        scale = max(scale, size[0] / alpha.shape[0])
    # Where the cut-out's left and upper edges come to lie.
    x = placement.x * size[1] - scale * (left + right) / 2
    y = placement.y * size[0] - scale * bottom
    x = _held(x, scale * alpha.shape[1], size[1], cut["left"], cut["right"])
    y = _held(y, scale * alpha.shape[0], size[0], cut["top"], cut["bottom"])
    if not cut["top"]:
        # Too large a person loses its feet, not its head.
        y = max(y, 0.03 * size[0] - scale * top)
    values = np.dstack([foreground * alpha[..., None], alpha]).astype(np.float32)
    if scale < 1:
        # Affine sampling looks at four pixels; shrinking needs the average of more.
        reach = 0.5 * (1 / scale - 1)
        values = ndimage.gaussian_filter(values, (reach, reach, 0), mode="nearest")
    moved = np.dstack(
        [
            _moved(plane, size, (1 / scale, 0, -x / scale, 0, 1 / scale, -y / scale))
            for plane in values.transpose(2, 0, 1)
        ]
    )
    share = np.clip(moved[..., 3], 0, 1)
    colours = moved[..., :3] / np.maximum(share, 1e-3)[..., None]
    return np.clip(colours, 0, 255), share


def lit(
    foreground: np.ndarray, alpha: np.ndarray, scene: np.ndarray, strength: float = LIGHT
) -> np.ndarray:
    """Move a person's brightness, contrast and tint towards a scene's.

    Args:
        foreground: float32 RGB (height, width, 3), 0..255.
        alpha: float32 (height, width), 0..1; says which colours are the person's.
        scene: float32 RGB (height, width, 3), 0..255.
        strength: 0 leaves the person; 1 moves its mean by up to 50 levels towards the scene's,
            and its contrast by up to a quarter.

    Returns:
        float32 (height, width, 3), 0..255.
    """
    weights = alpha / max(float(alpha.sum()), 1e-6)
    mean = (foreground * weights[..., None]).sum((0, 1))
    spread = np.sqrt((((foreground - mean) ** 2) * weights[..., None]).sum())
    gain = 1 + strength * (np.clip(scene.std() * 3**0.5 / max(spread, 1e-6), 0.8, 1.25) - 1)
    wanted = scene.mean((0, 1))
    shift = strength * np.clip(wanted - mean, -50, 50)
    return np.clip((foreground - mean) * gain + mean + shift, 0, 255)


def grain(image: np.ndarray, alpha: np.ndarray | None = None) -> float:
    """Estimate a picture's noise, in levels of 255.

    Args:
        image: RGB (height, width, 3), 0..255.
        alpha: only where this is above one half; None looks everywhere.

    Returns:
        The standard deviation of the noise, from the median absolute value of a high-pass filter
        that flat areas, ramps and straight edges pass with nothing.

    Source: Immerkær, "Fast Noise Variance Estimation", 1996, with a median for its mean.
    """
    gray = image.astype(np.float32).mean(-1)
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    high = np.abs(ndimage.convolve(gray, kernel, mode="nearest"))
    if alpha is not None:
        high = high[alpha > 0.5]
    return float(np.median(high) / 0.6745 / 6) if high.size else 0.0


def blend(
    foreground: np.ndarray,
    alpha: np.ndarray,
    scene: np.ndarray,
    rng: np.random.Generator,
    strength: float = LIGHT,
) -> np.ndarray:
    """Composite a placed cut-out over a scene, its light and grain matched to the scene's.

    Args:
        foreground: float32 RGB (height, width, 3), 0..255, the person's own colours.
        alpha: float32 (height, width), 0..1.
        scene: uint8 RGB (height, width, 3).
        rng: draws the noise.
        strength: of the light's change; 0 leaves light and grain as they are.

    Returns:
        uint8 RGB (height, width, 3).

    Raises:
        InputError: sizes that differ.
    """
    if foreground.shape != scene.shape or alpha.shape != scene.shape[:2]:
        raise InputError(
            f"a composite needs one size: foreground {foreground.shape}, alpha {alpha.shape}, "
            f"scene {scene.shape}."
        )
    behind = scene.astype(np.float32)
    if strength:
        foreground = lit(foreground, alpha, behind, strength)
        # Whichever is cleaner gets the noise that the other has more.
        own, there = grain(foreground, alpha), grain(behind)
        extra = np.sqrt(abs(there**2 - own**2))
        noise = rng.normal(0, 1, (*alpha.shape, 1)).astype(np.float32) * min(extra, 12.0)
        if own < there:
            foreground = foreground + noise
        else:
            behind = behind + noise
    mixed = alpha[..., None] * foreground + (1 - alpha[..., None]) * behind
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def _cut_sides(alpha: np.ndarray) -> dict[str, bool]:
    """At which of its sides a photo cuts its person off."""
    sides = {"left": alpha[:, 0], "right": alpha[:, -1], "top": alpha[0], "bottom": alpha[-1]}
    return {name: bool((values > 0.5).mean() > 0.02) for name, values in sides.items()}


def _held(start: float, length: float, whole: float, first: bool, last: bool) -> float:
    """Where a stretch begins that must reach its whole's first or last end, or both."""
    if last:
        start = max(start, whole - length)
    return min(start, 0.0) if first else start


def _moved(plane: np.ndarray, size: tuple[int, int], numbers: tuple[float, ...]) -> np.ndarray:
    """One channel under an affine map, given from the result's pixels to the plane's."""
    image = Image.fromarray(np.ascontiguousarray(plane))
    kind, filter = Image.Transform.AFFINE, Image.Resampling.BILINEAR
    return np.asarray(image.transform(size[::-1], kind, numbers, filter))


def _box(alpha: np.ndarray) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of the person, bottom and right exclusive."""
    person = alpha > 0.5
    if not person.any():
        raise InputError("nobody is in this cut-out: its alpha is nowhere above one half.")
    rows, columns = np.flatnonzero(person.any(1)), np.flatnonzero(person.any(0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
