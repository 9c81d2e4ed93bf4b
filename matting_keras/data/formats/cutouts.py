"""People already cut out: RGBA pictures, as `matting-keras compose` leaves them in cutouts/.

Their colours are the persons' own, so a training composites them anew at every use; without
backgrounds there is nothing to show them in front of.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from matting_keras.data.formats.folder import people_of
from matting_keras.data.formats.layout import Format, Found, by_stem, pictures
from matting_keras.data.masks import read_cutout
from matting_keras.data.sample import Sample
from matting_keras.media.images import read_image


def parts(root: Path) -> dict[str, str | None]:
    """Cut-outs have no official parts."""
    return {"all": None}


def read(root: Path, part: str) -> Found:
    """The cut-outs of a folder.

    Args:
        root: the folder; its people.csv may say who is in which.
        part: "all".

    Raises:
        InputError: two files of one stem, or a people.csv that cannot be read.
    """
    person = people_of(root)
    return Found(
        [
            Sample(str(path), partial(_read, path), person(stem), cutout=True)
            for stem, path in by_stem(pictures(root)).items()
        ]
    )


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    return read_image(path), read_cutout(path)


CUTOUTS = Format(
    "cutouts",
    "a folder of cut-outs",
    """\
  NAME.png      RGBA: a person's own colours, and alpha
  people.csv    stem,person (optional)""",
    ("*.png", "*.webp", "*.tif", "*.tiff"),
    parts,
    read,
    nested=False,
)
