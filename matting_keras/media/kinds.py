"""Telling pictures from videos: by name, and by content where the name does not say."""

from __future__ import annotations

import os
from pathlib import Path

from matting_keras.errors import InputError
from matting_keras.media.images import IMAGE_SUFFIXES
from matting_keras.media.video import VIDEO_SUFFIXES

_IMAGE_STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\x00", b"MM\x00*")
_PHONE_PICTURES = (b"heic", b"heix", b"mif1", b"msf1", b"avif")
"""Pictures that begin as videos do. They are not read, which the reader of pictures says best."""

_VIDEO_STARTS = (b"\x1aE\xdf\xa3", b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3")


def kind_of(path: str | os.PathLike) -> str:
    """Whether a file is an "image" or a "video".

    Args:
        path: a file. Its suffix decides; only an unknown one makes its first bytes be read.

    Returns:
        "image" or "video".

    Raises:
        InputError: no such file, or neither by name nor by content.

    Example:
        >>> kind_of("holiday.MP4"), kind_of("me.jpeg")
        ('video', 'image')
    """
    suffix = Path(path).suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        return "image"
    if suffix in VIDEO_SUFFIXES:
        return "video"
    try:
        with open(path, "rb") as file:
            start = file.read(16)
    except OSError as error:
        if ":/" in str(path):
            raise InputError(
                f"{path}: addresses are not opened; let ffmpeg do that: ffmpeg -i ADDRESS "
                "-f rawvideo -pix_fmt rgb24 - | python demo.py - --raw WIDTHxHEIGHT@FPS."
            ) from error
        raise InputError(f"{path}: cannot be read ({error.strerror or error}).") from error
    if starts_picture(start):
        return "image"
    if start.startswith(_VIDEO_STARTS) or start[4:8] == b"ftyp" or start[8:11] == b"AVI":
        return "video"
    raise InputError(
        f"{path}: neither a picture nor a video, by its name or its content; expected "
        f"{', '.join((*IMAGE_SUFFIXES, *VIDEO_SUFFIXES))}."
    )


def starts_picture(start: bytes) -> bool:
    """Whether a file that begins with these 16 bytes is a picture.

    Example:
        >>> starts_picture(b"\\x89PNG" + bytes(12)), starts_picture(bytes(16))
        (True, False)
    """
    return start.startswith(_IMAGE_STARTS) or start[8:12] in (b"WEBP", *_PHONE_PICTURES)
