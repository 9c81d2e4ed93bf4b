"""One photo with its alpha, and how the two are read together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from matting_keras.data.masks import read_mask
from matting_keras.errors import InputError
from matting_keras.media.images import read_image


@dataclass(frozen=True)
class Sample:
    """One photo with its alpha.

    Attributes:
        name: says which one it is in messages: the image's path, or the drawing's number.
        read: returns RGB uint8 (height, width, 3) and alpha float32 (height, width) in 0..1, or
            None where there is no alpha.
        person: samples with the same value show the same person and stay on the same side of
            the split between training and validation.
        rough: the alpha is a hard mask made by hand or by machine, not a matte.
        split: the data set's own "train", "validation" or "test"; None where it has none.
        trimap: the file of the trimap that came with it, if one did.
        labels: the file of class numbers that the alpha was made from, if it was.
        cutout: the picture is the person's own colours and nothing else; it is shown only in
            front of other scenes.
    """

    name: str
    read: Callable[[], tuple[np.ndarray, np.ndarray | None]]
    person: str
    rough: bool = False
    split: str | None = None
    trimap: Path | None = None
    labels: Path | None = None
    cutout: bool = False
    labelled: bool = True


def read_pair(
    image: Path, alpha: Path, read: Callable[[Path], np.ndarray] = read_mask
) -> tuple[np.ndarray, np.ndarray]:
    """Read a photo and its alpha.

    Args:
        image: the photo.
        alpha: the file that holds the alpha.
        read: what makes an alpha of that file, float32 (height, width) in 0..1.

    Returns:
        RGB uint8 (height, width, 3) and alpha float32 (height, width).

    Raises:
        InputError: a file is damaged or is no mask, or the two differ in size.
    """
    rgb, matte = read_image(image), read(alpha)
    return rgb, same_size(matte, alpha, rgb, image)


def same_size(matte: np.ndarray, alpha: Path, rgb: np.ndarray, image: Path) -> np.ndarray:
    """The alpha, once it is known to fit its photo.

    Raises:
        InputError: the two differ in size.
    """
    if rgb.shape[:2] == matte.shape:
        return matte
    turned = ""
    if rgb.shape[:2] == matte.shape[::-1]:
        turned = " (a quarter turn: only one of the two says in its EXIF how it was held?)"
    raise InputError(
        f"{alpha}: is {matte.shape[1]}x{matte.shape[0]} but its image {image.name} is "
        f"{rgb.shape[1]}x{rgb.shape[0]}{turned}; make them the same size."
    )
