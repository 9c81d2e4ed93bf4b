"""The one loader and the one writer of still pictures.

Decoders disagree about rotation, 16 bits, transparency and damage; the demo, the evaluation and
the data sets all come through here, so that none of them sees another picture than the rest.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from matting_keras.atomic import atomic_path
from matting_keras.errors import InputError
from matting_keras.media.colour import SIXTEEN_BIT, sixteen_bit, to_srgb
from matting_keras.media.decode import MAX_PIXELS, Source, decode
from matting_keras.media.folders import files_below

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif")
ALPHA_SUFFIXES = (".png", ".webp", ".tif", ".tiff")
"""Formats written with transparency."""

_CHANNELS = ((), (3,), (4,))

_WRITERS = {
    ".png": ("PNG", {"compress_level": 4}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"lossless": True, "method": 2}),
    ".tif": ("TIFF", {"compression": "tiff_deflate"}),
    ".tiff": ("TIFF", {"compression": "tiff_deflate"}),
    ".bmp": ("BMP", {}),
}


class Photo(NamedTuple):
    """A decoded photo.

    Attributes:
        rgb: uint8 (height, width, 3), sRGB, the right way up.
        alpha: the picture's own transparency, float32 (height, width) in 0..1; None if opaque.
    """

    rgb: np.ndarray
    alpha: np.ndarray | None


def read_photo(source: Source, *, max_pixels: int = MAX_PIXELS) -> Photo:
    """Read a picture and its own transparency; of an animation, the first frame.

    Args:
        source: a path, an open `PIL.Image`, or a binary file object.
        max_pixels: refuse pictures with more pixels than this, before decoding them.

    Returns:
        A `Photo`: RGB turned the right way up by EXIF, and transparency where there is some.

    Raises:
        InputError: missing, empty, damaged, too large, or not a picture.

    Example:
        >>> read_photo(Image.new("L", (4, 2), 255)).rgb.shape
        (2, 4, 3)
    """
    image, name = decode(source, max_pixels)
    return Photo(np.array(to_srgb(image, name)), _transparency(image))


def read_image(source: Source, *, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Read a picture as uint8 RGB (height, width, 3); like `read_photo` otherwise."""
    image, name = decode(source, max_pixels)
    return np.array(to_srgb(image, name))


