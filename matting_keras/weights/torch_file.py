"""The two file formats of torch.save: a zip file, and what came before PyTorch 1.6."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from matting_keras.errors import InputError
from matting_keras.weights.tensor_pickle import LIMIT, WAY_OUT, Storage, TensorUnpickler

ZIP_MAGIC = b"PK\x03\x04"
LEGACY_MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # pickled 0x1950a86a20f9469cfc6c
_LEGACY_PROTOCOL = 1001

Fetch = Callable[[Storage], np.ndarray]


def looks_like_checkpoint(path: str | os.PathLike) -> bool:
    """Whether a file's content is that of a checkpoint; one that is cut off still looks like it."""
    try:
        with open(path, "rb") as file:
            head = file.read(1024)
            if not head.startswith(ZIP_MAGIC):
                return head.startswith(LEGACY_MAGIC)
            # PyTorch writes the pickle first; the list at the end is there for other writers.
            return b"/data.pkl" in head or any(
                name.endswith("/data.pkl") for name in zipfile.ZipFile(file).namelist()
            )
    except (OSError, ValueError, NotImplementedError, struct.error, zipfile.BadZipFile):
        return False


@contextmanager
def opened(path: Path) -> Iterator[tuple[Any, Fetch]]:
    """What the pickle of a checkpoint holds, and a function that reads a storage in it.

    The function gives all the numbers under the storage's key, and works inside the block only.

    Raises:
        InputError: something other than tensors, or damage that was noticed. Other damage raises
            whatever the reader of zip files or pickles raises.
    """
    with open(path, "rb") as file:
        if file.read(len(ZIP_MAGIC)) == ZIP_MAGIC:
            with zipfile.ZipFile(file) as archive:
                yield _open_zip(archive, path.stat().st_size)
        else:
            yield _open_legacy(file)


def check_archive(path: Path) -> None:
    """Refuse a zip file that is no checkpoint, or reading which costs more than its size."""
    with open(path, "rb") as file:
        if file.read(len(ZIP_MAGIC)) == ZIP_MAGIC:
            with zipfile.ZipFile(file) as archive:
                _folder(archive, path.stat().st_size)


def _folder(archive: zipfile.ZipFile, size: int) -> str:
    """The one folder in a zip file of `size` bytes, after checking what is in it."""
    names = [info.filename for info in archive.infolist()]
    folders = [name[: -len("/data.pkl")] for name in names if name.endswith("/data.pkl")]
    if len(folders) != 1:
        raise InputError(f"not a PyTorch checkpoint: it holds {len(folders)} files data.pkl.")
    if f"{folders[0]}/constants.pkl" in names:
        raise InputError(
            "a TorchScript program; expected a state dict. Save its weights alone: "
            'torch.save(torch.jit.load(path).state_dict(), "weights.pth").'
        )
    if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
        raise InputError("compressed, which torch.save never does. Save it again with torch.save.")
    # Entries can overlap: a small file may declare the same bytes a thousand times.
    if sum(info.file_size for info in archive.infolist()) > size:
        raise InputError(f"declares more than its {size} bytes; copy it again.")
    declared = archive.getinfo(f"{folders[0]}/data.pkl").file_size
    if declared > LIMIT:
        raise InputError(f"its pickle has {declared} bytes, more than {LIMIT}. {WAY_OUT}")
    return folders[0]


def _open_zip(archive: zipfile.ZipFile, size: int) -> tuple[Any, Fetch]:
    folder = _folder(archive, size)
    present = set(archive.namelist())
    checkpoint = TensorUnpickler(io.BytesIO(archive.read(f"{folder}/data.pkl"))).load()
    order = "little"
    if f"{folder}/byteorder" in present:
        order = archive.read(f"{folder}/byteorder").decode()
    if order not in ("little", "big"):
        raise InputError(
            f"its byte order is {order[:20]!r}, expected little or big; copy it again."
        )

    def fetch(storage: Storage) -> np.ndarray:
        name = f"{folder}/data/{storage.key}"
        if name not in present:
            raise InputError(f"{name[:100]!r} is missing in it; copy it again.")
        if archive.getinfo(name).file_size != storage.nbytes:
            raise InputError(
                f"{name[:100]!r} has {archive.getinfo(name).file_size} bytes, expected "
                f"{storage.nbytes}; copy it again."
            )
        return storage.decode(archive.read(name), "<" if order == "little" else ">")

    return checkpoint, fetch


def _open_legacy(file: BinaryIO) -> tuple[Any, Fetch]:
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = io.BytesIO(file.read(LIMIT))  # bounds what a length in a pickle can ask for
    head.seek(len(LEGACY_MAGIC))
    try:
        version, _system = (TensorUnpickler(head).load() for _ in range(2))
        if version != _LEGACY_PROTOCOL:
            raise InputError(
                f"of a protocol that is not {_LEGACY_PROTOCOL}; save it again with torch.save."
            )
        unpickler = TensorUnpickler(head)
        checkpoint = unpickler.load()
        keys = TensorUnpickler(head).load()
    except Exception as error:
        if size <= LIMIT or head.read(1):
            raise
        raise InputError(f"its pickle has more than {LIMIT} bytes. {WAY_OUT}") from error
    places: dict[str, int] = {}
    place = head.tell()
    for key in keys:
        if type(key) is not str or key not in unpickler.storages:
            raise InputError("damaged: it lists a storage that no tensor uses; copy it again.")
        storage = unpickler.storages[key]
        file.seek(place)
        stored = int.from_bytes(file.read(8), "little")
        places[key] = place + 8
        place += 8 + storage.nbytes
        if place > size:
            raise InputError(f"cut off: {size} bytes, expected at least {place}; copy it again.")
        if stored != storage.whole:
            raise InputError(
                f"a storage has {stored} numbers, expected {storage.whole}; copy it again."
            )

    def fetch(storage: Storage) -> np.ndarray:
        if storage.key not in places:
            raise InputError("a storage of its tensors is missing in it; copy it again.")
        file.seek(places[storage.key])
        return storage.decode(file.read(storage.nbytes))

    return checkpoint, fetch
