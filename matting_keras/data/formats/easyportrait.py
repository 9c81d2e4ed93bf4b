"""EasyPortrait, versions 1 and 2: selfies with nine classes, of which all but 0 are the person."""

from __future__ import annotations

import csv
import io
import zipfile
from functools import partial
from pathlib import Path

from matting_keras.data.formats.layout import Format, Found, by_stem, pair, pictures
from matting_keras.data.masks import read_person
from matting_keras.data.sample import Sample, read_pair
from matting_keras.errors import InputError
from matting_keras.media.images import IMAGE_SUFFIXES

CLASSES = (
    "background",
    "person",
    "skin",
    "left brow",
    "right brow",
    "left eye",
    "right eye",
    "lips",
    "teeth",
)
"""By class number. "person" leaves out the face, so a portrait is everything above 0."""

SPLITS = {"train": "train", "val": "validation", "test": "test"}

META_LIMIT = 2**28
"""Bytes of unpacked meta data that are believed."""


def parts(root: Path) -> dict[str, str | None]:
    """The parts that are there, with their splits."""
    folders = ("images", "annotations")
    return {p: s for p, s in SPLITS.items() if any((root / f / p).is_dir() for f in folders)}


def read(root: Path, part: str) -> Found:
    """The photos and masks of one part; `labels` of each sample is the file of its classes.

    Args:
        root: the folder with images/ and annotations/.
        part: "train", "val" or "test".

    Raises:
        InputError: two files of one stem, or meta data that cannot be read.
    """
    people = users(root)
    pairs, alone = pair(
        by_stem(pictures(root / "images" / part)),
        by_stem(pictures(root / "annotations" / part)),
        lambda photo: root / "annotations" / part / f"{photo.stem}.png",
    )
    samples = [
        Sample(
            str(photo),
            partial(read_pair, photo, labels, read_classes),
            f"easyportrait/{people.get(stem, stem)}",
            rough=True,
            labels=labels,
        )
        for stem, photo, labels in pairs
    ]
    notes = () if people else (f"{root}: has no meta data, so every photo is its own person.",)
    return Found(samples, alone, notes)


def read_classes(path: Path):
    """Read a file of EasyPortrait's classes as a mask, float32 (height, width), 0 or 1."""
    return read_person(path, len(CLASSES))


def users(root: Path) -> dict[str, str]:
    """Who is on which photo.

    Args:
        root: has meta data as it comes, packed in annotations/meta.zip, or unpacked there.

    Returns:
        The user's id for each photo's stem; nothing where there is no meta data.

    Raises:
        InputError: meta data without the two columns, or that cannot be unpacked.
    """
    for place in (root / "annotations", root / "annotations" / "meta", root, root / "meta"):
        for table in (*sorted(place.glob("meta*.csv")), *sorted(place.glob("meta*.tsv"))):
            return _users(table, table.read_bytes())
        if (place / "meta.zip").is_file():
            return _packed_users(place / "meta.zip")
    return {}


def _packed_users(path: Path) -> dict[str, str]:
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                name = Path(member.filename).name
                if name.endswith((".csv", ".tsv")) and not name.startswith("."):
                    if member.file_size > META_LIMIT:
                        raise InputError(f"{path}: {name} would be {member.file_size:,} bytes.")
                    return _users(path, archive.read(member))
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as error:
        raise InputError(
            f"{path}: cannot be unpacked ({error}); copy it again, or remove it: every photo "
            "then is its own person."
        ) from error
    raise InputError(f"{path}: holds no .csv or .tsv table; remove it, or copy it again.")


def _users(path: Path, table: bytes) -> dict[str, str]:
    text = table.decode("utf-8-sig", "replace")
    separator = "\t" if "\t" in text.partition("\n")[0] else ","
    rows = list(csv.DictReader(io.StringIO(text), delimiter=separator))
    columns = rows[0].keys() if rows else ()
    photo = next((c for c in ("image_name", "attachment_id") if c in columns), None)
    if photo is None or "user_id" not in columns:
        raise InputError(
            f"{path}: has the columns {', '.join(map(str, columns)) or 'none'}; expected user_id "
            "and image_name (version 2) or attachment_id (version 1)."
        )
    return {_stem(row[photo]): row["user_id"] for row in rows if row[photo]}


def _stem(name: str) -> str:
    """A photo's stem: some tables name the file, some its stem."""
    return Path(name).stem if Path(name).suffix.lower() in IMAGE_SUFFIXES else name


EASYPORTRAIT = Format(
    "easyportrait",
    "EasyPortrait",
    """\
  images/train/NAME.jpg        annotations/train/NAME.png     class numbers 0..8
  images/val/NAME.jpg          annotations/val/NAME.png
  images/test/NAME.jpg         annotations/test/NAME.png
  annotations/meta.zip (or unpacked): a table that says who is on which photo""",
    ("images/train", "images/val", "images/test", "annotations/train", "annotations/val"),
    parts,
    read,
    published={"train": (14000, 30000), "val": (2000, 4000), "test": (4000, 6000)},
)
