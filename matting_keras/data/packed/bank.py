"""Photos of any size as one long row of pixels, a word each.

Red, green, blue and alpha are the bytes of 32 bits, gray and alpha of 16. The four neighbours that
a bilinear warp reads are four words then, and no photo is padded to the size of another.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np

from matting_keras.data.placement import cut_edges
from matting_keras.data.store import Store

WORDS = {2: np.int16, 4: np.int32}
"""The word that holds a pixel of so many channels, alpha included."""

LONGEST = 2**31
"""Pixels that an index of 32 bits reaches, which is what accelerators have."""


class Bank:
    """N photos, each kept once however often it counts.

    Args:
        store: the photos, alpha last; all are decoded here, on all cores.

    Attributes:
        sizes: int32 (N, 2), height and width of each photo.
        nbytes: of all photos.
    """

    def __init__(self, store: Store):
        first: dict[str, int] = {}
        for index, sample in enumerate(store.samples):
            first.setdefault(sample.name, index)
        with ThreadPoolExecutor() as pool:
            photos = list(pool.map(store.__getitem__, first.values()))
        kept = {name: place for place, name in enumerate(first)}
        places = np.array([kept[sample.name] for sample in store.samples])
        word = WORDS[photos[0].shape[-1]]
        flat = [np.ascontiguousarray(photo).reshape(-1).view(word) for photo in photos]
        counts = np.array([len(row) for row in flat])
        self._words = np.concatenate(flat)
        self._starts = np.concatenate([[0], np.cumsum(counts)[:-1]])[places]
        self._longest = int(counts.max())
        self._stays = False
        self._cut = np.array([cut_edges(photo) for photo in photos])[places]
        self.sizes = np.array([photo.shape[:2] for photo in photos], "int32")[places]
        self.nbytes = self._words.nbytes

    def __len__(self) -> int:
        return len(self._starts)

    def can_stay(self) -> bool:
        """Whether the device could keep all photos: with jax, on one device, if 32 bits count them.

        TensorFlow's pipelines hand every batch over from the host.
        """
        alone = keras.distribution.distribution() is None
        return keras.backend.backend() == "jax" and alone and len(self._words) < LONGEST

    def stay(self) -> None:
        """Put all photos on the device: an array that is there is not sent with each batch."""
        self._words = keras.ops.convert_to_tensor(self._words)
        self._stays = True

    def take(self, index: np.ndarray) -> dict:
        """Some photos as a batch carries them.

        Args:
            index: int (batch,), which ones.

        Returns:
            "words", (batch, pixels) of these photos, each in a row as long as the longest photo
            needs, "size" int32 (batch, 2), and "cut" bool (batch, 3), of `placement.cut_edges`.
            Where they stay on the device: "words" (pixels,) of all photos, and "start" int32
            (batch,), where these begin.
        """
        starts = self._starts[index]
        sizes, cut = self.sizes[index], self._cut[index]
        if self._stays:
            starts = starts.astype("int32")
            return {"words": self._words, "start": starts, "size": sizes, "cut": cut}
        # One length for all batches: a step is compiled for it.
        words = np.zeros((len(index), self._longest), self._words.dtype)
        for row, start, (height, width) in zip(words, starts, sizes, strict=True):
            row[: height * width] = self._words[start : start + height * width]
        return {"words": words, "size": sizes, "cut": cut}


def read(photos: dict, rows, columns):
    """Read pixels on the device.

    Args:
        photos: from `Bank.take`.
        rows: int32 (batch, height, width), inside the photos.
        columns: the same.

    Returns:
        float32 (batch, height, width, channels), 0..255.
    """
    ops = keras.ops
    words = photos["words"]
    if len(words.shape) == 2:
        count, length = ops.shape(words)
        start = ops.arange(count, dtype="int32") * length
        words = ops.reshape(words, (-1,))
    else:
        start = photos["start"]
    start, width = (value[:, None, None] for value in (start, photos["size"][:, 1]))
    words = ops.take(words, start + rows * width + columns, axis=0)
    count = 2 if keras.backend.standardize_dtype(words.dtype) == "int16" else 4
    words = ops.cast(words, "int32")
    bytes_ = [ops.bitwise_and(ops.right_shift(words, 8 * place), 255) for place in range(count)]
    return ops.cast(ops.stack(bytes_, axis=-1), "float32")
