"""Opening a picture safely: every way it can be wrong has a message of its own."""

from __future__ import annotations

import io
import os
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO

from PIL import Image, UnidentifiedImageError

from matting_keras.errors import InputError

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
"""What is decoded; Pillow knows more, but each further decoder is a further way in."""

MAX_PIXELS = 100_000_000
"""Larger pictures are refused before they are decoded, unless the caller asks."""

Source = str | os.PathLike | Image.Image | IO[bytes]

# What Pillow's decoders raise on damaged files; which one depends on the byte that is wrong.
_DAMAGE = (
    OSError, SyntaxError, ValueError, EOFError, TypeError, AttributeError,
    LookupError, ArithmeticError, struct.error, zlib.error, RuntimeError,
)  # fmt: skip

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_one_at_a_time = threading.Lock()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Pillow's warnings on damaged metadata to ourselves: the pixels are what counts.

    Warning filters and Pillow's limits belong to the whole process, hence the lock. It is held
    while headers are read, not while pixels are decoded.
    """
    with _one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def decode(source: Source, max_pixels: int) -> tuple[Image.Image, str]:
    """Open a picture, measure it, decode it, and turn it the right way up.

    Args:
        source: a path, an open `PIL.Image`, or a binary file object.
        max_pixels: refuse pictures with more pixels than this, before decoding them.

    Returns:
        The picture, in the mode it was stored in, and a name for it in further messages.

    Raises:
        InputError: missing, empty, damaged, too large, or not a picture.
    """
    if isinstance(source, Image.Image):
        name = str(getattr(source, "filename", "") or "the PIL image")
        return _load(source, name, max_pixels), name
    if isinstance(source, (str, os.PathLike)):
        name = os.fspath(source)
        try:
            _check_path(Path(name))
            with open(name, "rb") as file:
                return _load(_open(file, name), name, max_pixels), name
        except OSError as error:
            raise InputError(f"{name}: cannot be read ({error.strerror or error}).") from error
    if not hasattr(source, "read"):
        raise InputError(
            f"cannot read a picture from {type(source).__name__}; give a path, a PIL image or a "
            "binary file (wrap bytes in io.BytesIO)."
        )
    name = str(getattr(source, "name", "the file object"))
    data = source.read()
    if not data:
        raise InputError(f"{name}: is empty (0 bytes); was it read or copied to its end before?")
    return _load(_open(io.BytesIO(data), name), name, max_pixels), name


def _check_path(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{path}: is a folder, not a picture; give a file inside it.")
    if not path.exists():
        hint = "check the spelling"
        if "://" in str(path) or ":/" in str(path):
            hint = "addresses are not fetched, download the picture first"
        raise InputError(f"{path}: no such file; {hint}.")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: is empty (0 bytes); copy or download it again.")


def _open(file: IO[bytes], name: str) -> Image.Image:
    start = file.read(512)
    file.seek(0)
    try:
        # Pillow's own pixel limit warns at one size and fails at another, whatever is asked
        # for here; _load checks ours before anything is decoded.
        with _quiet():
            limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            try:
                return Image.open(file, formats=FORMATS)
            finally:
                Image.MAX_IMAGE_PIXELS = limit
    except UnidentifiedImageError as error:
        raise InputError(f"{name}: {_what_else(start)}") from error
    except _DAMAGE as error:
        raise InputError(f"{name}: is damaged ({error}); copy or export it again.") from error


def _what_else(start: bytes) -> str:
    """Say what a file is that no decoder took, from its first bytes."""
    text = start.removeprefix(b"\xef\xbb\xbf")
    if all(byte >= 32 or byte in b"\t\n\r\f" for byte in text) and b"\x7f" not in text:
        return "holds text, not a picture, whatever its name says; give the picture itself."
    if start[4:8] == b"ftyp" and start[8:12] in (b"heic", b"heix", b"mif1", b"avif", b"msf1"):
        return "is a HEIC or AVIF picture, which is not read here; export it as JPEG or PNG."
    if start[4:8] == b"ftyp" or start[:4] == b"\x1aE\xdf\xa3":
        return "is a video, not a picture; give it a video's name, such as .mp4."
    return (
        f"is not a picture that can be read here, or its start is damaged; expected "
        f"{', '.join(FORMATS)}. Export it again as JPEG or PNG."
    )


def _load(image: Image.Image, name: str, max_pixels: int) -> Image.Image:
    width, height = image.size
    if width * height > max_pixels:
        raise InputError(
            f"{name}: {width}x{height} is {width * height:,} pixels, more than the limit of "
            f"{max_pixels:,}; make it smaller first, or allow more (--max-pixels, where the "
            "command has it)."
        )
    if not width or not height:
        raise InputError(f"{name}: has no pixels ({width}x{height}).")
    try:
        # A TIFF's metadata is read once more when it is decoded.
        with _quiet() if image.format == "TIFF" else nullcontext():
            image.load()
    except _DAMAGE as error:
        raise InputError(
            f"{name}: is cut off or damaged ({error}); copy or download it again."
        ) from error
    turn = _TURNS.get(_orientation(image))
    if turn is None:
        return image
    turned = image.transpose(turn)
    turned.format = image.format
    return turned


def _orientation(image: Image.Image) -> int:
    try:
        with _quiet():
            return image.getexif().get(0x0112, 1)
    except _DAMAGE:
        return 1  # damaged EXIF says nothing about rotation, and the pixels are whole
