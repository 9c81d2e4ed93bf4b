"""The demo: photos, folders, videos and cameras in, pictures of people without background out."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import NamedTuple

from matting_keras.errors import InputError
from matting_keras.inference.backdrop import Backdrop
from matting_keras.inference.composite import composite
from matting_keras.inference.film import (
    STANDARD,
    Source,
    film,
    losses,
    open_sink,
)
from matting_keras.inference.foreground import to_share
from matting_keras.inference.jobs import Job, is_one, jobs_of, target_of
from matting_keras.inference.live import Live, scenes_for, watch
from matting_keras.inference.matter import Matter
from matting_keras.inference.options import finder, network, parser
from matting_keras.inference.stream import interruptible
from matting_keras.media.camera import Camera
from matting_keras.media.images import (
    IMAGE_SUFFIXES,
    Photo,
    png,
    read_photo,
    write_image,
)
from matting_keras.media.video import (
    Frame,
    RawReader,
    VideoReader,
    VideoWriter,
    is_sequence,
    parse_raw,
)
from matting_keras.media.window import has_display
from matting_keras.signals import hearing
from matting_keras.standard import reader_has_left, standard_output, writing

SCREEN_GREEN = "#00b140"
"""Behind videos where nothing else is asked for: .mp4 has no transparency."""

CLIP_SECONDS = 10
"""How long a camera is recorded where there is no window to close."""


class Done(NamedTuple):
    """What became of a job: the files it wrote, and whether ctrl-C ended it."""

    files: Sequence[Path]
    stopped: bool = False


def main(argv: Sequence[str] | None = None, samples: Path | None = None) -> int:
    """Run the demo.

    Args:
        argv: its arguments; None takes the process's.
        samples: the folder to take where no path is given.

    Returns:
        The exit status: 0; 1 when anything could not be done (each said on stderr); 130 after
        ctrl-C or SIGTERM. The names of the files written are printed on stdout.
    """
    options = parser().parse_args(argv)
    try:
        # As after ctrl-C, files that are not finished are taken away.
        with hearing(signal.default_int_handler, [signal.SIGTERM]):
            return _run(options, samples)
    except InputError as error:
        _complain(error)
        return 1
    except BrokenPipeError:
        reader_has_left()
        return 1
    except KeyboardInterrupt:
        return 130


def _run(options: argparse.Namespace, samples: Path | None) -> int:
    output = Path(options.output or "output")
    failures = 0
    jobs: list[Job] = []
    for text in options.paths or [str(samples)]:
        try:
            jobs += jobs_of(text, output, options)
        except InputError as error:
            _complain(error)
            failures += 1
    if not jobs:
        return 1
    if is_one(output) and len(jobs) > 1:
        raise InputError(f"--output {output} is one file, but there are {len(jobs)} inputs.")
    if options.alpha_only and options.background:
        raise InputError("--alpha-only has no background; leave one of the two options out.")
    # A background that cannot be used fails here, once, rather than for every picture.
    backdrop = Backdrop(options.background or "transparent")
    matter = finder(options, network(options), options.runtime)
    taken: set[Path] = set()
    for job in _watched(jobs, "pictures"):
        try:
            target = target_of(job, output, taken, options)
            done = _make(job, target, matter, options, backdrop)
        except InputError as error:
            _complain(error)
            failures += 1
            continue
        for path in done.files:
            if path != STANDARD:
                print(path, flush=True)
        if done.stopped:
            return 130
    return 1 if failures else 0


def _make(
    job: Job, target: Path, matter: Matter, options: argparse.Namespace, backdrop: Backdrop
) -> Done:
    if not job.moves:
        return _still(job.source, target, matter, options, backdrop)
    if options.finer:
        raise InputError(
            f"--finer {options.finer:g} is for photos; leave it out: frames of a film or a "
            "camera are seen closer, but no finer."
        )
    if options.refine == "closed-form":
        raise InputError(
            f"{job.source}: --refine closed-form is for photos, it takes longer than a frame "
            "lasts; leave it out: photos beside it have it with shipped weights all the same."
        )
    with ExitStack() as stack:
        source = stack.enter_context(_source(job, options.raw))
        if isinstance(source, Camera):
            window = has_display() and not options.no_window
            if window or options.virtual_camera:
                _refuse_what_is_for_files(options)
                return _show(source, target, matter, options, window)
        elif options.virtual_camera:
            raise InputError(f"--virtual-camera is for a camera, not for {source.path}.")
        return _record(source, target, matter, options)


def _refuse_what_is_for_files(options: argparse.Namespace) -> None:
    """A camera that is shown records nothing; say so to who seems to expect it."""
    if options.alpha_only:
        raise InputError("--alpha-only is for files: add --no-window, or press a in it.")
    output = Path(options.output or "")
    if is_one(output) and (is_sequence(output) or output.suffix.lower() not in IMAGE_SUFFIXES):
        raise InputError(
            f"--output {output}: a window records nothing; add --no-window for {CLIP_SECONDS} s of "
            "it, or name a .png for the pictures that s saves."
        )


def _still(
    source: Path | Photo,
    target: Path,
    matter: Matter,
    options: argparse.Namespace,
    backdrop: Backdrop,
) -> Done:
    if isinstance(source, Path):
        source = read_photo(source, max_pixels=options.max_pixels)
    alpha = matter(source)
    if options.alpha_only:
        picture = to_share(alpha)
    else:
        picture = composite(source, alpha, backdrop.at(0), options.foreground)
    if target == STANDARD:
        with writing():
            standard_output().write(png(picture))
            standard_output().flush()
    else:
        write_image(target, picture)
    return Done([target])


def _source(job: Job, raw: str | None) -> Source:
    if isinstance(job.source, int):
        return Camera(job.source)
    if job.source == STANDARD:
        # Without a buffer: what the process leaves in one when it ends makes Python complain.
        return RawReader(open(0, "rb", buffering=0, closefd=False), *parse_raw(raw))
    return VideoReader(job.source)


def _show(
    camera: Camera, target: Path, matter: Matter, options: argparse.Namespace, window: bool
) -> Done:
    """A camera in a window, in a virtual camera, or both."""
    background = options.background or SCREEN_GREEN
    if background == "transparent":
        raise InputError(
            f"{camera.path}: a screen has no transparency; give --background a colour, a "
            "picture, a video or blur."
        )
    still = target.with_suffix(".png")
    live = Live(camera, matter, scenes_for(background), options.temporal, still)
    if options.virtual_camera and not window:
        print("sending to the virtual camera, ctrl-C ends it", file=sys.stderr)
    try:
        watch(live, camera, window=window, virtual=options.virtual_camera)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
    _tell_if_gone(camera)
    return Done(live.saved)


def _record(source: Source, target: Path, matter: Matter, options: argparse.Namespace) -> Done:
    """A video or camera into a file, pictures or a pipe; ctrl-C finishes what is begun."""
    background = options.background or SCREEN_GREEN
    camera = isinstance(source, Camera)
    sink = open_sink(target, source, alpha=background == "transparent")
    backdrop = None if options.alpha_only else Backdrop(background, source.size)
    if camera:
        print(f"recording {CLIP_SECONDS} s, ctrl-C ends it sooner", file=sys.stderr)
    if source.sound and not isinstance(sink, VideoWriter):
        print(f"note: the sound of {source.path} stays behind; frames carry none", file=sys.stderr)
    with backdrop or nullcontext(), interruptible() as stop, sink, _bar(source.count) as bar:
        film(
            source,
            sink,
            matter,
            backdrop,
            temporal=options.temporal,
            stop=stop,
            progress=bar,
            until=_clip_ends if camera else lambda frame: False,
        )
    stopped = stop.is_set()
    if stopped:
        of = f" of {source.count}" if source.count else ""
        print(f"stopped after {sink.written}{of} frames; {sink.path} ends there", file=sys.stderr)
    elif lost := losses(source, target):
        print(f"warning: {lost}", file=sys.stderr)
    if camera:
        _tell_if_gone(source)
    # Nothing but ctrl-C ends a camera early: it is no failure there.
    return Done([target], stopped and not camera)


def _clip_ends(frame: Frame) -> bool:
    return frame.time > CLIP_SECONDS


def _tell_if_gone(camera: Camera) -> None:
    if camera.gone:
        print(f"{camera.path} gives no more pictures; was it unplugged?", file=sys.stderr)


def _watched(items: list, unit: str) -> Iterable:
    """Show how far we are, where someone watches and there is more than one thing to do."""
    if len(items) == 1 or not sys.stderr.isatty():
        return items
    from tqdm import tqdm

    return tqdm(items, unit=f" {unit}", leave=False)


def _bar(count: int):
    """A bar of frames, with the time that is left, where someone watches."""
    if not sys.stderr.isatty():
        return _NoBar()
    from tqdm import tqdm

    return tqdm(total=count or None, unit=" frames", leave=False)


class _NoBar:
    """A bar that nobody sees."""

    def __enter__(self) -> _NoBar:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def update(self) -> None:
        pass


def _complain(error: InputError) -> None:
    print(f"error: {error}", file=sys.stderr)
