"""Mask files of every kind, each read for what it is, and refused for what it is not.

A mask that is read wrongly does not fail: a 0/1 file looks like an empty scene, a label map in
colours like a faint person. Training on either goes on for days before anybody notices.
"""

from __future__ import annotations

import os

import numpy as np
from PIL import Image

from matting_keras.errors import InputError
from matting_keras.media.decode import MAX_PIXELS, decode
from matting_keras.media.images import read_alpha, read_photo

STEP = np.float32(1 / 255)

COLOUR_MODES = ("P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")

KEPT = ("transparency", "icc_profile")

COLOURFUL, COLOURFUL_SHARE = 32, 0.002
"""Channels this far apart, in this share of the pixels, are more than JPEG makes of gray."""

WIDE_EDGE = 1.5
"""Gray pixels for each pixel of edge from which an alpha is soft: real hard masks that were
scaled have 0.9 to 1.2, drawn portraits with hair 2 to 6, networks more than 10."""

MANY_CLASSES = 64
"""More different values than this are a soft alpha, not class numbers."""


def read_mask(path: str | os.PathLike) -> np.ndarray:
    """Read a gray mask or matte, or the transparency of a picture that has some.

    Args:
        path: the file.

    Returns:
        float32 (height, width) in 0..1.

    Raises:
        InputError: damaged, in colours, or with no other values than 0 and 1.
    """
    alpha = _gray(path)
    if 0 < alpha.max() <= STEP:
        raise InputError(
            f"{path}: holds 0 and 1, expected 0 to 255, and would be taken for an empty scene; "
            "multiply it by 255, or name the data set labels:FOLDER, where everything above 0 "
            "is person."
        )
    return alpha


def read_cutout(path: str | os.PathLike) -> np.ndarray:
    """Read the alpha of an RGBA cut-out: its fourth channel, opaque or not.

    Returns:
        float32 (height, width) in 0..1.

    Raises:
        InputError: damaged, or a picture without an alpha channel.
    """
    image, name = decode(path, MAX_PIXELS)
    if not image.has_transparency_data:
        raise InputError(
            f"{name}: has no alpha channel ({image.mode}), expected a cut-out, RGBA; copy it "
            "again, or name the data set folder:FOLDER if its masks are gray."
        )
    return np.asarray(image.convert("RGBA").getchannel("A"), np.float32) * STEP


def read_labels(path: str | os.PathLike, classes: int = 256) -> np.ndarray:
    """Read class numbers.

    Args:
        path: a picture of one channel, or with a palette whose indices are the numbers.
        classes: how many there are; their numbers begin at 0.

    Returns:
        uint8 (height, width).

    Raises:
        InputError: damaged, in colours, or with numbers that are no class.
    """
    image, name = decode(path, MAX_PIXELS)
    if image.mode not in ("L", "P", "1", "I;16", "I"):
        raise InputError(
            f"{name}: is {image.mode}, expected class numbers in one channel; export the labels "
            "as numbers, not as colours."
        )
    numbers = np.asarray(image)
    if numbers.max() >= classes:
        raise InputError(
            f"{name}: holds {numbers.max()}, expected class numbers 0..{classes - 1}; is it a "
            "mask of 0..255 in the place of the labels?"
        )
    return numbers.astype(np.uint8)


def read_person(path: str | os.PathLike, classes: int = 256) -> np.ndarray:
    """Read class numbers as a hard mask: everything above 0 is person.

    Returns:
        float32 (height, width), 0 or 1.

    Raises:
        InputError: as `read_labels`, or a soft alpha in the place of class numbers.
    """
    numbers = read_labels(path, classes)
    if np.count_nonzero(np.bincount(numbers.ravel())) > MANY_CLASSES:
        raise InputError(
            f"{path}: holds more than {MANY_CLASSES} different values, a soft alpha rather than "
            "class numbers; read the data set as folder:FOLDER."
        )
    return (numbers > 0).astype(np.float32)


def read_numbered(path: str | os.PathLike) -> np.ndarray:
    """Read a mask that counts 0, 1 as lists of PaddleSeg do, or a gray one of 0..255.

    Returns:
        float32 (height, width) in 0..1.

    Raises:
        InputError: damaged, or in colours.
    """
    alpha = _gray(path)
    return (alpha > 0).astype(np.float32) if alpha.max() <= STEP else alpha


def kind(alpha: np.ndarray) -> str:
    """What an alpha is: "soft", "binary", or "empty" where nobody is in the picture.

    A hard mask that was scaled is gray along its edge, about one pixel wide; hair and blur are
    wider. So gray pixels are counted against the length of the edge.

    Args:
        alpha: float (height, width), 0..1.

    Example:
        >>> step = np.array([[0, 0, 0, 0.5, 1, 1, 1, 1]])
        >>> kind(step), kind(np.linspace(0, 1, 8)[None]), kind(0 * step)
        ('binary', 'soft', 'empty')
    """
    gray = np.count_nonzero((alpha > STEP) & (alpha < 1 - STEP))
    person = alpha > 0.5
    edge = sum(
        np.count_nonzero(person[one] != person[other])
        for one, other in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1]))
    )
    if gray > WIDE_EDGE * max(edge, 1):
        return "soft"
    return "binary" if person.any() else "empty"


def looks_inverted(alpha: np.ndarray) -> bool:
    """Whether an alpha has a white frame around a dark middle, as a mask of the background has.

    A person may fill the lower edge and parts of the sides, so only the upper edge and the upper
    halves of the sides count. It is a hint for whoever looks, and decides nothing.

    Args:
        alpha: float (height, width), 0..1.

    Example:
        >>> person = np.zeros((8, 8)); person[2:, 2:6] = 1
        >>> looks_inverted(person), looks_inverted(1 - person), looks_inverted(person * 0 + 1)
        (False, True, False)
    """
    height, width = alpha.shape
    frame = np.concatenate([alpha[0], alpha[: height // 2, 0], alpha[: height // 2, -1]])
    middle = alpha[height // 4 : -(height // 4) or None, width // 4 : -(width // 4) or None]
    return bool(frame.mean() > 0.9 and middle.mean() < 0.6)


def _gray(path: str | os.PathLike) -> np.ndarray:
    """The alpha in a file: its transparency, or its gray.

    Raises:
        InputError: damaged, or a picture in colours.
    """
    image, name = decode(path, MAX_PIXELS)
    # It has been turned the right way up, and must not be turned a second time.
    image.info = {key: image.info[key] for key in KEPT if key in image.info}
    image.filename = name
    if image.mode not in COLOUR_MODES:
        return read_alpha(image)
    photo = read_photo(image)
    if photo.alpha is not None:
        return photo.alpha
    spread = np.ptp(photo.rgb, axis=2) > COLOURFUL
    if spread.mean() > COLOURFUL_SHARE:
        raise InputError(
            f"{path}: is a picture in colours, expected a gray mask of 0..255; is it a photo, or "
            "a label map? Export masks without colours."
        )
    return np.asarray(Image.fromarray(photo.rgb).convert("L"), np.float32) * STEP
