"""What every data set on disk has in common: parts, pairs, and a tree that may be incomplete."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from matting_keras.data.sample import Sample
from matting_keras.errors import InputError
from matting_keras.media.images import IMAGE_SUFFIXES

UNPACK = {
    ".zip": "unzip {0} -d {1}",
    ".tar": "mkdir {1} && tar -xf {0} -C {1}",
    ".tgz": "mkdir {1} && tar -xf {0} -C {1}",
    ".gz": "mkdir {1} && tar -xf {0} -C {1}",
    ".bz2": "mkdir {1} && tar -xf {0} -C {1}",
    ".xz": "mkdir {1} && tar -xf {0} -C {1}",
    ".7z": "7z x {0} -o{1}",
    ".rar": "unrar x {0} {1}/",
}


class Found(NamedTuple):
    """What a reader found.

    Attributes:
        samples: the pairs, in the order of their names.
        misfits: a sentence for each file whose other half should be there and is not.
        notes: sentences that are worth a warning and no more.
    """

    samples: list[Sample]
    misfits: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Format:
    """How a data set lies on disk.

    Attributes:
        name: what --data calls it.
        title: what people call it.
        layout: the expected tree, for messages.
        marks: patterns of paths, any of which tells the set's folder; none where any may be it.
        parts: the parts that are in a folder, each with its official split (None without one).
        read: reads one part of a folder.
        nested: look for the set up to two folders further down, where archives put it.
        alone: the suffix of a file that may stand for the set, if any does.
        published: photos of each part, one number for each published version.
    """

    name: str
    title: str
    layout: str
    marks: tuple[str, ...]
    parts: Callable[[Path], Mapping[str, str | None]]
    read: Callable[[Path, str], Found]
    nested: bool = True
    alone: str | None = None
    published: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def locate(self, root: Path) -> Path:
        """The folder of the set: the one given, or the only one below it that looks like it.

        Raises:
            InputError: not a folder, an archive, another tree, or several that fit.
        """
        if self.alone and root.suffix == self.alone and root.is_file():
            return root
        check_folder(root, self.layout)
        for level in ("", "*", "*/*") if self.nested else ("",):
            places = [root] if not level else _folders(root.glob(level))
            fitting = [place for place in places if self.fits(place)]
            if len(fitting) == 1:
                return fitting[0]
            if fitting:
                names = ", ".join(str(p.relative_to(root)) for p in fitting[:5])
                raise InputError(
                    f"--data {root}: holds several folders that look like {self.title}: {names}; "
                    "name one of them."
                )
        raise InputError(
            f"--data {root}: is not {self.title}. Expected\n{self.layout}\nfound {listing(root)}."
        )

    def fits(self, folder: Path) -> bool:
        """Whether a folder looks like the set."""
        return not self.marks or any(next(folder.glob(mark), None) for mark in self.marks)


def check_folder(root: Path, layout: str) -> None:
    """Make sure that a data set's path is a folder.

    Raises:
        InputError: nothing there, an archive, or another file.
    """
    if root.is_dir():
        return
    if not root.exists():
        raise InputError(f"--data {root}: no such folder; {_expected(layout)}")
    command = UNPACK.get(root.suffix.lower())
    if command:
        folder = root.name.partition(".")[0] or "unpacked"
        way = command.format(root.name, folder)
        raise InputError(
            f"--data {root}: is an archive, not a folder; unpack it ({way}) and name the folder "
            f"{root.parent / folder}."
        )
    raise InputError(f"--data {root}: is a file, not a folder; {_expected(layout)}")


def listing(root: Path, most: int = 8) -> str:
    """What is in a folder, in a few words, for messages about trees that do not fit."""
    entries = sorted(p for p in root.iterdir() if not p.name.startswith("."))
    if not entries:
        return "an empty folder"
    words = [f"{p.name}/ ({_count(p)} entries)" if p.is_dir() else p.name for p in entries[:most]]
    more = f" and {len(entries) - most} more" if len(entries) > most else ""
    packed = [p.name for p in entries if p.is_file() and p.suffix.lower() in UNPACK]
    unpack = f"; {packed[0]} is still packed, unpack it first" if packed else ""
    return ", ".join(words) + more + unpack


def pictures(folder: Path) -> list[Path]:
    """The pictures of one folder, sorted; none where there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if is_picture(p))


def is_picture(path: Path) -> bool:
    """Whether a path is named like a picture, and is not one of the hidden files of a Mac."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def by_stem(paths: Iterable[Path], key: Callable[[Path], str] | None = None) -> dict[str, Path]:
    """Files by their stems, which pair photos with masks.

    Args:
        paths: the files.
        key: what to pair by, where it is not the stem.

    Raises:
        InputError: two files of the same stem, of which only one can be meant.
    """
    found: dict[str, Path] = {}
    doubles = []
    for path in paths:
        # A Mac writes "é" as two characters, a PC as one.
        stem = unicodedata.normalize("NFC", key(path) if key else path.stem)
        if stem in found:
            doubles.append((found[stem], path))
        found[stem] = path
    if doubles:
        first, second = doubles[0]
        raise InputError(
            f"{first} and {second.name} have the same stem"
            + (f", and {len(doubles) - 1} more pairs like them" if doubles[1:] else "")
            + "; photos and masks are paired by it, so rename or remove one of the two."
        )
    return found


def pair(
    photos: Mapping[str, Path], masks: Mapping[str, Path], expected: Callable[[Path], object]
) -> tuple[list[tuple[str, Path, Path]], tuple[str, ...]]:
    """Put photos and masks together.

    Args:
        photos: by what pairs them.
        masks: by the same.
        expected: where the mask of a photo should be, for messages.

    Returns:
        Stem, photo and mask of each pair, and a sentence for each file that stays alone.
    """
    both = [(stem, photos[stem], masks[stem]) for stem in sorted(photos) if stem in masks]
    alone = [
        f"{photos[stem]}: has no mask; expected {expected(photos[stem])}"
        for stem in sorted(photos)
        if stem not in masks
    ]
    alone += [f"{masks[stem]}: has no photo" for stem in sorted(masks) if stem not in photos]
    return both, tuple(alone)


def _expected(layout: str) -> str:
    """A tree on lines of its own, or a sentence."""
    return f"expected\n{layout}" if layout.startswith(" ") else f"expected {layout}."


def _folders(paths: Iterable[Path]) -> list[Path]:
    return sorted(p for p in paths if p.is_dir() and not p.name.startswith("."))


def _count(folder: Path) -> str:
    with os.scandir(folder) as entries:
        return f"{sum(1 for _ in entries):,}"
