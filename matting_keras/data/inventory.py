"""What is in a data set: counts, sizes, kinds of masks, what does not fit, a sheet to look at."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from tqdm import tqdm

from matting_keras.data.masks import kind, looks_inverted
from matting_keras.data.sample import Sample
from matting_keras.data.specs import choose, gathered, parse
from matting_keras.errors import InputError
from matting_keras.media.images import write_image

LISTED = 20
"""Longest list of files that do not fit; the rest is counted."""

SHOWN, COLUMNS = 24, 4
CELL, CAPTION, GAP = 240, 14, 16
GREEN = (0, 177, 64)
PAPER, INK = (255, 255, 255), (60, 60, 60)


@dataclass
class Part:
    """One part of a set, read from end to end.

    Attributes:
        name: its own name.
        split: the official split it belongs to, if any.
        photos: pairs that can be used.
        people: whom they show.
        sizes: (height, width) of each.
        kinds: how many masks are soft, binary or empty.
        rough: how many are labels of hands or machines, not mattes.
        trimaps: how many came with a trimap.
        inverted: photos whose masks may be the wrong way round.
        misfits: a sentence for each file that cannot be used.
        notes: what else is worth knowing.
    """

    name: str
    split: str | None
    photos: int = 0
    people: set[str] = field(default_factory=set)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    kinds: Counter = field(default_factory=Counter)
    rough: int = 0
    trimaps: int = 0
    inverted: list[str] = field(default_factory=list)
    misfits: list[str] = field(default_factory=list)
    notes: tuple[str, ...] = ()


def describe(spec: str | os.PathLike, *, workers: int = 2, quiet: bool = False) -> str:
    """Read a whole data set and say what is in it and what does not fit.

    Args:
        spec: as for `open_source`; all parts are read unless it names one.
        workers: decoding threads.
        quiet: no progress bar.

    Returns:
        Lines of text.

    Raises:
        InputError: no such set, or nothing in it.
    """
    found = parse(spec)
    parts = survey(spec, workers=workers, quiet=quiet)
    lines = [f"{found.format.title}, {found.path}"]
    for part in parts:
        lines += _lines(part, found.format.published.get(part.name, ()))
    lines += _listed(
        "may be inverted (white frame, dark middle)", [n for p in parts for n in p.inverted]
    )
    lines += _listed("do not fit and are not used", [m for p in parts for m in p.misfits])
    lines += [f"note: {note}" for note in dict.fromkeys(n for p in parts for n in p.notes)]
    return "\n".join(lines)


def survey(spec: str | os.PathLike, *, workers: int = 2, quiet: bool = False) -> list[Part]:
    """Read every pair of a data set, broken ones included.

    Args:
        spec: as for `open_source`.
        workers: decoding threads.
        quiet: no progress bar.

    Raises:
        InputError: no such set, or nothing in it.
    """
    wanted = parse(spec)
    root = wanted.format.locate(wanted.path)
    there = wanted.format.parts(root)
    parts = []
    for name in choose(there, wanted.part or "all", spec, exact=bool(wanted.part)):
        found = gathered(wanted.format, root, name)
        part = Part(name, there[name], misfits=list(found.misfits), notes=found.notes)
        with ThreadPoolExecutor(workers) as pool:
            looks = tqdm(
                pool.map(_look, found.samples),
                f"reading {name}",
                len(found.samples),
                disable=quiet or None,
                leave=False,
            )
            for sample, look in zip(found.samples, looks, strict=True):
                _count(part, sample, look)
        parts.append(part)
    if not any(part.photos or part.misfits for part in parts):
        raise InputError(f"--data {spec}: has no pairs of a photo and a mask.")
    return parts


def contact_sheet(spec: str | os.PathLike, path: str | os.PathLike, shown: int = SHOWN) -> int:
    """Write a picture of some photos of a set, each beside its person over green.

    The person's colours are taken from the photo as they are, so that what a mask takes along
    or cuts off is seen.

    Args:
        spec: as for `open_source`.
        path: the PNG to write.
        shown: how many photos, spread over the set; the broken ones are left out.

    Returns:
        How many are on it.

    Raises:
        InputError: no such set, nothing in it that can be read, or no place to write.
    """
    wanted = parse(spec)
    root = wanted.format.locate(wanted.path)
    parts = choose(wanted.format.parts(root), wanted.part or "all", spec, exact=bool(wanted.part))
    samples = [s for part in parts for s in gathered(wanted.format, root, part).samples]
    cells = _cells(samples, shown)
    if not cells:
        raise InputError(f"--data {spec}: has no pair that can be read, so there is no sheet.")
    columns = min(COLUMNS, len(cells))
    rows = -(-len(cells) // columns)
    height, width = CELL + CAPTION, 2 * CELL + GAP
    sheet = Image.new("RGB", (columns * width, rows * height), PAPER)
    for number, cell in enumerate(cells):
        sheet.paste(cell, (number % columns * width, number // columns * height))
    write_image(path, np.asarray(sheet))
    return len(cells)


def over_green(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """A person over green, colours unchanged.

    Args:
        rgb: uint8 (height, width, 3).
        alpha: float32 (height, width), 0..1.

    Returns:
        uint8 (height, width, 3).

    Example:
        >>> over_green(np.full((1, 1, 3), 9, "uint8"), np.zeros((1, 1), "float32"))[0, 0].tolist()
        [0, 177, 64]
    """
    share = alpha[..., None]
    return np.rint(rgb * share + np.array(GREEN) * (1 - share)).astype(np.uint8)


def _look(sample: Sample) -> tuple[tuple[int, int], str, bool] | InputError:
    """Size, kind of the mask, and whether it may be inverted; or why it cannot be read."""
    try:
        _, alpha = sample.read()
    except InputError as error:
        return error
    return alpha.shape, kind(alpha), looks_inverted(alpha)


def _count(part: Part, sample: Sample, look: tuple | InputError) -> None:
    if isinstance(look, InputError):
        part.misfits.append(str(look))
        return
    size, sort, inverted = look
    part.photos += 1
    part.people.add(sample.person)
    part.sizes.append(size)
    part.kinds[sort] += 1
    part.rough += sample.rough
    part.trimaps += sample.trimap is not None
    if inverted:
        part.inverted.append(sample.name)


def _lines(part: Part, published: Sequence[int]) -> list[str]:
    name = part.name if part.split in (None, part.name) else f"{part.name} ({part.split})"
    of = f" of {' or '.join(f'{count:,}' for count in published)} published" if published else ""
    lines = [f"  {name}: {part.photos:,} photos{of}, {len(part.people):,} people"]
    if not part.photos:
        return lines
    kinds = ", ".join(f"{part.kinds[k] / part.photos:.0%} {k}" for k in ("soft", "binary", "empty"))
    origins = {0: "mattes", part.photos: "rough"}
    origin = origins.get(part.rough, f"{part.rough:,} of them rough")
    trimaps = f"; {part.trimaps:,} trimaps" if part.trimaps else ""
    return [*lines, f"    sizes: {_spread(part.sizes)}", f"    masks: {kinds}; {origin}{trimaps}"]


def _spread(sizes: Sequence[tuple[int, int]]) -> str:
    """The smallest, the median and the largest size, width before height."""
    # By area, so that the median is the size of a photo that is there.
    ranked = sorted(sizes, key=lambda size: (size[0] * size[1], size))
    ends = (ranked[0], ranked[(len(ranked) - 1) // 2], ranked[-1])
    smallest, median, largest = (f"{width}x{height}" for height, width in ends)
    if ranked[0] == ranked[-1]:
        return f"all {smallest}"
    return f"smallest {smallest}, median {median}, largest {largest}"


def _listed(title: str, entries: Sequence[str]) -> list[str]:
    if not entries:
        return []
    more = [f"    and {len(entries) - LISTED:,} more"] if len(entries) > LISTED else []
    return [f"  {len(entries):,} {title}:", *(f"    {e}" for e in entries[:LISTED]), *more]


def _cells(samples: Sequence[Sample], shown: int) -> list[Image.Image]:
    """Cells of samples spread over a set; a broken one is stood in for by the next."""
    cells: list[Image.Image] = []
    after = 0
    for start in np.linspace(0, len(samples), min(shown, len(samples)), endpoint=False).astype(int):
        for index in range(max(int(start), after), len(samples)):
            after = index + 1
            try:
                rgb, alpha = samples[index].read()
            except InputError:
                continue
            cells.append(_cell(Path(samples[index].name).stem, rgb, alpha))
            break
    return cells


def _cell(title: str, rgb: np.ndarray, alpha: np.ndarray) -> Image.Image:
    """A photo and its person over green, side by side, with the photo's name below."""
    cell = Image.new("RGB", (2 * CELL + GAP, CELL + CAPTION), PAPER)
    scale = CELL / max(alpha.shape)
    size = tuple(max(1, round(side * scale)) for side in alpha.shape[::-1])
    small = Image.fromarray(rgb).resize(size, Image.Resampling.BOX)
    matte = Image.fromarray(alpha).resize(size, Image.Resampling.BOX)
    both = (np.asarray(small), over_green(np.asarray(small), np.clip(np.asarray(matte), 0, 1)))
    for number, picture in enumerate(both):
        # Both touch the middle, so that it is plain which two belong together.
        left = CELL if number else CELL - size[0]
        cell.paste(Image.fromarray(picture), (left, CELL - size[1]))
    short = title if len(title) <= 48 else f"{title[:22]}…{title[-22:]}"
    ImageDraw.Draw(cell).text((CELL, CELL + 1), short, INK, anchor="ma")
    return cell
