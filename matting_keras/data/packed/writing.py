"""Writing packs that fit into what can be carried, and never by leaving photos out."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from matting_keras.data.packed import codec
from matting_keras.data.packed.file import Stored, save
from matting_keras.data.store import Store, pack
from matting_keras.errors import InputError

log = logging.getLogger(__name__)

LADDER = ((88, 1.5), (82, 1.5), (82, 1.25), (76, 1.25), (76, 1.0), (68, 1.0), (60, 1.0))
"""What is given up where photos do not fit: quality, and pixels beyond the training shapes'."""

HELD_QUALITY = 95
PROBED = 64
"""Photos that are encoded to guess what all of them need."""


@dataclass(frozen=True)
class Settings:
    """What decides a pack.

    Attributes:
        area: pixels of the training shapes; photos keep up to half as many again.
        megabytes: what each file may take; 0 for whatever is needed.
        files: to deal the photos out to; each can be used alone.
        form: one of `codec.FORMS`.
    """

    area: int = 256 * 256
    megabytes: float = 0
    files: int = 1
    form: str = "webp"


def write(path: str | os.PathLike, stores: Mapping[str, Store], settings: Settings) -> list[Path]:
    """Pack photos at the best quality that fits.

    Photos held back keep WebP's quality 95 and all steps of their alphas, whatever becomes of the
    others, so that validation can be compared.

    Args:
        path: of the file; several files get "-1of3" and so on before the suffix.
        stores: "train" and "held", and "scene" where there are backgrounds; in colour.
        settings: what decides it.

    Returns:
        The files.

    Raises:
        InputError: a setting that cannot be, or photos that fit at no quality.
    """
    _check(settings)
    budget = settings.megabytes * 1e6 * settings.files * 0.995
    quality, photos = _fitting(stores, settings, budget)
    about = {"form": settings.form, "area": settings.area, "quality": quality}
    path, paths = Path(path), []
    for number in range(settings.files):
        name = path.name
        if settings.files > 1:
            name = f"{path.stem}-{number + 1}of{settings.files}{path.suffix}"
        paths.append(path.with_name(name))
        save(paths[-1], about, photos[number :: settings.files])
    return paths


def _check(settings: Settings) -> None:
    if settings.form not in codec.FORMS:
        raise InputError(f"a pack's form is one of {', '.join(codec.FORMS)}: {settings.form!r}.")
    if settings.area < 1 or settings.files < 1 or settings.megabytes < 0:
        raise InputError(
            "a pack needs an area and a number of files of 1 or more, and megabytes of 0 or more, "
            f"not {settings.area}, {settings.files} and {settings.megabytes:g}."
        )


def _fitting(stores, settings: Settings, budget: float) -> tuple[int, list[Stored]]:
    """The first rung of the ladder whose bytes fit, and the photos."""
    held = _encoded(_places(stores, ("held",)), settings, HELD_QUALITY, 1.5)
    fixed = sum(one.bytes for one in held)
    found = _places(stores, ("train", "scene"))
    some = found[:: max(1, len(found) // PROBED)]
    for quality, oversize in LADDER:
        share = len(found) / len(some)
        guess = sum(one.bytes for one in _encoded(some, settings, quality, oversize)) * share
        if budget and fixed + guess > 1.03 * budget:
            continue
        made = _encoded(found, settings, quality, oversize)
        needed = fixed + sum(one.bytes for one in made)
        if not budget or needed <= budget:
            log.info("quality %d, up to %g × the area: %.1f MB", quality, oversize, needed / 1e6)
            return quality, made + held
    raise InputError(
        f"{len(found) + len(held)} photos do not fit into {settings.files} × "
        f"{settings.megabytes:g} MB even at the lowest quality; allow more files or megabytes, a "
        "smaller area, or take fewer photos."
    )


def _places(stores: Mapping[str, Store], parts: Sequence[str]) -> list[tuple[str, Store, int]]:
    """Each photo once, however often it counts."""
    found = []
    for part in parts:
        if part in stores:
            first = {sample.name: i for i, sample in enumerate(stores[part].samples)}
            found += [(part, stores[part], i) for i in first.values()]
    return found


def _encoded(places, settings: Settings, quality: int, oversize: float) -> list[Stored]:
    make = partial(_stored, settings=settings, quality=quality, oversize=oversize)
    with ThreadPoolExecutor() as pool:
        return list(pool.map(make, places))


def _stored(place, settings: Settings, quality: int, oversize: float) -> Stored:
    part, store, index = place
    sample, photo = store.samples[index], store[index]
    area = round(settings.area * oversize)
    if photo.shape[0] * photo.shape[1] > 1.01 * area:
        photo = pack(photo[..., :3], photo[..., 3] / np.float32(255), 3, area)
    levels = 255 if part == "held" else codec.LEVELS
    alpha = b"" if part == "scene" else codec.encode_alpha(photo[..., 3], settings.form, levels)
    facts = {
        # No more of the path than it takes to find the photo again.
        "name": "/".join(Path(sample.name).parts[-3:]),
        "part": part,
        "person": "" if part == "scene" else sample.person,
        "size": list(photo.shape[:2]),
        "rough": bool(sample.rough),
        "cutout": bool(sample.cutout),
    }
    return Stored(facts, codec.encode_photo(photo[..., :3], settings.form, quality), alpha)
