"""AISegment's matting_human_datasets: half-length portraits of 600x800 and RGBA cut-outs.

The copy on Kaggle holds everything a second time below matting_human_half/; it is read once.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from matting_keras.data.formats.layout import Format, Found, by_stem, is_picture, pair
from matting_keras.data.formats.list_file import lines
from matting_keras.data.masks import read_cutout
from matting_keras.data.sample import Sample, read_pair

LISTS = {"train": ("x_train.txt", "train.txt"), "validation": ("x_val.txt", "val.txt")}
"""Names of the list files that divide the photos, where somebody has put them there."""


def parts(root: Path) -> dict[str, str | None]:
    """What list files divide it into; without any it has no official split."""
    listed = {part: part for part in LISTS if _list(root, part)}
    return dict(listed) or {"all": None}


def read(root: Path, part: str) -> Found:
    """The photos and cut-outs, all of them or those on a list.

    A group of photos counts as one person: who is on them is not known, but near-copies and
    people that come back do so within their group.

    Args:
        root: the folder with clip_img/ and matting/.
        part: "all", or "train" or "validation" where there are lists.

    Raises:
        InputError: two files of one stem, or a list that cannot be read.
    """
    cutouts = by_stem(_files(root / "matting"), _key)
    if part == "all":
        pairs, alone = pair(by_stem(_files(root / "clip_img"), _key), cutouts, cutout_of)
    else:
        pairs, alone = _listed(root, part, cutouts)
    samples = [
        Sample(
            str(photo),
            partial(read_pair, photo, cutout, read_cutout),
            f"aisegment/{photo.parents[1].name}",
        )
        for _, photo, cutout in pairs
    ]
    return Found(samples, alone)


def cutout_of(photo: Path) -> Path:
    """Where the cut-out of a photo lies.

    Example:
        >>> cutout_of(Path("clip_img/18/clip_00000000/18-00000001.jpg")).as_posix()
        'matting/18/matting_00000000/18-00000001.png'
    """
    folder = photo.parent.name.replace("clip_", "matting_", 1)
    root = photo.parents[3]
    return root / "matting" / photo.parents[1].name / folder / f"{photo.stem}.png"


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*/*/*") if is_picture(path))


def _key(path: Path) -> str:
    """Group, number of the folder in it, and stem."""
    return f"{path.parents[1].name}/{path.parent.name.rpartition('_')[2]}/{path.stem}"


def _list(root: Path, part: str) -> Path | None:
    return next((root / name for name in LISTS[part] if (root / name).is_file()), None)


def _listed(root: Path, part: str, cutouts: dict[str, Path]):
    listing = _list(root, part)
    pairs, alone = [], []
    for number, line in lines(listing):
        photo = root / line.replace("\\", "/")
        cutout = cutouts.get(_key(photo))
        if cutout and photo.is_file():
            pairs.append((line, photo, cutout))
        else:
            missing = photo if cutout else cutout_of(photo)
            alone.append(f"{listing}, line {number}: {missing} is not there")
    return pairs, tuple(alone)


AISEGMENT = Format(
    "aisegment",
    "AISegment's matting_human_datasets",
    """\
  clip_img/GROUP/clip_00000000/GROUP-00000001.jpg
  matting/GROUP/matting_00000000/GROUP-00000001.png      RGBA
  x_train.txt, x_val.txt (optional): lists of photos, clip_img/... on each line""",
    ("clip_img", "matting"),
    parts,
    read,
    published={"all": (34427,)},
)
