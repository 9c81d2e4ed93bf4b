"""A pack: many small photos with their alphas in one file, mapped into memory.

Sixteen bytes say what it is, eight how long the index is; the index follows as JSON, then the
photos, one after the other. A photo is read from the map when it is asked for.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from matting_keras.atomic import atomic_path
from matting_keras.data.packed import codec
from matting_keras.data.sample import Sample
from matting_keras.errors import InputError

MAGIC = b"matting pack 1\n\x00"
PARTS = ("train", "held", "scene")
"""Photos to learn from, photos held back, pictures without people."""


class Stored(NamedTuple):
    """One photo as it lies in a pack.

    Attributes:
        facts: its name, part, person, size, and whether it is rough or a cut-out.
        photo: from `codec.encode_photo`.
        alpha: from `codec.encode_alpha`; empty of a scene.
    """

    facts: dict
    photo: bytes
    alpha: bytes

    @property
    def bytes(self) -> int:
        """What it takes in the file, with its line of the index, never less."""
        line = len(json.dumps(self.facts)) + 64
        return len(self.photo) + len(self.alpha) + line


def save(path: str | os.PathLike, about: dict, photos: Sequence[Stored]) -> None:
    """Write a pack, atomically.

    Args:
        path: the file.
        about: what it says about itself: "form" (of `codec`) and "area", the pixels of the
            training shapes that it was made for.
        photos: what it holds.
    """
    index, place = [], 0
    for facts, photo, alpha in photos:
        check = zlib.crc32(alpha, zlib.crc32(photo))
        lengths = [len(photo), len(alpha)]
        index.append(facts | {"start": place, "bytes": lengths, "check": check})
        place += sum(lengths)
    head = json.dumps(about | {"photos": index, "length": place}, ensure_ascii=False).encode()
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        file.write(MAGIC + len(head).to_bytes(8, "little") + head)
        for stored in photos:
            file.write(stored.photo)
            file.write(stored.alpha)


class Pack:
    """An open pack.

    Args:
        path: of the file.

    Attributes:
        about: what it says about itself.
        photos: the facts of each photo.

    Raises:
        InputError: no such file, none of ours, or cut off.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        if not self.path.is_file():
            raise InputError(
                f"--data packed:{path}: no such file; write one with matting-keras compose DATA "
                "--backgrounds DIR --pack FILE."
            )
        self._bytes = np.memmap(self.path, "uint8", "r") if self.path.stat().st_size else b""
        begin = len(MAGIC) + 8
        if bytes(self._bytes[: len(MAGIC)]) != MAGIC:
            raise InputError(f"--data packed:{path}: is no pack, or of another version.")
        self._begin = begin + int.from_bytes(bytes(self._bytes[len(MAGIC) : begin]), "little")
        try:
            self.about = json.loads(bytes(self._bytes[begin : self._begin]))
        except ValueError as error:
            raise self._cut_off() from error
        self.photos = self.about.pop("photos")
        if self._begin + self.about["length"] != len(self._bytes):
            raise self._cut_off()

    def _cut_off(self) -> InputError:
        return InputError(f"--data packed:{self.path}: was cut off; write or copy it again.")

    def read(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """One photo, RGB uint8 (height, width, 3), and its alpha, float32 (height, width).

        Raises:
            InputError: its bytes are not those that were written.
        """
        facts = self.photos[number]
        start, (first, second) = self._begin + facts["start"], facts["bytes"]
        data = self._bytes[start : start + first + second]
        if zlib.crc32(data) != facts["check"]:
            raise InputError(
                f"{self.path}: {facts['name']} is damaged in it; write or copy it again."
            )
        size, form = tuple(facts["size"]), self.about["form"]
        alpha = codec.decode_alpha(data[first:], size, form)
        return codec.decode_photo(data[:first], size, form), alpha / np.float32(255)

    def samples(self, part: str) -> tuple[list[Sample], list[tuple[int, int]]]:
        """The photos of one of `PARTS`, and their (height, width)."""
        chosen = [(n, facts) for n, facts in enumerate(self.photos) if facts["part"] == part]
        made = [
            Sample(
                facts["name"],
                partial(self.read, number),
                facts["person"],
                rough=facts["rough"],
                cutout=facts["cutout"],
            )
            for number, facts in chosen
        ]
        return made, [tuple(facts["size"]) for _, facts in chosen]
