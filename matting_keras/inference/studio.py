"""The demo: photos, folders, videos and cameras in, pictures of people without background out."""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from matting_keras.errors import InputError
from matting_keras.inference.composite import Background, composite, cover, parse_colour
from matting_keras.inference.matter import Matter
from matting_keras.inference.runtimes import RUNTIMES
from matting_keras.media.camera import Camera, has_display, show
from matting_keras.media.images import (
    IMAGE_SUFFIXES,
    list_images,
    read_image,
    read_photo,
    write_image,
)
from matting_keras.media.kinds import kind_of
from matting_keras.media.video import VIDEO_SUFFIXES, VideoReader, VideoWriter

GRAY = {"night": "dark", "night-lite": "dark-light"}
"""For each colour network, its gray twin."""

SCREEN_GREEN = "#00b140"
"""Behind videos where nothing else is asked for: .mp4 has no transparency."""

CLIP_SECONDS = 10
"""How long a camera is recorded where there is no window to close."""


class Job(NamedTuple):
    """One thing to cut out: a file or a camera's number, and its place below the output folder."""

    source: Path | int
    place: Path


def main(argv: Sequence[str] | None = None, samples: Path | None = None) -> int:
    """Run the demo.

    Args:
        argv: its arguments; None takes the process's.
        samples: the folder to take where no path is given.

    Returns:
        The exit status: 0, or 1 when anything could not be done (each said on stderr). The names
        of the files written are printed on stdout.
    """
    options = parser().parse_args(argv)
    try:
        return _run(options, samples)
    except InputError as error:
        _complain(error)
        return 1
    except BrokenPipeError:
        # The reader of our output has left. Python would complain once more when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    """The demo's options."""
    made = argparse.ArgumentParser(
        prog="demo.py", description="Cut people out of photos, folders, videos or a camera."
    )
    made.add_argument(
        "paths", nargs="*", metavar="PATH", help="photo, folder or video; or a camera's number, 0"
    )
    network = made.add_mutually_exclusive_group()
    network.add_argument("--arch", metavar="NAME", help="shipped network (default: dark-light)")
    network.add_argument("--weights", metavar="FILE", help=".onnx, .keras or .tflite file instead")
    made.add_argument("--gray", action="store_true", help="the gray twin of a colour network")
    made.add_argument(
        "--background",
        metavar="COLOR|FILE|blur|transparent",
        help="what to put behind (default: transparent for photos, green for videos)",
    )
    made.add_argument("--output", metavar="PATH", help="file or folder (default: output/)")
    made.add_argument("--runtime", default="auto", choices=("auto", *RUNTIMES))
    made.add_argument("--no-window", action="store_true", help="record a camera, show nothing")
    return made


def _run(options: argparse.Namespace, samples: Path | None) -> int:
    output = Path(options.output or "output")
    failures = 0
    jobs: list[Job] = []
    for text in options.paths or [str(samples)]:
        try:
            jobs += _jobs(text, output)
        except InputError as error:
            _complain(error)
            failures += 1
    if not jobs:
        return 1
    if _is_file(output) and len(jobs) > 1:
        raise InputError(f"--output {output} is one file, but there are {len(jobs)} inputs.")
    # A background that cannot be used fails here, once, rather than for every picture.
    backdrops = _backdrops(options.background or "transparent")
    backdrops = itertools.chain([next(backdrops)], backdrops)
    matter = Matter(_network(options), runtime=options.runtime)
    taken: set[Path] = set()
    for job in _progress(jobs, "pictures"):
        try:
            target = _target(job, output, taken)
            written = _make(job, target, matter, options, backdrops)
        except InputError as error:
            _complain(error)
            failures += 1
            continue
        if written:
            print(target, flush=True)
    return 1 if failures else 0


def _jobs(text: str, output: Path) -> list[Job]:
    path = Path(text)
    if text.isdecimal() and not path.exists():
        return [Job(int(text), Path(f"camera-{text}"))]
    if not path.is_dir():
        return [Job(path, Path(path.name))]
    # What an earlier run wrote below the folder is not cut out again.
    written = output.resolve()
    found = [name for name in list_images(path) if written not in name.resolve().parents]
    if not found:
        raise InputError(f"{path}: no pictures in it but those in {output}.")
    return [Job(name, name.relative_to(path)) for name in found]


