"""PPM-100: a hundred large portraits with fine mattes, made for scoring."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from matting_keras.data.formats.layout import Format, Found, by_stem, pair, pictures
from matting_keras.data.sample import Sample, read_pair

PLACES = {
    "image": ("image", "matte", "test"),
    "train": ("train/fg", "train/alpha", "train"),
    "val": ("val/fg", "val/alpha", "validation"),
}
"""Folder of photos, folder of mattes, and split: as published, and as PaddleSeg repacks it."""


def parts(root: Path) -> dict[str, str | None]:
    """The parts that are there, with their splits."""
    return {part: split for part, (photos, _, split) in PLACES.items() if (root / photos).is_dir()}


def read(root: Path, part: str) -> Found:
    """The photos and mattes of one part.

    Args:
        root: the folder with image/ and matte/, or with train/ and val/.
        part: "image", "train" or "val".

    Raises:
        InputError: two files of one stem.
    """
    photos, mattes, _ = PLACES[part]
    pairs, alone = pair(
        by_stem(pictures(root / photos)),
        by_stem(pictures(root / mattes)),
        lambda photo: root / mattes / photo.name,
    )
    samples = [
        Sample(str(photo), partial(read_pair, photo, matte), f"ppm100/{stem}")
        for stem, photo, matte in pairs
    ]
    return Found(samples, alone)


PPM100 = Format(
    "ppm100",
    "PPM-100",
    """\
  image/NAME.jpg      matte/NAME.jpg
or, as PaddleSeg repacks it,
  train/fg/NAME.jpg   train/alpha/NAME.jpg
  val/fg/NAME.jpg     val/alpha/NAME.jpg""",
    ("image", "train/fg", "val/fg"),
    parts,
    read,
    published={"image": (100,)},
)
