"""The files in a folder and in those below it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

log = logging.getLogger(__name__)


def files_below(folder: str | os.PathLike, recursive: bool = True) -> list[Path]:
    """All files of a folder, sorted; hidden files and folders are left out.

    Links to folders are followed, as data sets are often kept on another disk; one that leads
    back to where it lies is not. A folder below that may not be read is left out with a warning.

    Args:
        folder: to look in.
        recursive: and in all folders below.
    """
    return sorted(_files(str(folder), recursive, frozenset()))


def _files(folder: str, recursive: bool, above: frozenset[str]) -> Iterator[Path]:
    real = os.path.realpath(folder)
    if real in above:
        return
    try:
        with os.scandir(folder) as listing:
            entries = [entry for entry in listing if not entry.name.startswith(".")]
    except OSError as error:
        log.warning("warning: %s is left out, as it cannot be read: %s", folder, error.strerror)
        return
    for entry in entries:
        if not entry.is_dir():
            yield Path(entry.path)
        elif recursive:
            yield from _files(entry.path, recursive, above | {real})
