"""Standard output, where it is closed, full, or no longer read."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from matting_keras.errors import InputError


def standard_output() -> BinaryIO:
    """Standard output for bytes.

    Raises:
        InputError: it is closed.
    """
    if sys.stdout is None:
        raise InputError("standard output is closed; give --output a file.")
    return sys.stdout.buffer


@contextmanager
def writing() -> Iterator[None]:
    """Say in our own words what goes wrong while standard output is written.

    Raises:
        InputError: the disk behind it is full, say.
        BrokenPipeError: whoever read it has left; see `reader_has_left`.

    Example:
        >>> with writing():
        ...     raise OSError(28, "No space left on device")
        Traceback (most recent call last):
        matting_keras.errors.InputError: standard output: cannot be written (No space left ...
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"standard output: cannot be written ({reason}); make room.") from error


def reader_has_left() -> None:
    """Say nothing more on standard output, after a BrokenPipeError.

    Python writes the rest of its buffer when it exits, and would complain then once more.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
