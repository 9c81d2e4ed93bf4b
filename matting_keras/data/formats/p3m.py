"""P3M-10k: portraits with blurred faces and mattes drawn by hand.

Two sets of 500 photos are for scoring: P3M-500-P with blurred faces, P3M-500-NP without.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from matting_keras.data.formats.layout import Format, Found, by_stem, pair, pictures
from matting_keras.data.sample import Sample, read_pair

PLACES = {
    "train": ("train", "blurred_image", "train"),
    "P3M-500-P": ("validation/P3M-500-P", "blurred_image", "test"),
    "P3M-500-NP": ("validation/P3M-500-NP", "original_image", "test"),
}
"""Folder, folder of its photos, and split. What is called validation there is what everybody
publishes scores on, so training never chooses its best epoch by it."""


def parts(root: Path) -> dict[str, str | None]:
    """The parts that are there, with their splits."""
    return {part: split for part, (place, _, split) in PLACES.items() if (root / place).is_dir()}


def read(root: Path, part: str) -> Found:
    """The photos, mattes and trimaps of one part.

    Args:
        root: the folder with train/ and validation/.
        part: "train", "P3M-500-P" or "P3M-500-NP".

    Raises:
        InputError: two files of one stem.
    """
    place, photos, _ = PLACES[part]
    folder = root / place
    trimaps = by_stem(pictures(folder / "trimap"))
    pairs, alone = pair(
        by_stem(pictures(folder / photos)),
        by_stem(pictures(folder / "mask")),
        lambda photo: folder / "mask" / f"{photo.stem}.png",
    )
    samples = [
        Sample(str(photo), partial(read_pair, photo, mask), f"p3m/{stem}", trimap=trimaps.get(stem))
        for stem, photo, mask in pairs
    ]
    return Found(samples, alone)


P3M = Format(
    "p3m",
    "P3M-10k",
    """\
  train/blurred_image/NAME.jpg                      train/mask/NAME.png
  validation/P3M-500-P/blurred_image/NAME.jpg       .../mask/NAME.png   .../trimap/NAME.png
  validation/P3M-500-NP/original_image/NAME.jpg     .../mask/NAME.png   .../trimap/NAME.png""",
    ("train/blurred_image", "validation/P3M-500-P", "validation/P3M-500-NP"),
    parts,
    read,
    published={"train": (9421,), "P3M-500-P": (500,), "P3M-500-NP": (500,)},
)