def read_alpha(source: Source, *, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Read a mask or matte.

    Args:
        source: a path, an open `PIL.Image`, or a binary file object.
        max_pixels: refuse pictures with more pixels than this.

    Returns:
        float32 (height, width) in 0..1: the transparency of a picture that has some, else its
        brightness. 16-bit files keep their 65536 steps. Nothing is stretched.

    Raises:
        InputError: missing, empty, damaged, too large, or not a picture.

    Example:
        >>> read_alpha(Image.new("1", (3, 2), 1)).min()
        np.float32(1.0)
    """
    image, name = decode(source, max_pixels)
    own = _transparency(image)
    if own is not None:
        return own
    if image.mode in SIXTEEN_BIT or image.mode in ("I", "F"):
        return sixteen_bit(image, name).astype(np.float32) / np.float32(65535)
    gray = image if image.mode == "L" else to_srgb(image, name).convert("L")
    return np.asarray(gray, dtype=np.float32) / np.float32(255)


def to_photo(image: Source | Photo | np.ndarray) -> Photo:
    """Take a picture in any form as a `Photo`.

    Args:
        image: what `read_photo` reads, its result, or a uint8 array: gray (height, width) or
            (height, width, 1), RGB (height, width, 3) or RGBA (height, width, 4).

    Returns:
        A `Photo`, its RGB possibly sharing memory with the array.

    Raises:
        InputError: an array of another type or shape, or a file that cannot be read.

    Example:
        >>> to_photo(np.zeros((2, 5), "uint8")).rgb.shape
        (2, 5, 3)
    """
    if isinstance(image, Photo):
        return image
    if not isinstance(image, np.ndarray):
        return read_photo(image)
    if image.dtype != np.uint8:
        raise InputError(
            f"the picture is a {image.dtype} array; expected uint8, 0..255. If it holds 0..1, "
            "pass (image * 255).round().astype('uint8')."
        )
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,), (4,)) or not image.size:
        raise InputError(
            f"the picture is an array of shape {image.shape}; expected (height, width), "
            "(height, width, 3) RGB or (height, width, 4) RGBA, with at least one pixel. Pass "
            "several pictures to batch()."
        )
    if image.ndim == 2:
        return Photo(np.repeat(image[..., None], 3, axis=2), None)
    if image.shape[2] == 3:
        return Photo(image, None)
    alpha = image[..., 3].astype(np.float32) / np.float32(255)
    return Photo(image[..., :3], None if alpha.min() == 1 else alpha)


def to_rgb(image: Source | Photo | np.ndarray) -> np.ndarray:
    """Take a picture in any form as uint8 RGB (height, width, 3); see `to_photo`."""
    return to_photo(image).rgb


def write_image(path: str | os.PathLike, array: np.ndarray) -> None:
    """Write a picture atomically, in the format its suffix names.

    Args:
        path: ends in .png, .jpg, .jpeg, .webp, .tif, .tiff or .bmp; missing folders are made.
        array: uint8, gray (height, width), RGB (height, width, 3) or RGBA (height, width, 4).

    Raises:
        InputError: another suffix, transparency into a format without it, another kind of
            array, or a place that cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in _WRITERS:
        raise InputError(
            f"{path}: cannot write a picture as {path.suffix or 'a file without suffix'!r}; "
            f"end its name in one of {', '.join(_WRITERS)}."
        )
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or array.shape[2:] not in _CHANNELS:
        raise InputError(
            f"{path}: expected a uint8 array (height, width[, 3 or 4]) to write, got "
            f"{array.dtype} {array.shape}; scale it to 0..255 and round it first."
        )
    if array.shape[2:] == (4,) and path.suffix.lower() not in ALPHA_SUFFIXES:
        raise InputError(
            f"{path}: {path.suffix} files have no transparency; write .png or .webp instead, or "
            "put the cut-out on a background."
        )
    kind, options = _WRITERS[path.suffix.lower()]
    try:
        with atomic_path(path) as temporary:
            Image.fromarray(array).save(temporary, format=kind, **options)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror or error}); choose another place."
        ) from error


def png(array: np.ndarray) -> bytes:
    """A uint8 picture, gray, RGB or RGBA, as the bytes of a PNG file.

    Example:
        >>> read_image(io.BytesIO(png(np.zeros((2, 5), "uint8")))).shape
        (2, 5, 3)
    """
    file = io.BytesIO()
    kind, options = _WRITERS[".png"]
    Image.fromarray(array).save(file, format=kind, **options)
    return file.getvalue()


def list_images(
    folder: str | os.PathLike,
    recursive: bool = True,
    suffixes: Sequence[str] = IMAGE_SUFFIXES,
) -> list[Path]:
    """The pictures in a folder, by suffix, sorted, as `files_below` finds them.

    Args:
        folder: to look in.
        recursive: and in all folders below.
        suffixes: of what counts as a picture, in lower case.

    Raises:
        InputError: not a folder, or no pictures in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder that holds the pictures.")
    files = files_below(folder, recursive)
    found = [path for path in files if path.name.lower().endswith(tuple(suffixes))]
    if not found:
        raise InputError(f"{folder}: no pictures in it; expected {', '.join(suffixes)}.")
    return found


def _transparency(image: Image.Image) -> np.ndarray | None:
    """A picture's alpha channel, or the one its palette or key colour stands for."""
    if not image.has_transparency_data:
        return None
    if image.mode in SIXTEEN_BIT or image.mode == "I":
        opaque = np.asarray(image) != image.info["transparency"]
        alpha = opaque.astype(np.float32)
    else:
        channel = image.convert("RGBA").getchannel("A")
        alpha = np.asarray(channel, dtype=np.float32) / np.float32(255)
    return None if alpha.min() == 1 else alpha
