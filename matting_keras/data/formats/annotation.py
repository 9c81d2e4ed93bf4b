"""Supervisely's annotations: bitmaps and polygons in JSON, drawn as a mask."""

from __future__ import annotations

import base64
import binascii
import io
import json
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from matting_keras.errors import InputError
from matting_keras.media.decode import MAX_PIXELS, decode

UNPACKED_LIMIT = 2**26
"""Bytes that one packed bitmap may have."""

IGNORED = ("neutral",)
"""Classes that are neither person nor background; they count as background."""


def draw(path: Path) -> np.ndarray:
    """Draw the people of an annotation.

    Args:
        path: the JSON file of one photo. Objects whose class begins with "person" are drawn.

    Returns:
        uint8 (height, width), 255 where somebody is.

    Raises:
        InputError: not such a file, damaged, or without any class of people.
    """
    try:
        annotation = json.loads(path.read_bytes())
        width, height = (int(annotation["size"][side]) for side in ("width", "height"))
        objects = [(str(one["classTitle"]), one) for one in annotation["objects"]]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: is not an annotation of Supervisely ({type(error).__name__}: {error}); "
            "expected JSON with size and objects. Export or copy it again."
        ) from error
    if not 0 < width * height <= MAX_PIXELS or width < 0:
        raise InputError(f"{path}: says that its photo is {width}x{height}.")
    mask = np.zeros((height, width), np.uint8)
    for number, (title, one) in enumerate(objects, 1):
        if title.lower().startswith("person"):
            _add(mask, one, f"{path}, object {number}")
    titles = {title for title, _ in objects if title.lower() not in IGNORED}
    if titles and not any(title.lower().startswith("person") for title in titles):
        raise InputError(
            f"{path}: has objects of {', '.join(sorted(titles))} and none of a person; rename "
            "the class of people to person in its objects."
        )
    return mask


def _add(mask: np.ndarray, one: dict, where: str) -> None:
    try:
        if one.get("bitmap"):
            x, y = (int(value) for value in one["bitmap"]["origin"])
            _paste(mask, _bitmap(one["bitmap"]["data"], where), x, y)
        else:
            np.maximum(mask, _polygon(mask.shape, one["points"]), out=mask)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{where}: is neither a bitmap nor a polygon ({type(error).__name__}: {error}); "
            "export or copy the annotation again."
        ) from error


def _bitmap(data: str, where: str) -> np.ndarray:
    """A packed bitmap as bool (height, width)."""
    try:
        unpacker = zlib.decompressobj()
        png = unpacker.decompress(base64.b64decode(data), UNPACKED_LIMIT)
    except (binascii.Error, zlib.error) as error:
        raise InputError(f"{where}: its bitmap is damaged ({error}); copy it again.") from error
    try:
        image, _ = decode(io.BytesIO(png), MAX_PIXELS)
    except InputError as error:
        raise InputError(f"{where}: its bitmap {str(error).partition(': ')[2]}") from error
    if image.has_transparency_data:
        return np.asarray(image.convert("RGBA").getchannel("A")) > 0
    return np.asarray(image.convert("L")) > 0


def _paste(mask: np.ndarray, bitmap: np.ndarray, x: int, y: int) -> None:
    """Draw a bitmap at its origin; what lies outside of the photo is left out."""
    top, left = max(0, y), max(0, x)
    part = bitmap[top - y :, left - x :][
        : max(0, mask.shape[0] - top), : max(0, mask.shape[1] - left)
    ]
    mask[top : top + part.shape[0], left : left + part.shape[1]][part] = 255


def _polygon(shape: tuple[int, int], points: dict) -> np.ndarray:
    """A polygon with holes as uint8 (height, width), 0 or 255."""
    picture = Image.new("L", shape[::-1], 0)
    pen = ImageDraw.Draw(picture)
    pen.polygon([(float(x), float(y)) for x, y in points["exterior"]], fill=255)
    for hole in points.get("interior") or ():
        pen.polygon([(float(x), float(y)) for x, y in hole], fill=0)
    return np.asarray(picture)
