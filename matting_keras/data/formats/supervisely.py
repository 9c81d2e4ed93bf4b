"""Supervisely Person: photos and JSON annotations, read directly or written out as PNG masks."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from matting_keras.data.formats.annotation import draw
from matting_keras.data.formats.layout import Format, Found, by_stem, pair, pictures
from matting_keras.data.sample import Sample, read_pair
from matting_keras.errors import InputError
from matting_keras.media.images import IMAGE_SUFFIXES, write_image


def parts(root: Path) -> dict[str, str | None]:
    """There are folders ds1 to ds13, but no official split."""
    return {"all": None}


def read(root: Path, part: str) -> Found:
    """The photos and drawn masks of all folders.

    Photos of one name in several folders are the same photo, so they share their person.

    Args:
        root: the folder of ds1, ds2 and so on, or one of them.
        part: "all".

    Raises:
        InputError: two photos of one name in a folder.
    """
    pairs, alone = annotated(root)
    samples = [
        Sample(
            str(photo),
            partial(read_pair, photo, annotation, read_annotation),
            f"supervisely/{photo.stem}",
            rough=True,
        )
        for _, photo, annotation in pairs
    ]
    return Found(samples, alone)


def read_annotation(path: Path) -> np.ndarray:
    """Draw an annotation as an alpha, float32 (height, width), 0 or 1."""
    return (draw(path) > 0).astype(np.float32)


def annotated(root: Path) -> tuple[list[tuple[str, Path, Path]], tuple[str, ...]]:
    """Key, photo and annotation of each pair, and a sentence for each file that stays alone."""
    everything: list[tuple[str, Path, Path]] = []
    alone: tuple[str, ...] = ()
    for folder in sorted({p.parent for p in (*root.glob("ann"), *root.glob("*/ann"))}):
        photos = by_stem(pictures(folder / "img"), lambda photo: photo.name)
        # Today's files are called after the photo's whole name, older ones after its stem.
        names = {Path(name).stem: name for name in photos}
        annotations = by_stem(
            sorted(p for p in (folder / "ann").glob("*.json") if not p.name.startswith(".")),
            lambda path, names=names: _photo_of(path, names),
        )
        pairs, single = pair(
            photos, annotations, lambda photo: photo.parents[1] / "ann" / f"{photo.name}.json"
        )
        everything += [(f"{folder.name}/{name}", *files) for name, *files in pairs]
        alone += single
    return everything, alone


class Converted(NamedTuple):
    """What `convert` did.

    Attributes:
        written: the masks that were written.
        kept: how many had been there before.
        failed: a sentence for each photo or annotation that gave none.
    """

    written: list[Path]
    kept: int
    failed: list[str]


def convert(
    root: str | os.PathLike, output: str | os.PathLike, *, overwrite: bool = False
) -> Converted:
    """Write the annotations of a set as PNG masks of 0 and 255: `output/ds1/masks/NAME.png`.

    Each is written whole or not at all, and those that are there are not made again, so that a
    run that was stopped can be started once more.

    Args:
        root: the set's folder.
        output: where to write; the set's own folder is a good place.
        overwrite: make those again that are there.

    Raises:
        InputError: not such a set, or a place that cannot be written.

    Example:
        convert("persons/project", "persons/project").failed
    """
    pairs, alone = annotated(SUPERVISELY.locate(Path(root)))
    done = Converted([], 0, list(alone))
    kept, taken = 0, set()
    for key, photo, annotation in pairs:
        target = Path(output, Path(key).parent, "masks", f"{photo.stem}.png")
        if target in taken:
            done.failed.append(f"{photo}: {target.name} is the mask of another photo; rename it")
            continue
        taken.add(target)
        if target.exists() and not overwrite:
            kept += 1
            continue
        try:
            mask = draw(annotation)
        except InputError as error:
            done.failed.append(str(error))
            continue
        write_image(target, mask)
        done.written.append(target)
    return done._replace(kept=kept)


def _photo_of(annotation: Path, names: dict[str, str]) -> str:
    name = annotation.stem
    if Path(name).suffix.lower() in IMAGE_SUFFIXES:
        return name
    return names.get(name, name)


SUPERVISELY = Format(
    "supervisely",
    "Supervisely Person",
    """\
  ds1/img/NAME.png     ds1/ann/NAME.png.json     (and ds2 ... ds13)""",
    ("ann", "*/ann"),
    parts,
    read,
    published={"all": (5711,)},
)
