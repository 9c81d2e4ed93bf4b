"""What the page does with pictures, without the page: in, smaller, and out again as files."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from matting_keras.errors import InputError
from matting_keras.inference.composite import Background, composite
from matting_keras.media.images import Photo, read_photo, write_image

MAX_MEGABYTES = 20
MAX_PIXELS = 40_000_000
BEST_PIXELS = 16_000_000
"""Above this the foreground is not solved for ("best"): at 40 megapixels that needs 4.2 GB of
memory, where "fast" needs 1.1."""

SHOWN_SIDE = 1400
"""Longest side, in pixels, of what the page shows: the files have the picture's own size."""

SQUARE = 14
QUALITY = 88


class Shown(NamedTuple):
    """A picture and its alpha, small enough to be worked on at every click.

    Attributes:
        rgb: uint8 (height, width, 3).
        alpha: float32 (height, width) in 0..1.
    """

    rgb: np.ndarray
    alpha: np.ndarray


def read_upload(data: bytes, name: str) -> Photo:
    """Read a picture that somebody has uploaded.

    Args:
        data: the file, at most `MAX_MEGABYTES` (of 2**20 bytes).
        name: its name, for messages only: nothing is opened by it.

    Returns:
        A `Photo` the right way up, of at most `MAX_PIXELS`.

    Raises:
        InputError: too large (found out before decoding), empty, damaged, or not a picture.

    Example:
        >>> read_upload(b"Dear Ada, ...", "letter.jpg")
        Traceback (most recent call last):
        matting_keras.errors.InputError: letter.jpg: holds text, not a picture, ...
    """
    if len(data) > MAX_MEGABYTES * 2**20:
        raise InputError(
            f"{name}: has {len(data) / 2**20:.0f} MB, more than the limit of {MAX_MEGABYTES}; "
            "save it smaller, or as JPEG."
        )
    file = io.BytesIO(data)
    file.name = name
    return read_photo(file, max_pixels=MAX_PIXELS)


def shrink(photo: Photo, alpha: np.ndarray, side: int = SHOWN_SIDE) -> Shown:
    """A picture and its alpha at a size to look at.

    Args:
        photo: of any size.
        alpha: float32 (height, width) in 0..1, of that size.
        side: longest side of the result, in pixels; smaller pictures stay as they are.

    Returns:
        Both, aspect kept.

    Example:
        >>> photo = Photo(np.zeros((300, 400, 3), "uint8"), None)
        >>> shrink(photo, np.zeros((300, 400), "float32"), side=100).alpha.shape
        (75, 100)
    """
    height, width = alpha.shape
    scale = side / max(height, width)
    if scale >= 1:
        return Shown(photo.rgb, alpha)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    rgb, thin = (
        # Two steps, of which the first is a cheap average, look the same as one.
        np.asarray(Image.fromarray(full).resize(size, Image.Resampling.BILINEAR, reducing_gap=3))
        for full in (photo.rgb, alpha)
    )
    return Shown(rgb, np.clip(thin, 0, 1))


def checkerboard(size: tuple[int, int]) -> np.ndarray:
    """What stands for transparency: uint8 gray squares, (height, width, 3).

    Example:
        >>> checkerboard((20, 20))[[0, 0], [0, 19], 0].tolist()
        [255, 222]
    """
    rows, columns = (np.arange(side) // SQUARE for side in size)
    squares = np.where((rows[:, None] + columns) % 2, 222, 255).astype(np.uint8)
    return np.repeat(squares[..., None], 3, axis=2)


def jpeg(picture: np.ndarray) -> bytes:
    """A uint8 picture, gray or RGB, as a JPEG to look at."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def render(
    photo: Photo, alpha: np.ndarray, background: Background, foreground: str, suffix: str
) -> bytes:
    """The file to download, at the picture's own size.

    Args:
        photo: the picture.
        alpha: float32 (height, width) in 0..1, of its size.
        background: as in `composite`.
        foreground: as in `composite`.
        suffix: ".png" or ".jpg".

    Returns:
        The file's bytes. Nothing of the photo's metadata (place, camera) travels along.

    Raises:
        InputError: a background that cannot be used.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"picture{suffix}")
        write_image(path, composite(photo, alpha, background, foreground))
        return path.read_bytes()


def file_name(original: str, background: Background, suffix: str) -> str:
    """A download's name, after the picture's own.

    Example:
        >>> file_name("me.at.home.JPG", "transparent", ".png"), file_name("me.png", "teal", ".jpg")
        ('me.at.home-cutout.png', 'me-new-background.jpg')
    """
    transparent = isinstance(background, str) and background == "transparent"
    return f"{Path(original).stem}-{'cutout' if transparent else 'new-background'}{suffix}"


def samples() -> list[Path]:
    """The portraits of a checkout; none where the package was installed from a wheel."""
    checkout = Path(__file__).resolve().parents[2]
    folder = checkout / "samples"
    if not (checkout / "pyproject.toml").is_file() or not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix in (".jpg", ".png"))
