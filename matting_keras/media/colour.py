"""Bringing every mode Pillow can open to 8-bit sRGB, without clipping or losing anything."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from matting_keras.errors import InputError

SIXTEEN_BIT = ("I;16", "I;16B", "I;16L", "I;16N")


def to_srgb(image: Image.Image, name: str) -> Image.Image:
    """A decoded picture as mode RGB in sRGB, its transparency left aside.

    Args:
        image: a decoded picture of any mode.
        name: what to call it in an error.

    Returns:
        A picture of mode RGB. An embedded CMYK or RGB profile other than sRGB is applied;
        16-bit gray is scaled to 8 bits (Pillow alone would clip it to white).

    Raises:
        InputError: its values have no known range (float, or 32-bit integers).
    """
    if image.mode in SIXTEEN_BIT or image.mode in ("I", "F"):
        return Image.fromarray(_to_eight_bit(sixteen_bit(image, name))).convert("RGB")
    if image.mode == "LAB":
        return _with_profile(image, None)
    profile = image.info.get("icc_profile")
    if profile and image.mode in ("CMYK", "RGB") and not _is_srgb(profile):
        return _with_profile(image, profile)
    if image.mode == "P":
        # By way of RGBA: Pillow warns about palettes whose transparency is dropped.
        return image.convert("RGBA").convert("RGB")
    return image.convert("RGB")


def sixteen_bit(image: Image.Image, name: str) -> np.ndarray:
    """The values of a 16-bit gray picture as uint16, (height, width).

    Raises:
        InputError: a float or 32-bit picture, whose white point nobody has written down.
    """
    # Older Pillow opens a 16-bit PNG as 32-bit "I"; a PNG never holds more than 16 bits.
    if image.mode in SIXTEEN_BIT or (image.mode == "I" and image.format == "PNG"):
        return np.asarray(image).astype(np.uint16)
    kind = "32-bit float" if image.mode == "F" else "32-bit integer"
    raise InputError(
        f"{name}: holds {kind} values, whose range is unknown; expected 8 or 16 bits. "
        "Convert it to an 8-bit PNG, with 0 as black and 255 as white."
    )


def _to_eight_bit(values: np.ndarray) -> np.ndarray:
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _is_srgb(profile: bytes) -> bool:
    """Whether a profile names itself sRGB, as ASCII (version 2) or UTF-16 (version 4)."""
    return b"sRGB" in profile or "sRGB".encode("utf-16-be") in profile


def _with_profile(image: Image.Image, profile: bytes | None) -> Image.Image:
    from PIL import ImageCms

    try:
        if profile is None:
            source = ImageCms.createProfile("LAB")
        else:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        # A damaged profile, or one of another colour space: every viewer then shows the plain
        # values, and so do we.
        return image.convert("RGB")
