"""A photo and an alpha as bytes: WebP to be carried, raw to be read at once."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

FORMS = ("webp", "raw")
"""raw: the pixels as they are. webp: some fifteen times smaller, to be decoded once."""

LEVELS = 32
"""Steps between 0 and 1 of a WebP's alpha to learn from: 1/64 off at most, and a third fewer bytes
than all 255."""


def encode_photo(rgb: np.ndarray, form: str, quality: int) -> bytes:
    """Turn uint8 (height, width, 3) into bytes; `quality` 1..100 is WebP's."""
    if form == "raw":
        return np.ascontiguousarray(rgb).tobytes()
    return _webp(rgb, quality=quality)


def encode_alpha(alpha: np.ndarray, form: str, levels: int = 255) -> bytes:
    """Turn uint8 (height, width) into bytes; `levels` steps between 0 and 1 remain in a WebP."""
    if form == "raw":
        return np.ascontiguousarray(alpha).tobytes()
    steps = np.round(np.round(alpha / 255 * levels) / levels * 255).astype("uint8")
    return _webp(np.repeat(steps[..., None], 3, -1), lossless=True)


def decode_photo(data: np.ndarray, size: tuple[int, int], form: str) -> np.ndarray:
    """The uint8 (*size, 3) of an encoded photo; of a raw one a view, not a copy."""
    if form == "raw":
        return data.reshape(*size, 3)
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def decode_alpha(data: np.ndarray, size: tuple[int, int], form: str) -> np.ndarray:
    """The uint8 (*size) of an encoded alpha; 0 everywhere where there are no bytes."""
    if not len(data):
        return np.zeros(size, "uint8")
    if form == "raw":
        return data.reshape(size)
    return np.asarray(Image.open(io.BytesIO(data)).convert("L"))


def _webp(pixels: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", **options)
    return buffer.getvalue()
