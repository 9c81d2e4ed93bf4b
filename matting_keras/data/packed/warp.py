"""`data.augment.warp` for whole batches on the device: the same numbers give the same picture."""

from __future__ import annotations

from functools import partial

from matting_keras.data.packed.bank import read
from matting_keras.data.placement import Person, look, places
from matting_keras.data.strengths import AugmentConfig


def warp(photos: dict, draw, shape: tuple, config: AugmentConfig, person: Person | None = None):
    """Flip, zoom, turn and shift photos into one shape, aspect kept.

    Args:
        photos: from `bank.Bank.take`.
        draw: float32 (batch, 5), uniform in -1..1.
        shape: (height, width) of the result.
        config: how strongly.
        person: who is on them; None for scenes.

    Returns:
        float32 (batch, *shape, channels), alpha last, all 0..255; what lies outside a photo is as
        `placement` says.
    """
    found = places(photos["size"], draw, shape, config, person)
    return look(partial(read, photos), found, photos["size"], alpha=person is not None)
