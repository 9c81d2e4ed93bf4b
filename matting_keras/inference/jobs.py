"""What the demo is asked to cut out, and the files that it writes for it."""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path
from typing import NamedTuple

from matting_keras.errors import InputError
from matting_keras.inference.film import STANDARD, refuse_same
from matting_keras.media.images import IMAGE_SUFFIXES, Photo, list_images, read_photo
from matting_keras.media.kinds import kind_of, starts_picture
from matting_keras.media.video import VIDEO_SUFFIXES, is_sequence


class Job(NamedTuple):
    """One thing to cut out, and its place below the output folder.

    Attributes:
        source: a file, a camera's number, a photo that came on standard input, or "-" for raw
            frames there.
        place: relative to the output folder.
    """

    source: Path | int | Photo
    place: Path

    @property
    def moves(self) -> bool:
        """Whether it is a video or a camera."""
        if isinstance(self.source, Photo):
            return False
        if self.source == STANDARD or isinstance(self.source, int):
            return True
        return kind_of(self.source) == "video"


def jobs_of(text: str, output: Path, options: argparse.Namespace) -> list[Job]:
    """What one word of the command line stands for.

    Args:
        text: a path, a folder, the number of a camera, or "-" for standard input.
        output: the folder for results; what lies in it is left out.
        options: the demo's.

    Raises:
        InputError: a folder without pictures, or standard input without one.
    """
    path = Path(text)
    if path == STANDARD:
        source = STANDARD if options.raw else _piped(options.max_pixels)
        return [Job(source, Path("stdin"))]
    if text.isdecimal() and not path.exists():
        return [Job(int(text), Path(f"camera-{text}"))]
    if not path.is_dir():
        return [Job(path, Path(path.name))]
    # What an earlier run wrote below the folder is not cut out again.
    written = output.resolve()
    known = (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES)
    listed = list_images(path, suffixes=known)
    found = [name for name in listed if written not in name.resolve().parents]
    if not found:
        raise InputError(f"{path}: no pictures in it but those in {output}.")
    return [Job(name, name.relative_to(path)) for name in found]


def _piped(max_pixels: int) -> Photo:
    """The photo on standard input."""
    start = sys.stdin.buffer.read(16) if sys.stdin else b""  # a shell can close it
    if not starts_picture(start):
        # Not read any further: frames have no end.
        raise InputError(
            "-: what comes on standard input is no picture; for raw frames say their size, such "
            "as --raw 1280x720@30."
        )
    file = io.BytesIO(start + sys.stdin.buffer.read())
    file.name = "standard input"
    return read_photo(file, max_pixels=max_pixels)


def target_of(job: Job, output: Path, taken: set[Path], options: argparse.Namespace) -> Path:
    """The file to write for a job.

    Args:
        job: what is cut out.
        output: the folder for results, or one file (see `is_one`).
        taken: the files of earlier jobs; this one is added.
        options: the demo's.

    Raises:
        InputError: one file that does not fit the job, or that is its source.
    """
    moving = job.moves
    if is_one(output):
        if not moving and is_sequence(output):
            raise InputError(f"{job.source}: is one picture; --output {output} is for a video.")
        if isinstance(job.source, Path):
            refuse_same(job.source, output)
        return output
    suffix = ".png"
    if moving:
        suffix = ".webm" if options.background == "transparent" else ".mp4"
    end = f"-{'alpha' if options.alpha_only else 'cutout'}{suffix}"
    target = output / job.place.with_name(job.place.stem + end)
    if target in taken:  # me.jpg and me.png side by side
        target = target.with_name(job.place.name.replace(".", "-") + end)
    plain, number = target, 1
    while target in taken:  # and one more of that name, from another folder
        number += 1
        target = plain.with_stem(f"{plain.stem}-{number}")
    taken.add(target)
    return target


def is_one(output: Path) -> bool:
    """Whether an output is one thing, not a folder of them."""
    if output == STANDARD or is_sequence(output):
        return True
    return output.suffix.lower() in (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES) and not output.is_dir()
