"""Lists of files in the manner of PaddleSeg: one pair a line, below the folder of the list.

A line names a photo and its mask, `images/a.jpg labels/a.png`, or, for matting, a photo in a
folder fg/ whose alpha is in alpha/ beside it: `train/fg/a.jpg [background [trimap]]`. Columns are
parted by a space, or by | or a tab where names have spaces.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from matting_keras.data.formats.layout import Format, Found
from matting_keras.data.masks import read_mask, read_numbered
from matting_keras.data.sample import Sample, read_pair
from matting_keras.errors import InputError

SPLITS = {
    "train": "train",
    "train_list": "train",
    "val": "validation",
    "val_list": "validation",
    "test": "test",
    "test_list": "test",
}
SEPARATORS = ("|", "\t", ",", " ")


def parts(root: Path) -> dict[str, str | None]:
    """The lists that are there, with their splits; one list alone is a part of its own."""
    if root.is_file():
        return {root.stem: SPLITS.get(root.stem)}
    return {name: split for name, split in SPLITS.items() if (root / f"{name}.txt").is_file()}


def read(root: Path, part: str) -> Found:
    """The pairs of one list.

    Args:
        root: the folder of the lists, or one list.
        part: the list's stem.

    Raises:
        InputError: a list that cannot be read, or a line that names no mask.
    """
    listing = root if root.is_file() else root / f"{part}.txt"
    folder = listing.parent
    samples, alone = [], []
    for number, line in lines(listing):
        photo, mask, trimap, rough = _files(folder, columns(line, folder), listing, number)
        missing = next((path for path in (photo, mask) if not path.is_file()), None)
        if missing:
            alone.append(f"{listing}, line {number}: {missing} is not there")
            continue
        relative = photo.relative_to(folder) if photo.is_relative_to(folder) else photo
        samples.append(
            Sample(
                str(photo),
                # Labels count 0, 1; mattes go from 0 to 255.
                partial(read_pair, photo, mask, read_numbered if rough else read_mask),
                f"{folder.resolve().name}/{relative.as_posix()}",
                rough=rough,
                trimap=trimap,
            )
        )
    return Found(samples, tuple(alone))


def lines(listing: Path) -> Iterator[tuple[int, str]]:
    """The lines of a list that say something, with their numbers; a last one may be open-ended.

    Raises:
        InputError: not text.
    """
    try:
        text = listing.read_text(encoding="utf-8-sig")
    except (UnicodeDecodeError, OSError) as error:
        raise InputError(
            f"{listing}: cannot be read as text in UTF-8 ({error}); save it as that."
        ) from error
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            yield number, line.strip()


def columns(line: str, folder: Path) -> list[str]:
    """Divide a line of a list.

    Args:
        line: without its end.
        folder: what its paths are relative to; a line that is a file is not divided.

    Example:
        >>> columns("fg/my photo.jpg|bg/1.jpg", Path("nowhere"))
        ['fg/my photo.jpg', 'bg/1.jpg']
    """
    if (folder / line).is_file():
        return [line]
    separator = next((s for s in SEPARATORS if s in line), None)
    return [word.strip() for word in line.split(separator) if word.strip()]


def _files(folder: Path, words: list[str], listing: Path, number: int):
    """Photo, mask, trimap or None, and whether the mask is rough."""
    paths = [folder / word.replace("\\", "/") for word in words]
    photo = paths[0]
    if photo.parent.name == "fg":
        trimap = paths[2] if len(paths) > 2 and paths[2].is_file() else None
        return photo, _alpha_of(photo), trimap, False
    if len(paths) != 2:
        raise InputError(
            f"{listing}, line {number}: {' '.join(words)[:200]!r} has {len(paths)} columns; "
            "expected a photo and its mask, or a photo in a folder fg/ with an alpha/ beside it."
        )
    return photo, paths[1], None, True


def _alpha_of(photo: Path) -> Path:
    """The file of the same stem in alpha/, whatever its suffix."""
    folder = photo.parents[1] / "alpha"
    same = folder / photo.name
    if same.is_file():
        return same
    others = (folder / f"{photo.stem}{suffix}" for suffix in (".png", ".jpg", ".jpeg", ".webp"))
    return next((path for path in others if path.is_file()), same)


LIST = Format(
    "list",
    "a set with lists like PaddleSeg's",
    """\
  train.txt, val.txt, test.txt     (or name one list: list:/path/some.txt)
with lines
  images/a.jpg labels/a.png        a photo and its mask (0, 1 or 0..255), or
  train/fg/a.jpg                   a photo whose alpha is train/alpha/a.png or .jpg""",
    tuple(f"{name}.txt" for name in SPLITS),
    parts,
    read,
    nested=False,
    alone=".txt",
)
