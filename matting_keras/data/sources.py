"""Where training photos come from: folders of pairs, or portraits drawn on demand.

A source is a list of samples; a sample knows its name, who is in it and how to read itself.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from matting_keras.errors import InputError
from matting_keras.media.images import IMAGE_SUFFIXES, read_alpha, read_image

LAYOUT = (
    "expected a folder with images/ and alphas/ (refined) or masks/ (rough), "
    "same file stems in each"
)


@dataclass(frozen=True)
class Sample:
    """One photo with its alpha.

    Attributes:
        name: says which one it is in messages: the image's path, or the drawing's number.
        read: returns RGB uint8 (height, width, 3) and alpha float32 (height, width) in 0..1.
        person: samples with the same value show the same person and stay on the same side of
            the split between training and validation.
        rough: the alpha is a hard mask made by hand or by machine, not a matte.
    """

    name: str
    read: Callable[[], tuple[np.ndarray, np.ndarray]]
    person: str
    rough: bool = False


def folder(root: str | os.PathLike) -> list[Sample]:
    """The pairs of a data folder: `images/` beside `alphas/` (preferred) or `masks/`.

    A file `people.csv` with lines `stem,person` in the folder says which photos show the same
    person; without it every photo is a person of its own until `group_lookalikes` has looked.

    Args:
        root: the data folder.

    Returns:
        Samples in the order of their names. Images without an alpha are left out.

    Raises:
        InputError: no such folder, or no pairs in it.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"--data {root}: no such folder; {LAYOUT}.")
    images = _by_stem(root / "images")
    refined, rough = _by_stem(root / "alphas"), _by_stem(root / "masks")
    people = _people(root / "people.csv")
    samples = []
    for stem, image in sorted(images.items()):
        alpha = refined.get(stem) or rough.get(stem)
        if alpha:
            read = partial(read_pair, image, alpha)
            person = f"{root.name}/{people.get(stem, stem)}"
            samples.append(Sample(str(image), read, person, rough=stem not in refined))
    if not samples:
        raise InputError(
            f"--data {root}: no pairs in it (images/ {len(images)}, alphas/ {len(refined)}, "
            f"masks/ {len(rough)} files); {LAYOUT}."
        )
    return samples


def read_pair(image: Path, alpha: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a photo and its alpha.

    Raises:
        InputError: a file is damaged, or the two differ in size.
    """
    rgb, matte = read_image(image), read_alpha(alpha)
    if rgb.shape[:2] != matte.shape:
        raise InputError(
            f"{alpha}: is {matte.shape[1]}x{matte.shape[0]} but its image {image.name} is "
            f"{rgb.shape[1]}x{rgb.shape[0]}; make them the same size."
        )
    return rgb, matte


def synthetic(count: int, seed: int, sizes: Sequence[tuple[int, int]]) -> list[Sample]:
    """Portraits drawn on demand, with exact alpha; no files are needed.

    Args:
        count: how many.
        seed: of the first; the others follow.
        sizes: (height, width) pairs, taken in turn.
    """
    from matting_keras.data.synthetic import synthetic_portrait

    return [
        Sample(
            f"synthetic portrait {seed + i}",
            partial(synthetic_portrait, seed + i, *sizes[i % len(sizes)]),
            person=f"synthetic/{seed + i}",
        )
        for i in range(count)
    ]


def backgrounds(root: str | os.PathLike) -> list[Sample]:
    """All pictures below a folder, as scenes without people: their alpha is zero everywhere.

    Raises:
        InputError: no such folder, or no picture in it.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"backgrounds {root}: no such folder; expected one with pictures.")
    paths = sorted(p for p in root.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise InputError(
            f"backgrounds {root}: no pictures in it; expected {', '.join(IMAGE_SUFFIXES)}."
        )
    return [Sample(str(path), partial(_read_scene, path), person=str(path)) for path in paths]


def split(samples: Sequence[Sample], fraction: float) -> tuple[list[Sample], list[Sample]]:
    """Divide by person, always the same way: a person is in training or in validation.

    Whoever's name hashes below `fraction` is held back, so that adding photos moves nobody.

    Args:
        samples: with their persons known.
        fraction: share of people to hold back, 0..1.

    Returns:
        Samples for training and samples held back.
    """
    kept, held = [], []
    for sample in samples:
        digest = hashlib.sha256(sample.person.encode()).digest()
        share = int.from_bytes(digest[:8], "big") / 2**64
        (held if share < fraction else kept).append(sample)
    return kept, held


def group_lookalikes(
    samples: Sequence[Sample], thumbnails: np.ndarray, likeness: float = 0.93
) -> list[Sample]:
    """Give near-duplicate photos (bursts, crops of one shot) of one folder one person.

    Photos of different folders are never joined, so that a folder's people are divided the same
    way whatever other folders are trained on beside it.

    Args:
        samples: N samples.
        thumbnails: float (N, height, width), small gray pictures.
        likeness: correlation of two thumbnails from which they count as the same.

    Returns:
        The samples, with `person` set to that of the first photo of their group.
    """
    flat = thumbnails.reshape(len(samples), -1).astype("float32")
    flat = flat - flat.mean(1, keepdims=True)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    leader = list(range(len(samples)))

    def find(i: int) -> int:
        while leader[i] != i:
            leader[i] = leader[leader[i]]
            i = leader[i]
        return i

    for start in range(0, len(samples), 1024):
        rows, columns = np.nonzero(flat[start : start + 1024] @ flat.T > likeness)
        for i, j in zip(rows + start, columns, strict=True):
            first, second = sorted((find(int(i)), find(int(j))))
            if _folder(samples[first]) == _folder(samples[second]):
                leader[second] = first
    return [replace(s, person=samples[find(i)].person) for i, s in enumerate(samples)]


def _folder(sample: Sample) -> str:
    return sample.person.partition("/")[0]


def _by_stem(root: Path) -> dict[str, Path]:
    if not root.is_dir():
        return {}
    return {p.stem: p for p in sorted(root.iterdir()) if p.suffix.lower() in IMAGE_SUFFIXES}


def _people(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    with open(path, newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if row]
    for number, row in enumerate(rows, 1):
        if len(row) != 2:
            raise InputError(f"{path}, line {number}: expected 'stem,person', got {row}.")
    return dict(rows)


def _read_scene(path: Path) -> tuple[np.ndarray, np.ndarray]:
    rgb = read_image(path)
    return rgb, np.zeros(rgb.shape[:2], "float32")
