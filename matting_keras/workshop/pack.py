"""Photos, cut-outs and backgrounds in one file, from which a training composes on its device."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from matting_keras.data.packed import writing


def pack(
    data: Sequence[str | os.PathLike],
    backgrounds: Sequence[str | os.PathLike],
    output: str | os.PathLike,
    settings: writing.Settings,
    validation: float = 0.1,
) -> list[Path]:
    """Write what a training reads as `--data packed:FILE`.

    The split is the training's own: near-duplicates count as one person, and nobody whom
    `train.py` or `matting-keras evaluate --people held-back` holds back of the same data is in
    the part to learn from.

    Args:
        data: data sets as for `train.py --data`; cut-outs too (cutouts:DIR).
        backgrounds: folders of pictures without people.
        output: the file to write.
        settings: area, size and form.
        validation: share of people held back.

    Returns:
        The files; more than one where `settings` says so.

    Raises:
        InputError: data that cannot be used, or that does not fit.
    """
    from matting_keras.training.config import ArchConfig, DataConfig, RunConfig
    from matting_keras.training.photos import gather

    photos = gather(
        RunConfig(
            arch=ArchConfig("night"),  # any network in colour: gray ones get gray when it is read
            data=DataConfig(
                folders=[str(path) for path in data],
                backgrounds=[str(path) for path in backgrounds],
                area=settings.area,
                validation=validation,
            ),
        )
    )
    stores = {"train": photos.train.store, "held": photos.held.store}
    if photos.scenes:
        stores["scene"] = photos.scenes.store
    return writing.write(output, stores, settings)
