"""New training photos: people cut out once, then placed in front of many scenes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from matting_keras.atomic import atomic_path
from matting_keras.data import sources
from matting_keras.data.sources import Sample
from matting_keras.errors import InputError
from matting_keras.evaluate import held_back
from matting_keras.inference.composite import cover
from matting_keras.inference.foreground import METHODS, estimate_foreground
from matting_keras.media.images import list_images, read_image, read_photo, write_image
from matting_keras.workshop import pool, shards
from matting_keras.workshop.blend import LIGHT, blend, placed, random_placement

COMPOSITES = "composites.jsonl"

SIZES = ((512, 384), (384, 512), (448, 448))
"""(height, width) of composites, in pixels, drawn at random."""

FRACTION = 0.1
"""Share of people, and of scenes, that training holds back unless told otherwise."""


@dataclass(frozen=True)
class Settings:
    """What decides a composite.

    Attributes:
        backgrounds: folder of pictures without people; folders below it count too.
        count: how many composites to make.
        seed: of everything random.
        method: how the people's own colours are estimated: "best" (pymatting), "fast" or "off".
        light: how far a person's light follows the scene's, 0 to 1.
        held_back: of the people and of the scenes only those that a training with these folders
            does not learn from: a set to evaluate on.
        in_place: people stay where they are in their photo, and composites have its size.
    """

    backgrounds: str
    count: int = 1000
    seed: int = 0
    method: str = "best"
    light: float = LIGHT
    held_back: bool = False
    in_place: bool = False


def compose(
    data: str | os.PathLike,
    output: str | os.PathLike,
    settings: Settings,
    processes: int | None = None,
    beam: str | None = None,
) -> Iterator[tuple[int, list[dict]]]:
    """Write composites as a data folder that can be trained on.

    The people of `data` are cut out once, with their own colours, into cutouts/ (RGBA PNG). Then
    images/ and alphas/ are filled, people.csv says who is in which composite, by the name that
    `data` knows them by, so that nobody is on both sides of a split, and composites.jsonl what
    each was made of. A training can also take the cut-outs alone (cutouts:DIR/cutouts) and
    composite them anew at every use.

    Args:
        data: a data folder with soft alphas; of a hard mask the cut-out would carry a rim of its
            old background along, so rough masks are refused.
        output: the data folder to write. One that was begun by the same job is finished.
        settings: what decides a composite.
        processes: how many work at once; None takes one for each core, 0 works in this one.
        beam: options for Apache Beam, which then spreads the work; None does without it.

    Yields:
        How many pieces of work there are in all (cut-outs and composites), and the reports of one
        shard, as shards are done.

    Raises:
        InputError: rough masks, no such folder, no backgrounds, a setting out of range, an output
            begun by another job or one that cannot be written.
    """
    # Workers may stand in another folder.
    output = Path(output).absolute()
    people, scenes = _inputs(str(data), settings)
    total = len(people) + settings.count
    first = [
        {"name": Path(sample.name).stem, "number": number, "person": sample.person}
        for number, sample in people.items()
    ]
    folder = output / "cutouts"
    parts = shards.start(first, {"method": settings.method}, folder)
    usable: dict[str, str] = {}
    cut = partial(cutter, str(data), settings.method, str(folder))
    for reports in pool.run(parts, cut, folder, processes, beam):
        usable |= {r["name"]: r["person"] for r in reports if not r.get("error")}
        yield total, reports
    if not usable:
        raise InputError(f"{data}: nobody could be cut out of its {len(people)} photos.")
    _write_people(usable, folder)
    second = planned(sorted(usable), scenes, settings)
    every: list[dict] = []
    parts = shards.start(second, asdict(settings), output)
    make = partial(composer, str(output), settings.light, settings.in_place)
    for reports in pool.run(parts, make, output, processes, beam):
        every += reports
        yield total, reports
    _write_people({one["name"]: usable[one["cutout"]] for one in second}, output)
    _sum_up(every, output)


def planned(cutouts: Sequence[str], scenes: Sequence[Path], settings: Settings) -> list[dict]:
    """Who comes before what: everybody equally often, in scenes drawn from the seed."""
    drawn = np.random.default_rng(settings.seed).integers(len(scenes), size=settings.count)
    return [
        {
            "name": f"{number:06}",
            "cutout": cutouts[number % len(cutouts)],
            "scene": str(scenes[scene]),
            "seed": [settings.seed, number],
        }
        for number, scene in enumerate(drawn)
    ]


def cutter(data: str, method: str, folder: str) -> Callable[[Sequence[dict]], list[dict]]:
    """The function that cuts a shard of people out; the data folder is listed once."""
    samples = sources.open_source(data, "all")
    return lambda shard: [_cut(one, samples[one["number"]], method, folder) for one in shard]


def composer(output: str, light: float, in_place: bool) -> Callable[[Sequence[dict]], list[dict]]:
    """The function that makes a shard of composites."""
    return lambda shard: [_compose_one(one, Path(output), light, in_place) for one in shard]


def _inputs(data: str, settings: Settings) -> tuple[dict[int, Sample], list[Path]]:
    """The people by their number in the data folder, and the scenes."""
    if settings.method not in METHODS:
        raise InputError(f"--foreground {settings.method}: there are {', '.join(METHODS)}.")
    if settings.count < 1:
        raise InputError(f"--count must be 1 or more composites, not {settings.count}.")
    if not 0 <= settings.light <= 1:
        raise InputError(f"--light is a share, 0 to 1, not {settings.light}.")
    people = dict(enumerate(sources.open_source(data, "all")))
    if any(sample.rough for sample in people.values()):
        raise InputError(
            f"{data}: has rough masks, whose cut-outs would carry a rim of their old background; "
            "refine them first: matting-keras label PHOTOS --masks DIR --refine closed-form."
        )
    if not settings.held_back:
        return people, list_images(Path(settings.backgrounds).absolute())
    left_out = {sample.name for sample in held_back(list(people.values()), FRACTION)}
    people = {number: sample for number, sample in people.items() if sample.name in left_out}
    scenes = sources.split(sources.backgrounds(settings.backgrounds), FRACTION)[1]
    if not people or not scenes:
        lacking = settings.backgrounds if people else data
        raise InputError(f"{lacking}: training holds back none of its pictures.")
    return people, [Path(scene.name).absolute() for scene in scenes]


def _cut(record: dict, sample: Sample, method: str, folder: str) -> dict:
    report = {"name": record["name"], "person": record["person"]}
    try:
        image, alpha = sample.read()
        if alpha.max() <= 0.5:
            raise InputError(f"{sample.name}: nobody is in it.")
    except InputError as error:
        return report | {"status": "not cut out", "error": str(error)}
    colours = estimate_foreground(image, alpha, method)
    cutout = np.dstack([colours, np.rint(alpha * 255).astype(np.uint8)])
    write_image(Path(folder) / f"{record['name']}.png", cutout)
    return report | {"status": "cut out"}


def _compose_one(record: dict, output: Path, light: float, in_place: bool) -> dict:
    report = {"name": record["name"], "cutout": record["cutout"]}
    report["scene"] = Path(record["scene"]).name
    rng = np.random.default_rng(record["seed"])
    try:
        person = read_photo(output / "cutouts" / f"{record['cutout']}.png")
        if in_place:
            foreground, alpha = person.rgb.astype(np.float32), person.alpha
        else:
            size = SIZES[rng.integers(len(SIZES))]
            foreground, alpha = placed(person.rgb, person.alpha, size, random_placement(rng))
        scene = cover(read_image(record["scene"]), alpha.shape)
    except InputError as error:
        return report | {"status": "failed", "error": str(error)}
    mixed = blend(foreground, alpha, scene, rng, light)
    write_image(output / "images" / f"{record['name']}.jpg", mixed)
    values = np.rint(alpha * 255).astype(np.uint8)
    write_image(output / "alphas" / f"{record['name']}.png", values)
    return report | {"status": "composed"}


def _write_people(people: dict[str, str], folder: Path) -> None:
    with atomic_path(folder / "people.csv") as path:
        rows = sorted(f"{name},{person}\n" for name, person in people.items())
        path.write_text("".join(rows), encoding="utf-8")


def _sum_up(reports: Sequence[dict], output: Path) -> None:
    lines = [json.dumps(r, ensure_ascii=False) for r in sorted(reports, key=lambda r: r["name"])]
    with atomic_path(output / COMPOSITES) as path:
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with atomic_path(output / "truth.txt") as path:
        path.write_text("computed\n", encoding="utf-8")
