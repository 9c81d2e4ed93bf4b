"""What must hold for any file that was damaged on its way."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from matting_keras.errors import InputError


def assert_survives_wrong_bytes(path: Path, read: Callable[[Path], dict]) -> None:
    """Change every byte in turn: the file gives arrays or an error that names it, nothing else."""
    content = path.read_bytes()
    for place in range(len(content)):
        for flip in (0x01, 0x80, 0xFF):
            path.write_bytes(
                content[:place] + bytes([content[place] ^ flip]) + content[place + 1 :]
            )
            try:
                found = read(path)
            except InputError as error:
                assert str(path) in str(error)
            else:
                assert all(isinstance(array, np.ndarray) for array in found.values())
