"""Many pictures at once: a folder's tree mirrored, what is done kept, what is bad listed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from matting_keras.errors import InputError
from matting_keras.inference.composite import composite
from matting_keras.inference.foreground import to_share
from matting_keras.inference.matter import Matter
from matting_keras.inference.pipeline import BATCH
from matting_keras.media.decode import MAX_PIXELS
from matting_keras.media.images import Photo, list_images, read_photo, write_image

TOGETHER = 24_000_000
"""Pixels in memory, all in all, beyond which no further picture is read before these are done."""


class Outcome(NamedTuple):
    """What became of one picture.

    Attributes:
        source: the picture.
        target: the file written, or that was there already.
        error: why there is none; empty where there is one.
        skipped: the file was there already.
    """

    source: Path
    target: Path
    error: str = ""
    skipped: bool = False


def pictures(paths: Sequence[str | os.PathLike], output: Path) -> list[tuple[Path, Path]]:
    """Each picture and the PNG to write: a folder's tree is mirrored below the output.

    Args:
        paths: pictures and folders.
        output: the folder to write into; pictures in it are not taken again.

    Raises:
        InputError: a folder without pictures (or with none but those in the output), two pictures
            for one file, or one that would be written over a picture that is to be read. Files
            that are not there are left to `matte_pictures`.
    """
    found: dict[Path, Path] = {}
    for path in map(Path, paths):
        inside = list_images(path) if path.is_dir() else [path]
        for source in inside:
            if path.is_dir() and output.resolve() in source.resolve().parents:
                continue
            place = source.relative_to(path) if path.is_dir() else Path(source.name)
            target = (output / place).with_suffix(".png")
            if target in found and found[target] != source:
                raise InputError(
                    f"{found[target]} and {source} would both become {target}; rename one, or "
                    "matte them into different folders."
                )
            found[target] = source
    if not found:
        raise InputError(f"{output}: holds all the pictures there are; write somewhere else.")
    read = {source.resolve() for source in found.values()}
    for target, source in found.items():
        if target.resolve() in read:
            raise InputError(
                f"{source}: would be written over a picture that is read, {target}; write into "
                "another folder."
            )
    return [(source, target) for target, source in found.items()]


def matte_pictures(
    jobs: Sequence[tuple[Path, Path]],
    matter: Matter,
    *,
    alpha_only: bool = False,
    foreground: str = "fast",
    overwrite: bool = False,
    max_pixels: int = MAX_PIXELS,
) -> Iterator[Outcome]:
    """Cut out many pictures, a few at a time; a bad one does not stop the others.

    Args:
        jobs: from `pictures`.
        matter: the network.
        alpha_only: write the alpha as an 8-bit gray PNG instead of the person with transparency.
        foreground: how the person's colours are estimated, see `composite`.
        overwrite: do again what is there already.
        max_pixels: a larger picture is a bad one.

    Yields:
        One `Outcome` for each picture.
    """

    def finish(photo: Photo, alpha: np.ndarray) -> np.ndarray:
        if alpha_only:
            return to_share(alpha)
        return composite(photo, alpha, "transparent", foreground)

    waiting: list[tuple[Path, Path, Photo]] = []
    for source, target in jobs:
        if target.exists() and not overwrite:
            yield Outcome(source, target, skipped=True)
            continue
        try:
            waiting.append((source, target, read_photo(source, max_pixels=max_pixels)))
        except InputError as error:
            yield Outcome(source, target, str(error))
        if len(waiting) == BATCH or _pixels(waiting) > TOGETHER:
            yield from _finished(waiting, matter, finish)
            waiting = []
    yield from _finished(waiting, matter, finish)


def _pixels(waiting: list[tuple[Path, Path, Photo]]) -> int:
    return sum(photo.rgb.shape[0] * photo.rgb.shape[1] for _, _, photo in waiting)


def _finished(waiting, matter: Matter, finish) -> Iterator[Outcome]:
    alphas = matter.batch([photo for _, _, photo in waiting])
    for (source, target, photo), alpha in zip(waiting, alphas, strict=True):
        try:
            write_image(target, finish(photo, alpha))
        except InputError as error:
            yield Outcome(source, target, str(error))
        else:
            yield Outcome(source, target)
