"""Files that are either whole or not there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from matting_keras.errors import InputError


@contextmanager
def atomic_path(target: str | os.PathLike) -> Iterator[Path]:
    """A temporary path beside `target`, moved onto it when the block ends without an error.

    The temporary file keeps the target's suffix (writers choose their format by it), is flushed
    to disk before the move, and is removed when the block fails: a reader sees the old file or
    the new one, never half of one.

    Args:
        target: the file to write. Missing parent folders are made.

    Example:
        >>> import tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with atomic_path(f"{folder}/notes.txt") as path:
        ...         _ = path.write_text("all or nothing")
        ...     pathlib.Path(f"{folder}/notes.txt").read_text()
        'all or nothing'
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    temporary = folder / target.name
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
        folder.rmdir()


@contextmanager
def writing(target: str | os.PathLike, way_out: str) -> Iterator[None]:
    """Say which file could not be written, and what to do then, where a disk is full or gone.

    Args:
        target: the file, which is written with `atomic_path`.
        way_out: a sentence for the end of the message.

    Raises:
        InputError: in place of an OSError.

    Example:
        >>> with writing("log.csv", "Make room."):
        ...     raise OSError(28, "Disk full")
        Traceback (most recent call last):
        matting_keras.errors.InputError: log.csv: cannot be written (Disk full). Make room.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{target}: cannot be written ({reason}). {way_out}") from error


def remove_leftovers(target: str | os.PathLike) -> None:
    """Remove what a process that was killed within `atomic_path` left beside `target`."""
    target = Path(target)
    for folder in target.parent.glob(f".{target.name}.????????"):
        shutil.rmtree(folder)
