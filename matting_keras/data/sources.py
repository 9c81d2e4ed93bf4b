"""Where training photos come from: data sets on disk, or portraits drawn on demand.

A source is a list of samples; a sample knows its name, who is in it and how to read itself.
`open_source("p3m:/data/P3M-10k")` opens any set that `formats` knows; a plain path is a folder of
one's own.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from matting_keras.data.clips import Clips
from matting_keras.data.formats import FORMATS
from matting_keras.data.formats.layout import is_picture
from matting_keras.data.sample import Sample as Sample
from matting_keras.data.specs import open_source as open_source
from matting_keras.data.specs import parse as parse
from matting_keras.errors import InputError
from matting_keras.media.folders import files_below
from matting_keras.media.images import IMAGE_SUFFIXES, read_image
from matting_keras.media.video import VIDEO_SUFFIXES

log = logging.getLogger(__name__)

TRUTHS = ("alphas", "masks")
"""Folders whose pictures are no photos."""


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
    form, root = FORMATS["folder"], Path(root)
    found = form.read(form.locate(root), "all")
    for note in found.notes:
        log.warning("%s", note)
    return found.samples


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

    Each is known by its own folder's name and its own, so that the same ones are held back
    whichever folder above them is named.

    Raises:
        InputError: no such folder, or no picture in it.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"backgrounds {root}: no such folder; expected one with pictures.")
    paths = [path for path in files_below(root) if is_picture(path)]
    if not paths:
        raise InputError(
            f"backgrounds {root}: no pictures in it; expected {', '.join(IMAGE_SUFFIXES)}."
        )
    return [
        Sample(
            str(path),
            partial(_read_scene, path),
            person=f"{path.absolute().parent.name}/{path.stem}",
        )
        for path in paths
    ]


def unlabelled(spec: str | os.PathLike, clips: Clips | None = None) -> list[Sample]:
    """Whatever can be learned from without an alpha: photos, videos, and labelled sets too.

    A known set ("p3m:PATH") is opened as `open_source` does. Of a plain folder its pairs
    (`images/` beside `alphas/` or `masks/`) come first, with their alphas, then all other pictures
    and the videos below it. A video file may also be named alone.

    Args:
        spec: a data set, a folder, or a video file.
        clips: how frames are taken out of videos; None for one in ten.

    Raises:
        InputError: nothing there, a known set without its name, or more frames than memory.
    """
    root, clips = Path(spec), clips or Clips()
    if root.is_file() and _is_video(root):
        return clips.samples(root)
    if parse(spec).format.name != "folder":
        return open_source(spec, "train+validation")
    if not root.is_dir():
        raise InputError(
            f"--data {root}: no such folder; expected one with pictures or videos, or a video "
            f"({', '.join(VIDEO_SUFFIXES)})."
        )
    for form in FORMATS.values():
        # A published set's masks would be taken for photos.
        if form.nested and form.fits(root):
            raise InputError(f"--data {root}: looks like {form.title}; pass {form.name}:{root}.")
    found = _pairs(root)
    known = {sample.name for sample in found}
    for path in files_below(root):
        inside = path.relative_to(root)
        if str(path) in known or inside.parts[0] in TRUTHS:
            continue
        person = f"{root.resolve().name}/{inside}"
        if is_picture(path):
            found.append(Sample(str(path), partial(_read_alone, path), person, labelled=False))
        elif _is_video(path):
            found += clips.samples(path, person)
    if not found:
        raise InputError(
            f"--data {root}: no pictures and no videos in it; expected "
            f"{', '.join(IMAGE_SUFFIXES + VIDEO_SUFFIXES)}."
        )
    return found


def split(samples: Sequence[Sample], fraction: float) -> tuple[list[Sample], list[Sample]]:
    """Divide by person, always the same way: a person is in training or in validation.

    A set with an official validation part is divided by that; who is in it is held back with all
    of their photos. Elsewhere, whoever's name hashes below `fraction` is held back, so that
    adding photos moves nobody.

    Args:
        samples: with their persons known.
        fraction: share of people to hold back, 0..1.

    Returns:
        Samples for training and samples held back.
    """
    official = {sample.person for sample in samples if sample.split == "validation"}
    divided = {person.partition("/")[0] for person in official}
    kept, held = [], []
    for sample in samples:
        if _folder(sample) in divided:
            back = sample.person in official
        else:
            digest = hashlib.sha256(sample.person.encode()).digest()
            back = int.from_bytes(digest[:8], "big") / 2**64 < fraction
        (held if back else kept).append(sample)
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


def _pairs(root: Path) -> list[Sample]:
    """The labelled photos of a plain folder, which need not have any."""
    if not any((root / name).is_dir() for name in TRUTHS):
        return []
    return FORMATS["folder"].read(root, "all").samples


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".")


def _read_alone(path: Path) -> tuple[np.ndarray, None]:
    return read_image(path), None


def _read_scene(path: Path) -> tuple[np.ndarray, np.ndarray]:
    rgb = read_image(path)
    return rgb, np.zeros(rgb.shape[:2], "float32")
