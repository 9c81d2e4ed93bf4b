"""The photos of packs, divided as they were when they were packed."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from matting_keras.data.packed.file import PARTS, Pack
from matting_keras.data.store import Checked, Store
from matting_keras.errors import InputError

log = logging.getLogger(__name__)

PREFIX = "packed:"


def paths(specs: Sequence[str | os.PathLike]) -> list[Path]:
    """The files of a --data that names packs; none where it names folders.

    Raises:
        InputError: both.

    Example:
        >>> paths(["packed:a.pack"])[0].name, paths(["a"])
        ('a.pack', [])
    """
    texts = [os.fspath(spec) for spec in specs]
    packed = [text for text in texts if text.startswith(PREFIX)]
    if packed and len(packed) < len(texts):
        raise InputError(
            f"--data {packed[0]}: packs stand alone, because they are divided into photos to learn "
            "from and photos held back already; pack the folders too, or leave them out."
        )
    return [Path(text[len(PREFIX) :]).expanduser() for text in packed]


def unpack(
    files: Sequence[Path], channels: int, area: int, repeat: Sequence[int] = ()
) -> dict[str, Checked]:
    """Open packs; photos are decoded when they are first used.

    Args:
        files: packs of any packings, each once.
        channels: of the photos: 3 or 1.
        area: photos with more pixels are shrunk to about this many.
        repeat: how often the photos to learn from of each file count; empty means once.

    Returns:
        "train" and "held", and "scene" where there are backgrounds. No photo is kept in memory.

    Raises:
        InputError: a file that is missing, damaged or given twice, nothing in one of the parts, or
            a person to learn from in one file who is held back in another.
    """
    times = list(repeat) or [1] * len(files)
    if len(times) != len(files):
        raise InputError(f"data.repeat has {len(times)} numbers for {len(files)} packs.")
    found: dict[str, list] = {part: [] for part in PARTS}
    for file, count in zip(files, times, strict=True):
        pack = Pack(file)
        if pack.about["area"] * 1.5 < area:
            log.warning(
                "%s was made for shapes of %d pixels, and its photos are enlarged to %d.",
                *(file, pack.about["area"], round(area / 1.5)),
            )
        for part in PARTS:
            pairs = list(zip(*pack.samples(part), strict=True))
            found[part] += pairs * (count if part == "train" else 1)
    _check(found, files)
    return {
        part: Checked(
            Store([sample for sample, _ in pairs], channels, area, budget=0),
            [size for _, size in pairs],
            np.zeros((len(pairs), 0, 0), "float32"),
            [],
        )
        for part, pairs in found.items()
        if pairs
    }


def _check(found: dict[str, list], files: Sequence[Path]) -> None:
    shown = ", ".join(map(str, files))
    people = {part: {sample.person for sample, _ in found[part]} for part in ("train", "held")}
    for part, what in (("train", "to learn from"), ("held", "held back")):
        if not people[part]:
            raise InputError(f"--data {PREFIX}{shown}: no photo in it is {what}.")
    both = sorted(people["train"] & people["held"])
    if both:
        raise InputError(
            f"--data {PREFIX}{shown}: {both[0]!r} is to be learned from in one and held back in "
            "another; pack them together."
        )
    if len({path.resolve() for path in files}) < len(files):
        raise InputError(f"--data {PREFIX}{shown}: names a file twice; data.repeat counts it more.")
