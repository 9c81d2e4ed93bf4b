"""What stands after --data: a data set by its kind and place, opened as samples."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from matting_keras.data.formats import FORMATS
from matting_keras.data.formats.layout import Format, Found
from matting_keras.data.masks import looks_inverted
from matting_keras.data.sample import Sample
from matting_keras.errors import InputError

log = logging.getLogger(__name__)

ALLOWED = 0.01
"""Share of files without their other half that is left out with a warning each."""

LOOKS = 8
"""How many masks of a set are looked at before they are believed."""


class Spec(NamedTuple):
    """A data set as --data names it.

    Attributes:
        format: how it lies on disk.
        part: one of its parts or splits, "" for what the command needs.
        path: where.
    """

    format: Format
    part: str
    path: Path

    @property
    def title(self) -> str:
        """A short name for tables: the folder, with the part where one was named."""
        name = self.path.resolve().name
        return f"{name}, {self.part}" if self.part else name


def parse(spec: str | os.PathLike) -> Spec:
    """Take apart what stands after --data.

    Args:
        spec: "NAME:PATH" or "NAME/PART:PATH" with a name from `FORMATS`, or the path of a folder
            with images/ and alphas/ or masks/. A path that exists, and one that begins with a
            drive's letter, is never taken for anything else.

    Raises:
        InputError: a name that is not known, or nothing after the colon.

    Example:
        >>> parse("p3m/P3M-500-NP:/data/p3m").part, parse("C:/data").format.name
        ('P3M-500-NP', 'folder')
    """
    text = os.fspath(spec)
    named = re.fullmatch(r"([A-Za-z][\w-]+)(?:/([^:]*))?:(.*)", text, re.DOTALL)
    if not named or Path(text).exists():
        return Spec(FORMATS["folder"], "", Path(text))
    name, part, path = named[1].lower(), named[2] or "", named[3]
    if name not in FORMATS:
        raise InputError(
            f"--data {text}: no such folder, and {named[1]!r} is no kind of data set; known are "
            f"{', '.join(FORMATS)}."
        )
    if not path.strip():
        raise InputError(f"--data {text}: say where it is, for example {name}:/data/{name}.")
    return Spec(FORMATS[name], part, Path(path).expanduser())


def open_source(spec: str | os.PathLike, split: str = "all") -> list[Sample]:
    """Open a data set.

    Args:
        spec: what `parse` takes. A part that it names is opened whatever `split` says.
        split: "train", "validation", "test", several joined by "+", or "all". A set without
            official parts is opened whole, "test" falls back on the validation part.

    Returns:
        Samples in the order of their parts and names.

    Raises:
        InputError: nothing there, another tree, parts that are not there, or more than one in a
            hundred files without their other half.
    """
    wanted = parse(spec)
    root = wanted.format.locate(wanted.path)
    parts = choose(wanted.format.parts(root), wanted.part or split, spec, exact=bool(wanted.part))
    try:
        found = [gathered(wanted.format, root, part) for part in parts]
    except InputError as error:
        raise _hinted(error, wanted) from error
    for note in dict.fromkeys(note for one in found for note in one.notes):
        log.warning("%s", note)
    samples = complete(
        Found(
            [sample for one in found for sample in one.samples],
            tuple(misfit for one in found for misfit in one.misfits),
        ),
        spec,
    )
    _warn_of_inverted(samples, spec)
    return samples


def choose(
    there: Mapping[str, str | None], split: str, spec: object, *, exact: bool = False
) -> list[str]:
    """The parts of a set that make up a split.

    Args:
        there: the parts that are there, with their official splits.
        split: as for `open_source`, or a part's own name.
        spec: the set, for messages.
        exact: the split was asked for by name: no other one will do.

    Raises:
        InputError: no such part.

    Example:
        >>> choose({"train": "train", "val": "validation"}, "test", "x")
        ['val']
    """
    if split == "all":
        return list(there)
    if split in there:
        return [split]
    if not exact and not any(there.values()):
        return list(there)
    chosen = [part for part, official in there.items() if official in split.split("+")]
    if not chosen and split == "test" and not exact:
        chosen = [part for part, official in there.items() if official == "validation"]
    if chosen:
        return chosen
    named = parse(os.fspath(spec))
    raise InputError(
        f"--data {spec}: has no part for {split!r}, only {', '.join(there)}. Name what to use: "
        f"{named.format.name}/{next(iter(there))}:{named.path}, or {named.format.name}/all:"
        f"{named.path} for everything."
    )


def gathered(form: Format, root: Path, part: str) -> Found:
    """One part of a set, its samples knowing their official split."""
    found = form.read(root, part)
    split = form.parts(root).get(part)
    if split is None:
        return found
    return found._replace(samples=[replace(s, split=split) for s in found.samples])


def complete(found: Found, spec: object) -> list[Sample]:
    """The samples of a set of which enough is there.

    A few files without their other half are left out, with a warning each.

    Raises:
        InputError: no pairs at all, or more than one in a hundred files stay alone.
    """
    good, bad = len(found.samples), len(found.misfits)
    if bad > ALLOWED * (good + bad):
        raise InputError(
            f"--data {spec}: {bad:,} of {good + bad:,} files lack their other half, {good:,} pairs "
            f"are whole; the first: {found.misfits[0]}. Copy or unpack it again; 'matting-keras "
            f"info --data {spec}' lists them."
        )
    if not good:
        raise InputError(f"--data {spec}: has no pairs of a photo and a mask.")
    for misfit in found.misfits:
        log.warning("left out: %s", misfit)
    return found.samples


def _hinted(error: InputError, wanted: Spec) -> InputError:
    """The same error, with the name of the set where a plain path leads to a known one."""
    if wanted.format.name != "folder":
        return error
    for form in FORMATS.values():
        if form.marks and form.fits(wanted.path):
            return InputError(
                f"{error} It looks like {form.title}: pass {form.name}:{wanted.path}."
            )
    return error


def _warn_of_inverted(samples: Sequence[Sample], spec: object) -> None:
    """Say so where most masks seem to mark the background; what to do is not guessed."""
    looked = suspicious = 0
    for index in np.unique(np.linspace(0, len(samples) - 1, LOOKS).astype(int)):
        try:
            suspicious += looks_inverted(samples[index].read()[1])
        except InputError:
            continue  # `store.check` counts and lists it
        looked += 1
    if suspicious > looked / 2:
        log.warning(
            "%s: %d of %d masks that were looked at have a white frame around a dark middle. Is "
            "255 their background? Look with 'matting-keras info --data %s --sheet sheet.png'; "
            "if so, save them the other way round (255 minus the value).",
            *(spec, suspicious, looked, spec),
        )
