"""A folder of one's own: images/ beside alphas/ or masks/."""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import partial
from pathlib import Path

from matting_keras.data.formats.layout import Format, Found, by_stem, listing, pictures
from matting_keras.data.masks import read_person
from matting_keras.data.sample import Sample, read_pair
from matting_keras.errors import InputError

LAYOUT = "a folder with images/ and alphas/ (refined) or masks/ (rough), same file stems in each"
LABEL_FOLDERS = ("masks", "labels", "annotations")


def parts(root: Path) -> dict[str, str | None]:
    """A folder of one's own has no official parts."""
    return {"all": None}


def read(root: Path, part: str) -> Found:
    """The pairs of a data folder: `images/` beside `alphas/` (preferred) or `masks/`.

    Args:
        root: the folder.
        part: "all".

    Raises:
        InputError: no pairs in it, two files of one stem, or a people.csv that cannot be read.
    """
    images, refined, rough = (
        by_stem(pictures(root / name)) for name in ("images", "alphas", "masks")
    )
    person_of = people_of(root)
    samples = []
    for stem, image in sorted(images.items()):
        alpha = refined.get(stem) or rough.get(stem)
        if alpha:
            person = person_of(stem)
            samples.append(
                Sample(
                    str(image), partial(read_pair, image, alpha), person, rough=stem not in refined
                )
            )
    if not samples:
        raise InputError(
            f"--data {root}: no pairs in it (images/ {len(images)}, alphas/ {len(refined)}, "
            f"masks/ {len(rough)} files); expected {LAYOUT}; found {listing(root)}."
        )
    return Found(samples, notes=_alone(root, images, {**rough, **refined}))


def read_classes(root: Path, part: str) -> Found:
    """The pairs of a folder whose masks hold class numbers: everything above 0 is person.

    Args:
        root: has images/ and masks/, labels/ or annotations/.
        part: "all".

    Raises:
        InputError: no pairs in it, two files of one stem, or a people.csv that cannot be read.
    """
    images = by_stem(pictures(root / "images"))
    labels = by_stem([path for name in LABEL_FOLDERS for path in pictures(root / name)])
    person_of = people_of(root)
    samples = [
        Sample(
            str(images[stem]),
            partial(read_pair, images[stem], labels[stem], read_person),
            person_of(stem),
            rough=True,
            labels=labels[stem],
        )
        for stem in sorted(images)
        if stem in labels
    ]
    if not samples:
        raise InputError(
            f"--data labels:{root}: no pairs in it (images/ {len(images)}, labels {len(labels)} "
            f"files). Expected\n{LABELS.layout}\nfound {listing(root)}."
        )
    return Found(samples, notes=_alone(root, images, labels))


def _alone(root: Path, images: dict[str, Path], masks: dict[str, Path]) -> tuple[str, ...]:
    """What a half-copied folder looks like; photos without a mask may also be meant so."""
    notes = []
    for kind, some, others, other in (
        ("photos", images, masks, "mask"),
        ("masks", masks, images, "photo"),
    ):
        alone = [some[stem] for stem in sorted(some) if stem not in others]
        if alone:
            notes.append(
                f"{root}: {len(alone):,} of {len(some):,} {kind} have no {other} and are not "
                f"used, {alone[0].name} first; was everything copied?"
            )
    return tuple(notes)


def people_of(root: Path) -> Callable[[str], str]:
    """Who is in a photo, by its stem: as the folder's people.csv says, else somebody of its own.

    A person's name begins with the folder's. In people.csv it may name another folder instead
    ("eg1800/00017"): photos that were made of others show the persons of those, and stay with
    them when training and validation are divided.

    Raises:
        InputError: a people.csv that cannot be read.
    """
    people = _people(root / "people.csv")

    def person(stem: str) -> str:
        name = people.get(stem, stem)
        return name if "/" in name else f"{root.name}/{name}"

    return person


def _people(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.reader(file) if row]
    for number, row in enumerate(rows, 1):
        if len(row) != 2:
            raise InputError(f"{path}, line {number}: expected 'stem,person', got {row}.")
    return dict(rows)


FOLDER = Format("folder", "a data folder", LAYOUT, (), parts, read, nested=False)

LABELS = Format(
    "labels",
    "a folder of class numbers",
    """\
  images/NAME.jpg
  masks/NAME.png     class numbers, 0 background; or labels/ or annotations/""",
    (),
    parts,
    read_classes,
    nested=False,
)
