"""Training photos in a few files small enough to be carried to a machine without network.

python -m benchmarks.gpu.pack DATA... --backgrounds DIR --output pack.npz [--area 65536]
    [--budget-mb 36] [--parts 1]
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from matting_keras.atomic import atomic_path
from matting_keras.data.augment import AugmentConfig
from matting_keras.data.pipeline import fitted
from matting_keras.data.store import Store, pack
from matting_keras.errors import InputError
from matting_keras.geometry import buckets, nearest_bucket
from matting_keras.training.config import ArchConfig, DataConfig, RunConfig
from matting_keras.training.photos import Photos, gather

CONFIGS = Path(__file__).resolve().parents[2] / "train" / "configs" / "data"

LADDER = ((88, 1.5), (82, 1.5), (82, 1.25), (76, 1.25), (76, 1.0), (68, 1.0), (60, 1.0))
"""What is given up where photos do not fit: quality, and pixels beyond the training shapes'."""

LEVELS = 32
"""Steps between 0 and 1 of an alpha to learn from: 1/64 off at most, and a third fewer bytes."""

HELD_QUALITY = 95
RATIOS = (3 / 4, 1.0, 4 / 3)
MEBI = 2**20

Blob = tuple[dict, bytes, bytes]
"""Facts about one photo, the photo, its alpha."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write a pack as the command line says."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    flags = parser().parse_args(arguments)
    try:
        for path in write(flags):
            print(f"{path}: {path.stat().st_size / MEBI:.1f} MiB")
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = argparse.ArgumentParser("benchmarks.gpu.pack", description=__doc__.split("\n")[0])
    made.add_argument("data", nargs="+", metavar="DATA", help="data folders, as for train.py")
    made.add_argument("--backgrounds", nargs="*", default=[], metavar="DIR")
    made.add_argument("--repeat", nargs="*", type=int, default=[], metavar="N", help="of each DATA")
    made.add_argument("--output", required=True, type=Path, metavar="FILE.npz")
    made.add_argument("--area", type=int, default=256 * 256, help="pixels of the training shapes")
    made.add_argument("--ratios", nargs="+", type=float, default=RATIOS, help="width over height")
    made.add_argument("--validation", type=float, default=0.1, help="share of people held back")
    made.add_argument("--budget-mb", type=float, default=36, help="of each file, in MiB")
    made.add_argument("--parts", type=int, default=1, help="files, for as many calls")
    made.add_argument("--format", choices=("WEBP", "JPEG"), default="WEBP")
    return made


def write(flags: argparse.Namespace) -> list[Path]:
    """Choose the best quality that fits, and write the files.

    Raises:
        InputError: photos that cannot be used, or that fit at no quality.
    """
    photos = gather(
        RunConfig(
            arch=ArchConfig("night"),  # any network in colour
            data=DataConfig(
                folders=[str(path) for path in flags.data],
                repeat=list(flags.repeat),
                backgrounds=[str(path) for path in flags.backgrounds],
                area=flags.area,
                ratios=list(flags.ratios),
                validation=flags.validation,
            ),
        )
    )
    shapes = buckets(flags.area, flags.ratios)
    held = list(_held(photos, shapes, flags.format))
    parts = [_learned(photos.train.store, "train")]
    if photos.scenes:
        parts.append(_learned(photos.scenes.store, "scene"))
    budget = int(flags.budget_mb * MEBI * flags.parts * 0.995)
    quality, oversize, blobs = _fitting(parts, held, budget, flags)
    index = {
        "area": flags.area,
        "shapes": shapes,
        "stored": f"{flags.format} of quality {quality}, photos of at most {oversize:g} × the area",
        "augment": augmentations(),
    }
    return _save(blobs + held, index, flags.output, flags.parts)


def augmentations() -> dict[str, dict]:
    """The strengths of augmentation by name: the defaults, and what train/configs/data/ has."""
    found = {"default": asdict(AugmentConfig())}
    for path in sorted(CONFIGS.glob("*.yaml")):
        changed = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("augment")
        if changed:
            found[path.stem] = asdict(replace(AugmentConfig(), **changed))
    return found


def _learned(store: Store, part: str) -> list[tuple[dict, Callable[[], np.ndarray]]]:
    """Facts and a reader for each photo; one that counts several times is there once."""
    times: dict[str, int] = {}
    for sample in store.samples:
        times[sample.name] = times.get(sample.name, 0) + 1
    places = {sample.name: i for i, sample in enumerate(store.samples)}
    return [
        (_facts(store.samples[i], part) | {"times": times[name]}, lambda i=i: store[i])
        for name, i in places.items()
    ]


def _facts(sample, part: str) -> dict:
    path = Path(sample.name)
    return {"name": "/".join(path.parts[-3:]), "part": part, "rough": bool(sample.rough)}


def _held(photos: Photos, shapes, form: str) -> Iterator[Blob]:
    """Photos held back: placed as validation places them, and hardly compressed."""
    store = photos.held.store
    for i, (sample, size) in enumerate(zip(store.samples, photos.held.sizes, strict=True)):
        placed = fitted(store[i], nearest_bucket(*size, shapes))
        facts = _facts(sample, "held") | {"times": 1}
        yield facts, _photo(placed, HELD_QUALITY, form), _alpha(placed, 255, form)


def _fitting(parts, held: list[Blob], budget: int, flags) -> tuple[int, float, list[Blob]]:
    """The first rung of the ladder whose bytes fit, and the blobs."""
    fixed = sum(_bytes(blob) for blob in held)
    found = [entry for part in parts for entry in part]
    some = found[:: max(1, len(found) // 64)]
    for quality, oversize in LADDER:
        blobs = partial(_blobs, quality=quality, area=flags.area * oversize, form=flags.format)
        expected = fixed + sum(map(_bytes, blobs(some))) * len(found) / len(some)
        made = blobs(found) if expected < 1.03 * budget else []
        needed = fixed + sum(map(_bytes, made)) if made else expected
        fits = bool(made) and needed <= budget
        print(
            f"quality {quality}, photos of {oversize:g} × the area: {needed / MEBI:.1f} MiB, "
            f"{'fits' if fits else 'too large'} for {flags.parts} × {flags.budget_mb:g} MiB",
            file=sys.stderr,
        )
        if fits:
            return quality, oversize, made
    raise InputError(
        f"{len(found)} photos and pictures do not fit into {flags.parts} × {flags.budget_mb:g} "
        "MiB even at the lowest quality; pass more --parts, a smaller --area or less data."
    )


def _blobs(entries, quality: int, area: float, form: str) -> list[Blob]:
    made = []
    for facts, read in entries:
        photo = read()
        if photo.shape[0] * photo.shape[1] > 1.01 * area:
            photo = pack(photo[..., :3], photo[..., 3] / np.float32(255), 3, round(area))
        alpha = b"" if facts["part"] == "scene" else _alpha(photo, LEVELS, form)
        made.append((facts, _photo(photo, quality, form), alpha))
    return made


def _photo(photo: np.ndarray, quality: int, form: str) -> bytes:
    return _encoded(photo[..., :3], format=form, quality=quality)


def _alpha(photo: np.ndarray, levels: int, form: str) -> bytes:
    alpha = np.round(np.round(photo[..., 3] / 255 * levels) / levels * 255).astype("uint8")
    if form == "WEBP":
        return _encoded(np.repeat(alpha[..., None], 3, -1), format=form, lossless=True)
    return _encoded(alpha, format="PNG", optimize=True)


def _encoded(pixels: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, **options)
    return buffer.getvalue()


def _bytes(blob: Blob) -> int:
    return len(blob[1]) + len(blob[2]) + 140  # a line of the index


def _save(blobs: list[Blob], index: dict, output: Path, parts: int) -> list[Path]:
    """Deal the photos out to the files; each file can be used alone."""
    blobs = [(facts | {"number": n}, *data) for n, (facts, *data) in enumerate(blobs)]
    paths = []
    for part in range(parts):
        mine = blobs[part::parts]
        name = output.name if parts == 1 else f"{output.stem}-{part + 1}of{parts}{output.suffix}"
        facts = index | {
            "of": parts,
            "photos": [blob[0] | {"bytes": [len(b) for b in blob[1:]]} for blob in mine],
        }
        data = b"".join(b for blob in mine for b in blob[1:])
        with atomic_path(output.with_name(name)) as path:
            text = json.dumps(facts, ensure_ascii=False).encode()
            np.savez(path, index=np.frombuffer(text, "uint8"), data=np.frombuffer(data, "uint8"))
        paths.append(output.with_name(name))
    for kind in ("train", "held", "scene"):
        mine = [_bytes(blob) for blob in blobs if blob[0]["part"] == kind]
        print(f"{kind}: {len(mine)}, {sum(mine) / MEBI:.1f} MiB")
    return paths


if __name__ == "__main__":
    sys.exit(main())
