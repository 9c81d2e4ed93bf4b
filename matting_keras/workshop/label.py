"""Alphas for photos that have none, or rough ones, made by a network or by solving for them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from matting_keras.atomic import atomic_path
from matting_keras.errors import InputError
from matting_keras.inference.looks import twice
from matting_keras.inference.matter import Matter
from matting_keras.inference.peers import FORMS, Peer
from matting_keras.media.images import list_images, read_alpha, read_image, write_image
from matting_keras.workshop import pool, shards
from matting_keras.workshop.refine import METHODS, disagreement, refine

if TYPE_CHECKING:
    from collections.abc import Callable

APART = 0.15
"""Disagreement of mask and teacher above which a photo is set aside."""

INVERTED = 0.3
"""Disagreement of teacher and the mask's negative below which the mask is likely a negative."""

LABELS = "labels.jsonl"


@dataclass(frozen=True)
class Settings:
    """What decides a label.

    Attributes:
        teacher: a preset, one of our files, or a published network's; None only with masks and
            "closed-form".
        masks: folder of rough masks with the photos' stems, or None for the teacher alone.
        method: how masks are refined, one of `refine.METHODS`.
        threshold: disagreement above which a photo is set aside.
        others: further teachers; the mean of all their alphas counts.
        looks: of each teacher at each photo, see `Matter`; None leaves ours as they are and gives
            published ones one.
    """

    teacher: str | None
    masks: str | None = None
    method: str = "teacher"
    threshold: float = APART
    others: tuple[str, ...] = ()
    looks: int | None = None

    @property
    def teachers(self) -> tuple[str, ...]:
        """All of them."""
        return ((self.teacher,) if self.teacher else ()) + self.others

    def absolute(self) -> Settings:
        """The same, its files named so that they are found from any folder."""
        teacher, *others = (_absolute(name) for name in (self.teacher, *self.others))
        masks = self.masks and str(Path(self.masks).absolute())
        return replace(self, teacher=teacher, others=tuple(others), masks=masks)


def label(
    photos: str | os.PathLike,
    output: str | os.PathLike,
    settings: Settings,
    processes: int | None = None,
    beam: str | None = None,
) -> Iterator[tuple[int, list[dict]]]:
    """Write alphas for a folder of photos, as a data folder that can be trained on.

    The output gets images/ (links to the photos where the file system can, else copies) and
    alphas/ (8-bit PNG) of the photos that were kept, set-aside/ with the alphas of those on which
    mask and teacher do not agree, and at the end labels.jsonl with a line for every photo and
    people.csv, by which everybody stays on the side of the split where their photos' folder has
    them.

    Args:
        photos: a folder; of those in folders below it, the folders' names become part of theirs.
        output: the data folder to write. One that was begun by the same job is finished.
        settings: what decides a label.
        processes: how many work at once; None takes one for each core, 0 works in this one.
        beam: options for Apache Beam, which then spreads the work; None does without it.

    Yields:
        How many photos there are in all, and the reports of one shard, as shards are done: name,
        status "kept", "set aside" or "failed", disagreement where there are a mask and a teacher,
        and error.

    Raises:
        InputError: no such folder, teacher or method, photos whose names clash, an output begun
            by another job or one that cannot be written.

    Example:
        for total, reports in label("photos", "data", Settings(teacher="dark-light")):
            print(total, len(reports))
    """
    # Workers may stand in another folder.
    photos, output = Path(photos).absolute(), Path(output).absolute()
    settings = settings.absolute()
    _check(settings)
    records = records_of(photos, settings, output)
    parts = shards.start(records, _plan(settings), output)
    every = []
    make = partial(worker, settings, str(output))
    for reports in pool.run(parts, make, output, processes, beam):
        every += reports
        yield len(records), reports
    _sum_up(every, output, (photos.parent if photos.name == "images" else photos).name)


def records_of(photos: Path, settings: Settings, output: Path) -> list[dict]:
    """One record a photo: its name without suffix, its path and its mask's.

    Raises:
        InputError: two photos of one name, an output in which the photos lie, or no masks for any
            photo.
    """
    masks = {}
    if settings.masks:
        masks = {_name(path, Path(settings.masks)): path for path in list_images(settings.masks)}
    records: dict[str, dict] = {}
    for path in list_images(photos):
        if output.resolve() in path.resolve().parents:
            continue
        name = _name(path, photos)
        if name in records:
            raise InputError(
                f"{path} and {records[name]['photo']} would get one label, {name}.png; rename one."
            )
        mask = masks.get(name)
        records[name] = {"name": name, "photo": str(path), "mask": mask and str(mask)}
    if not records:
        raise InputError(
            f"--output {output}: the photos in {photos} lie in it, and what lies there is taken "
            "for labels; name another folder."
        )
    if masks and not any(record["mask"] for record in records.values()):
        raise InputError(
            f"--masks {settings.masks}: none of its {len(masks)} masks has the name of one of the "
            f"{len(records)} photos in {photos}; they are matched by their names without suffix."
        )
    return list(records.values())


