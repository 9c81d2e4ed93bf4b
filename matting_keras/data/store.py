"""Photos decoded once: checked before training starts, kept in memory at training size."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from PIL import Image
from tqdm import tqdm

from matting_keras.data.sources import Sample
from matting_keras.errors import InputError

log = logging.getLogger(__name__)

THUMBNAIL = (16, 16)
LUMA = (0.299, 0.587, 0.114)


class Store:
    """Decoded samples, uint8, the alpha riding as the last channel.

    Geometry must treat photo and alpha alike, so they are one array: (height, width, 4) for
    networks in colour, (height, width, 2) for gray ones.

    Args:
        samples: what to hold; all have been read once by `check`.
        channels: of the photo: 3 or 1.
        area: photos with more pixels are shrunk to about this many.
        budget: bytes of decoded photos to keep; the others are read again at every use.
    """

    def __init__(
        self, samples: Sequence[Sample], channels: int, area: int, budget: int = 6 * 2**30
    ):
        self.samples = list(samples)
        self.channels = channels
        self.area = area
        self.budget = budget
        self._kept: dict[int, np.ndarray] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> np.ndarray:
        if index in self._kept:
            return self._kept[index]
        return self.take(index, *self.samples[index].read())

    def take(self, index: int, rgb: np.ndarray, alpha: np.ndarray | None) -> np.ndarray:
        """Pack a sample that has been read, and keep it while there is room."""
        photo = pack(rgb, alpha, self.channels, self.area)
        if self._bytes + photo.nbytes <= self.budget:
            self._kept[index] = photo
            self._bytes += photo.nbytes
        return photo

    def subset(self, indices: Sequence[int]) -> Store:
        """A store of some of the samples that shares what is already decoded."""
        part = Store([self.samples[i] for i in indices], self.channels, self.area, self.budget)
        for new, old in enumerate(indices):
            if old in self._kept:
                part._kept[new] = self._kept[old]
                part._bytes += self._kept[old].nbytes
        return part


class Checked(NamedTuple):
    """What `check` found.

    Attributes:
        store: the samples that can be used.
        sizes: their (height, width) after shrinking.
        thumbnails: their small gray pictures, float32 (N, 16, 16).
        rejected: name and reason of the ones that cannot.
    """

    store: Store
    sizes: list[tuple[int, int]]
    thumbnails: np.ndarray
    rejected: list[tuple[str, str]]


def check(
    samples: Sequence[Sample],
    channels: int,
    area: int,
    *,
    allowed: float = 0.01,
    workers: int = 2,
    budget: int = 6 * 2**30,
    quiet: bool = False,
) -> Checked:
    """Decode everything once, before training: list what is broken, refuse when it is too much.

    Args:
        samples: what to read.
        channels: of the photos: 3 or 1.
        area: photos with more pixels are shrunk to about this many.
        allowed: share of broken samples that is skipped, with a warning each.
        workers: decoding threads.
        budget: bytes of decoded photos to keep in memory.
        quiet: no progress bar.

    Raises:
        InputError: more than `allowed` of the samples are broken.
    """
    store = Store(samples, channels, area, budget)

    def attempt(index: int):
        try:
            rgb, alpha = samples[index].read()
        except InputError as error:
            return error
        return store.take(index, rgb, alpha).shape[:2], thumbnail(rgb)

    good, sizes, thumbnails, rejected = [], [], [], []
    with ThreadPoolExecutor(workers) as pool:
        results = pool.map(attempt, range(len(store)))
        for index, result in enumerate(
            tqdm(results, "checking photos", len(store), disable=quiet or None, leave=False)
        ):
            if isinstance(result, InputError):
                rejected.append((samples[index].name, str(result)))
                continue
            good.append(index)
            sizes.append(result[0])
            thumbnails.append(result[1])
    if len(rejected) > allowed * len(samples):
        worst = "\n".join(f"  {reason}" for _, reason in rejected[:10])
        more = f"\n  and {len(rejected) - 10} more" if len(rejected) > 10 else ""
        raise InputError(
            f"{len(rejected)} of {len(samples)} pairs cannot be used, more than "
            f"{allowed:.0%}; mend or remove them:\n{worst}{more}"
        )
    for _, reason in rejected:
        log.warning("skipped: %s", reason)
    return Checked(store.subset(good), sizes, np.array(thumbnails), rejected)


def pack(rgb: np.ndarray, alpha: np.ndarray | None, channels: int, area: int) -> np.ndarray:
    """Photo and alpha as one uint8 array, shrunk to about `area` pixels.

    Args:
        rgb: uint8 (height, width, 3).
        alpha: float32 (height, width) in 0..1; None, of a photo without one, is packed as 0 and
            must not be learned from.
        channels: 3 keeps colour, 1 makes BT.601 gray.
        area: most pixels to keep.

    Returns:
        uint8 (height, width, channels + 1).
    """
    if alpha is None:
        alpha = np.zeros(rgb.shape[:2], "float32")
    height, width = alpha.shape
    layers = [Image.fromarray(rgb), Image.fromarray(np.round(alpha * 255).astype("uint8"))]
    scale = (area / (height * width)) ** 0.5
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        layers = [layer.resize(size, Image.Resampling.BOX, reducing_gap=None) for layer in layers]
    photo = np.asarray(layers[0])
    if channels == 1:
        photo = np.round(photo @ np.array(LUMA, "float32")).astype("uint8")[..., None]
    return np.concatenate([photo, np.asarray(layers[1])[..., None]], axis=-1)


def thumbnail(rgb: np.ndarray) -> np.ndarray:
    """A small gray picture to know near-duplicates by; it does not depend on training sizes."""
    small = Image.fromarray(rgb).convert("L").resize(THUMBNAIL, Image.Resampling.BOX)
    return np.asarray(small, "float32")
