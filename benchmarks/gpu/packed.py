"""Reading what `benchmarks.gpu.pack` wrote. Needs NumPy and Pillow, nothing else."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from matting_keras.errors import InputError

LUMA = np.array([0.299, 0.587, 0.114], "float32")


@dataclass(frozen=True)
class Pack:
    """Decoded photos of one or several files.

    Attributes:
        index: what the files say about themselves: area, shapes, augment, stored.
        facts: one dictionary a photo: name, part ("train", "held", "scene"), rough, times.
        photos: uint8 (height, width, channels + 1) each, alpha last.
    """

    index: dict
    facts: list[dict]
    photos: list[np.ndarray]

    def part(self, name: str) -> tuple[list[np.ndarray], list[dict]]:
        """The photos and facts of one part."""
        chosen = [i for i, one in enumerate(self.facts) if one["part"] == name]
        return [self.photos[i] for i in chosen], [self.facts[i] for i in chosen]


def unpack(paths: Sequence[str | os.PathLike], channels: int) -> Pack:
    """Read packs and decode every photo, on all cores.

    Args:
        paths: the files of one packing; some of its parts will do.
        channels: of the network: 3 keeps colour, 1 makes BT.601 gray as training's store does.

    Raises:
        InputError: a file is missing or is none of ours, two are of different packings, or one is
            given twice.
    """
    indices, jobs = [], []
    for path in map(Path, paths):
        index, data = _open(path)
        place = 0
        for one in index.pop("photos"):
            sizes = one.pop("bytes")
            jobs.append((one, data[place : place + sizes[0]], data[place + sizes[0] :][: sizes[1]]))
            place += sum(sizes)
        indices.append(index)
    if any(index != indices[0] for index in indices):
        raise InputError("the packs are of different packings; give the parts of one.")
    if len({job[0]["number"] for job in jobs}) < len(jobs):
        raise InputError("a photo is there twice; give each part of a packing once.")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        photos = list(pool.map(lambda job: _decoded(job[1], job[2], channels), jobs))
    return Pack(indices[0], [job[0] for job in jobs], photos)


def _open(path: Path) -> tuple[dict, bytes]:
    if not path.is_file():
        raise InputError(f"{path}: no such pack; write one with python -m benchmarks.gpu.pack.")
    try:
        with np.load(path, allow_pickle=False) as file:
            return json.loads(file["index"].tobytes()), file["data"].tobytes()
    except (ValueError, KeyError, OSError) as error:
        raise InputError(f"{path}: is no pack, or was cut off: {error}") from error


def _decoded(photo: bytes, alpha: bytes, channels: int) -> np.ndarray:
    rgb = np.asarray(Image.open(io.BytesIO(photo)).convert("RGB"))
    if channels == 1:
        rgb = np.round(rgb @ LUMA).astype("uint8")[..., None]
    matte = np.zeros(rgb.shape[:2], "uint8")
    if alpha:
        matte = np.asarray(Image.open(io.BytesIO(alpha)).convert("L"))
    return np.concatenate([rgb, matte[..., None]], -1)
