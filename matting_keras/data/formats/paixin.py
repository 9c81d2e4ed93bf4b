"""Foregrounds in the manner of paixin_comp_mod: photos and computed mattes by category.

The backgrounds beside them hold nobody. Pass those folders as backgrounds, the plain ones
(background_easy/) first where training goes from easy to hard.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from matting_keras.data.formats.layout import Format, Found, by_stem, pair, pictures
from matting_keras.data.sample import Sample, read_pair


def parts(root: Path) -> dict[str, str | None]:
    """There are categories, but no official split."""
    return {"all": None}


def read(root: Path, part: str) -> Found:
    """The photos and mattes of all categories.

    Args:
        root: the folder of the categories.
        part: "all".

    Raises:
        InputError: two files of one stem in a category.
    """
    photos = by_stem(_within(root, "raw_image"), _category_and_stem)
    mattes = by_stem(_within(root, "mask_image"), _category_and_stem)
    pairs, alone = pair(
        photos, mattes, lambda photo: photo.parents[1] / "mask_image" / f"{photo.stem}.png"
    )
    samples = [
        Sample(str(photo), partial(read_pair, photo, matte), f"paixin/{photo.stem}")
        for _, photo, matte in pairs
    ]
    return Found(samples, alone)


def _within(root: Path, name: str) -> list[Path]:
    return [path for folder in sorted(root.glob(f"*/{name}")) for path in pictures(folder)]


def _category_and_stem(path: Path) -> str:
    return f"{path.parents[1].name}/{path.stem}"


PAIXIN = Format(
    "paixin",
    "a set of foregrounds like paixin_comp_mod",
    """\
  CATEGORY/raw_image/NAME.png     CATEGORY/mask_image/NAME.png     (man_in_white, mixed, ...)
  background/NAME.JPEG            background_easy/NAME.png         (without people; optional)""",
    ("*/raw_image",),
    parts,
    read,
    published={"all": (3241,)},
)