def _target(job: Job, output: Path, taken: set[Path]) -> Path:
    if _is_file(output):
        if isinstance(job.source, Path) and output.exists() and output.samefile(job.source):
            raise InputError(f"{output}: is the input itself; give another --output.")
        return output
    moving = isinstance(job.source, int) or kind_of(job.source) == "video"
    suffix = ".mp4" if moving else ".png"
    target = output / job.place.with_name(f"{job.place.stem}-cutout{suffix}")
    if target in taken:  # me.jpg and me.png side by side
        target = target.with_name(f"{job.place.name.replace('.', '-')}-cutout{suffix}")
    taken.add(target)
    return target


def _is_file(output: Path) -> bool:
    return output.suffix.lower() in (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES) and not output.is_dir()


def _network(options: argparse.Namespace) -> str | Path:
    if options.weights:
        if options.gray:
            raise InputError("--gray chooses between shipped networks; leave it out or --weights.")
        return Path(options.weights)
    name = options.arch or "dark-light"
    if options.gray and name not in GRAY and name not in GRAY.values():
        raise InputError(f"--gray: {name} has no gray twin; {', '.join(GRAY)} have.")
    return GRAY.get(name, name) if options.gray else name


def _backdrops(text: str, size: tuple[int, int] | None = None) -> Iterator[Background]:
    """The background of each picture or frame in turn; a video starts again at its end."""
    if text in ("transparent", "blur") or parse_colour(text):
        yield from itertools.repeat(text)
    if not Path(text).exists():
        raise InputError(
            f"--background {text}: neither a colour nor a file; give a name such as teal, "
            "'#rrggbb', blur, transparent, or the path of a picture or video."
        )
    if kind_of(text) == "image":
        picture = read_image(text)
        yield from itertools.repeat(picture if size is None else cover(picture, size))
    with VideoReader(text) as video:
        while True:
            yield from video
            video.rewind()


def _make(
    job: Job,
    target: Path,
    matter: Matter,
    options: argparse.Namespace,
    backdrops: Iterator[Background],
) -> bool:
    """Do one job; whether it wrote its file (a window writes none)."""
    if isinstance(job.source, Path) and kind_of(job.source) == "image":
        photo = read_photo(job.source)
        write_image(target, composite(photo, matter(photo), next(backdrops)))
        return True
    text = options.background or SCREEN_GREEN
    if text == "transparent":
        raise InputError(
            f"{job.source}: an .mp4 file has no transparency; give --background a colour, a "
            "picture, a video or blur."
        )
    if isinstance(job.source, Path):
        _film(job.source, target, matter, text)
        return True
    with Camera(job.source) as camera:
        frames = _cut(camera, matter, _backdrops(text, camera.size))
        if has_display() and not options.no_window:
            _watch(frames)
            return False
        _record(frames, camera, target)
    return True


def _cut(
    frames: Iterable[np.ndarray], matter: Matter, backdrops: Iterator[Background]
) -> Iterator[np.ndarray]:
    for frame in frames:
        yield composite(frame, matter(frame), next(backdrops))


def _film(source: Path, target: Path, matter: Matter, background: str) -> None:
    with VideoReader(source) as video, VideoWriter(target, video.size, video.fps) as writer:
        frames = _progress(video, "frames", video.count)
        for frame in _cut(frames, matter, _backdrops(background, video.size)):
            writer.write(frame)
    if video.read < 0.9 * video.count:
        print(
            f"warning: {source}: only {video.read} of {video.count} frames could be decoded; "
            f"{target} ends there.",
            file=sys.stderr,
        )


def _watch(frames: Iterator[np.ndarray]) -> None:
    for frame in frames:
        if not show(frame):
            break


def _record(frames: Iterator[np.ndarray], camera: Camera, target: Path) -> None:
    """Record a camera in real time: where the network is slower, frames are repeated."""
    print(f"recording {CLIP_SECONDS} s, ctrl-C ends it sooner", file=sys.stderr)
    with VideoWriter(target, camera.size, camera.fps) as writer:
        start = time.monotonic()
        try:
            for frame in frames:
                elapsed = time.monotonic() - start
                for _ in range(max(1, round(elapsed * camera.fps) - writer.written)):
                    writer.write(frame)
                if elapsed > CLIP_SECONDS:
                    break
        except KeyboardInterrupt:
            print("stopped; finishing the file", file=sys.stderr)


def _progress(items: Iterable, unit: str, total: int | None = None) -> Iterable:
    """Show how far we are, where someone watches and there is more than one thing to do."""
    total = total or (len(items) if isinstance(items, list) else None)
    if total == 1 or not sys.stderr.isatty():
        return items
    from tqdm import tqdm

    return tqdm(items, total=total, unit=f" {unit}", leave=False)


def _complain(error: InputError) -> None:
    print(f"error: {error}", file=sys.stderr)
