"""Files that are either whole or not there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
