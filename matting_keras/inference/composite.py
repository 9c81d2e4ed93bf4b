"""A person on another background."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor, ImageOps

from matting_keras.errors import InputError
from matting_keras.inference.foreground import (
    estimate_foreground,
    fitting,
    own_colours,
    person,
    soft_tiles,
    surroundings,
    to_bytes,
    to_share,
    weighted_blur,
)
from matting_keras.media.images import Photo, Source, to_photo, to_rgb
from matting_keras.media.opencv import opencv

Background = str | os.PathLike | tuple[int, int, int] | Image.Image | np.ndarray

BLUR_REACH = 40
"""A blurred background is smeared over a fortieth of the picture's longer side, each way."""

SMALL = 320
"""Pixels of the longer side at which it is smeared."""


def composite(
    image: Source | Photo | np.ndarray,
    alpha: np.ndarray,
    background: Background = "transparent",
    foreground: str = "fast",
) -> np.ndarray:
    """Put the person of a picture on another background.

    Args:
        image: the photo: a path, a PIL image, or a uint8 array (height, width, 3).
        alpha: from `Matter`, float (height, width) in 0..1, of the photo's size.
        background: "transparent"; "blur" (the photo's own, out of focus); a colour as name
            ("teal"), "#rrggbb" or (red, green, blue); or a picture, as path, PIL image or uint8
            array, scaled to cover the photo and cropped around its centre.
        foreground: how the person's colours are estimated at soft edges, so that no halo of the
            old background is left: "fast", "best" or "off" (see `estimate_foreground`).

    Returns:
        uint8 (height, width, 4), RGBA, for "transparent", else RGB (height, width, 3).

    Raises:
        InputError: sizes that differ, or a background that is neither a colour nor a picture.

    Example:
        >>> photo = np.full((4, 6, 3), 200, "uint8")
        >>> composite(photo, np.zeros((4, 6), "float32"), "#102030")[0, 0].tolist()
        [16, 32, 48]
    """
    rgb = to_rgb(image)
    alpha = fitting(alpha, rgb)
    if isinstance(background, str) and background == "transparent":
        return _cut_out(estimate_foreground(rgb, alpha, foreground), alpha, foreground == "off")
    behind = background_for(rgb, alpha, background)
    if foreground != "fast":
        return blend(estimate_foreground(rgb, alpha, foreground), behind, alpha)
    share = to_share(alpha)
    front, back = surroundings(rgb, share)
    return mix(
        rgb,
        behind,
        share,
        lambda here: own_colours(rgb[here], share[here], front[here], back[here]),
    )


def blend(colours: np.ndarray, behind: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Mix two pictures: `colours` where alpha is 1, `behind` where it is 0.

    Args:
        colours: uint8 (height, width, 3).
        behind: uint8, of the same shape or (1, 1, 3).
        alpha: float32 (height, width) in 0..1.

    Returns:
        uint8 (height, width, 3), within one of what exact arithmetic gives.
    """
    return mix(colours, behind, to_share(alpha), lambda here: colours[here])


def mix(
    rgb: np.ndarray,
    behind: np.ndarray,
    share: np.ndarray,
    colours: Callable[[tuple[slice, slice]], np.ndarray],
) -> np.ndarray:
    """Put a picture on a background, with other colours at its soft edge.

    Args:
        rgb: uint8 (height, width, 3).
        behind: uint8, of the same shape or (1, 1, 3).
        share: alpha as uint8 (height, width), 255 being 1.
        colours: gives those of the picture in a rectangle, as slices of rows and columns, around
            anything that is neither all picture nor all background.

    Returns:
        uint8 (height, width, 3).
    """
    cv2 = opencv()
    plain = behind.shape[:2] != rgb.shape[:2]
    if plain:
        picture = np.empty_like(rgb)
        colour = tuple(map(int, behind.ravel()))
        cv2.rectangle(picture, (0, 0), rgb.shape[1::-1], colour, cv2.FILLED)
    else:
        picture = behind.copy()
    cv2.copyTo(rgb, person(share), picture)
    for here in soft_tiles(share):
        weight = cv2.cvtColor(share[here], cv2.COLOR_GRAY2RGB)
        both = np.multiply(colours(here), weight, dtype=np.uint16)
        both += np.multiply(behind if plain else behind[here], 255 - weight, dtype=np.uint16)
        picture[here] = cv2.convertScaleAbs(both, alpha=1 / 255)
    return picture


def _cut_out(colours: np.ndarray, alpha: np.ndarray, hide: bool) -> np.ndarray:
    cutout = opencv().cvtColor(colours, opencv().COLOR_RGB2RGBA)
    cutout[..., 3] = to_share(alpha)
    if hide:
        # Under full transparency the old background would still travel in the file.
        cutout[cutout[..., 3] == 0] = 0
    return cutout


def background_for(rgb: np.ndarray, alpha: np.ndarray, background: Background) -> np.ndarray:
    """A background as uint8 RGB of a picture's size (or one pixel of it, for a colour).

    Args and errors are those of `composite`.
    """
    if isinstance(background, str) and background == "blur":
        return blur_behind(rgb, alpha)
    colour = parse_colour(background)
    if colour is not None:
        return np.array(colour, np.uint8).reshape(1, 1, 3)
    if isinstance(background, str) and not Path(background).exists():
        raise InputError(
            f"background {background!r}: neither a colour nor a file; give a name such as teal, "
            "#rrggbb, 'blur', 'transparent', or the path of a picture."
        )
    return cover(to_photo(background).rgb, rgb.shape[:2])


def parse_colour(text: Background) -> tuple[int, int, int] | None:
    """A colour's (red, green, blue), 0..255; None for what is not a colour.

    Raises:
        InputError: three numbers, but not all in 0..255.

    Example:
        >>> parse_colour("teal"), parse_colour("beach.jpg")
        ((0, 128, 128), None)
    """
    if isinstance(text, str):
        try:
            return ImageColor.getrgb(text)[:3]
        except ValueError:
            return None
    if not isinstance(text, (tuple, list)):
        return None
    if len(text) != 3 or not all(0 <= int(value) <= 255 for value in text):
        raise InputError(f"colour {text!r}: expected three numbers in 0..255, (red, green, blue).")
    return tuple(int(value) for value in text)


def cover(rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scale a picture to cover (height, width), aspect kept, and crop it around its centre."""
    if rgb.shape[:2] == tuple(size):
        return rgb
    fitted = ImageOps.fit(Image.fromarray(rgb), size[::-1], Image.Resampling.BICUBIC)
    return np.asarray(fitted)


def blur_behind(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """A picture out of focus, its person left out: no glow of the person around the person.

    Args:
        rgb: uint8 (height, width, 3).
        alpha: float (height, width) in 0..1; 1 is the person.

    Returns:
        uint8 (height, width, 3).
    """
    cv2 = opencv()
    height, width = alpha.shape
    scale = min(1.0, SMALL / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    # Anything with a trace of the person in it counts for nothing.
    weights = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
    weights = np.clip(1 - 8 * weights, 0, 1)
    blurred = weighted_blur(small, weights, max(1, max(size) // BLUR_REACH))
    return cv2.resize(to_bytes(blurred), (width, height))