def worker(settings: Settings, output: str) -> Callable[[Sequence[dict]], list[dict]]:
    """Load the teacher once; the function that comes back does a shard of records."""
    found = [open_teacher(name, 1, settings.looks) for name in settings.teachers]
    teacher = (lambda image: np.mean([one(image) for one in found], 0)) if found else None
    return lambda shard: [_label_one(record, teacher, settings, Path(output)) for record in shard]


def open_teacher(
    name: str, threads: int | None = None, looks: int | None = None
) -> Callable[[np.ndarray], np.ndarray]:
    """A network that gives a picture's alpha: one of ours, or a published one by its conventions.

    Raises:
        InputError: it is neither.
    """
    path = Path(name)
    if path.suffix.lower() not in (".onnx", ".tflite") or not path.is_file():
        return Matter(name, threads=threads, looks=looks)
    try:
        return Matter(path, threads=threads, looks=looks)
    except InputError as ours:
        try:
            peer = Peer(path, threads=threads)
        except InputError:
            raise InputError(
                f"--teacher {name}: is neither a file of ours nor of a network that is known here; "
                f"{FORMS}, or a file that 'matting-keras export' wrote. As one of ours: {ours}"
            ) from ours
        return twice(peer) if looks == 2 else peer


def _plan(settings: Settings) -> dict:
    """The settings as they come back from JSON."""
    return asdict(settings) | {"others": list(settings.others)}


def _absolute(name: str | None) -> str | None:
    return str(Path(name).absolute()) if name and Path(name).is_file() else name


def _check(settings: Settings) -> None:
    if settings.masks and settings.method not in METHODS:
        raise InputError(f"--refine {settings.method}: there are {', '.join(METHODS)}.")
    if not settings.teacher and not (settings.masks and settings.method == "closed-form"):
        raise InputError(
            "a --teacher is needed: only --masks with --refine closed-form do without."
        )
    if not 0 <= settings.threshold <= 1:
        raise InputError(f"--threshold is an IoU's complement, 0 to 1, not {settings.threshold}.")
    for name in settings.teachers:
        open_teacher(name)  # here, once, rather than in every process


def _label_one(record: dict, teacher, settings: Settings, output: Path) -> dict:
    report = {"name": record["name"]}
    try:
        image = read_image(record["photo"])
        if settings.masks and not record["mask"]:
            raise InputError(f"{record['photo']}: has no mask in {settings.masks}.")
        mask = read_alpha(record["mask"]) if record["mask"] else None
        soft = teacher(image) if teacher else None
        alpha = soft
        if mask is not None:
            alpha = refine(image, mask, settings.method, soft)
            if soft is not None:
                report["disagreement"] = round(disagreement(mask, soft), 4)
    except InputError as error:
        return report | {"status": "failed", "error": str(error)}
    values = np.rint(alpha * 255).astype(np.uint8)
    if report.get("disagreement", 0) > settings.threshold:
        write_image(output / "set-aside" / f"{record['name']}.png", values)
        inverted = disagreement(1 - mask, soft) < INVERTED
        return report | {"status": "set aside"} | ({"hint": "mask inverted?"} if inverted else {})
    write_image(output / "alphas" / f"{record['name']}.png", values)
    _link(Path(record["photo"]), output / "images" / record["name"])
    return report | {"status": "kept"}


def _link(photo: Path, place: Path) -> None:
    """Put the photo beside its alpha without a second copy, where that can be."""
    target = place.with_name(place.name + photo.suffix)
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(photo.resolve(), target)
    except OSError:  # another disk, or a file system without links
        with atomic_path(target) as temporary:
            shutil.copyfile(photo, temporary)


def _sum_up(reports: Sequence[dict], output: Path, origin: str) -> None:
    lines = [json.dumps(r, ensure_ascii=False) for r in sorted(reports, key=lambda r: r["name"])]
    with atomic_path(output / LABELS) as path:
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with atomic_path(output / "people.csv") as path:
        # The same persons as in the photos' own folder, whatever this one is called.
        rows = [f"{r['name']},{origin}/{r['name']}\n" for r in reports if r["status"] == "kept"]
        path.write_text("".join(sorted(rows)), encoding="utf-8")
    with atomic_path(output / "truth.txt") as path:
        path.write_text("computed\n", encoding="utf-8")


def _name(path: Path, root: Path) -> str:
    """A photo's name in the new data folder, which has no folders in it."""
    return path.relative_to(root).with_suffix("").as_posix().replace("/", "-")
