"""PyTorch checkpoints, read and written whether or not PyTorch is there."""

from __future__ import annotations

import os
import pickle
import struct
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from matting_keras.atomic import atomic_path
from matting_keras.errors import InputError
from matting_keras.weights.tensor_pickle import STORAGES, WAY_OUT
from matting_keras.weights.tensor_pickle import Tensor as StoredTensor
from matting_keras.weights.torch_file import check_archive, looks_like_checkpoint, opened

WRAPPERS = ("state_dict", "model", "model_state_dict", "net", "network", "params")

# Before 2.6 weights_only let a crafted file run code (CVE-2025-32434).
_SAFE_TORCH = (2, 6)
_TYPES = {
    np.dtype(code): kind for kind, code in STORAGES.items() if kind != "torch.BFloat16Storage"
}


def looks_like_pytorch(path: str | os.PathLike) -> bool:
    """Whether a file's content, not its name, is that of a PyTorch checkpoint.

    A cut-off checkpoint still looks like one. A file that cannot be read does not.
    """
    return looks_like_checkpoint(path)


def read_state_dict(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Read the tensors of a PyTorch checkpoint, without running anything the file names.

    Where PyTorch 2.6 or newer is installed it reads the file, with `weights_only`; otherwise we
    read it ourselves and admit tensors only. Both file formats of torch.save are known.

    Args:
        path: the checkpoint (.pth, .pt, .ckpt): a state dict, or a dict that holds one under
            "state_dict", "model", "model_state_dict", "net", "network" or "params".

    Returns:
        Arrays by name, in the file's order and of the stored type; bfloat16, which numpy lacks,
        becomes float32. They cannot be written to, need not be contiguous, and share memory where
        the tensors did.

    Raises:
        InputError: no such file, not a checkpoint, damaged, no tensors in it, or something other
            than tensors that a pickle would have to run code for.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_state_dict({"fc.bias": np.ones(3, np.float32)}, f"{folder}/tiny.pth")
        ...     read_state_dict(f"{folder}/tiny.pth")
        {'fc.bias': array([1., 1., 1.], dtype=float32)}
    """
    path = Path(path)
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no such file"
        raise InputError(f"{path}: {what}; expected a PyTorch checkpoint (.pth, .pt, .ckpt).")
    with _located(path):
        if not looks_like_pytorch(path):
            raise InputError(
                f"not a PyTorch checkpoint ({path.stat().st_size} bytes): it does not begin as "
                "what torch.save writes. Give a file torch.save wrote, or copy it again."
            )
        torch = _torch()
        return _read_restricted(path) if torch is None else _read_with_torch(path, torch)


def write_state_dict(tensors: Mapping[str, np.ndarray], path: str | os.PathLike) -> None:
    """Write arrays as a checkpoint that torch.load(path, weights_only=True) reads.

    PyTorch sees an OrderedDict of contiguous tensors. Names for one and the same array share its
    storage, as tied weights do. The bytes depend on nothing but the arrays.

    Args:
        tensors: arrays by name: float32, float16, float64, int64, int32, int16, int8, uint8 or
            bool, of any shape, () included.
        path: the file to write, whole or not at all.

    Raises:
        InputError: no arrays, a name that is not a string, or an array of another type.
    """
    arrays = {name: np.asarray(array) for name, array in tensors.items()}
    if not arrays:
        raise InputError(f"{path}: there are no tensors to write; pass at least one.")
    for name, array in arrays.items():
        if not isinstance(name, str):
            raise InputError(f"{path}: the name {name!r} is not a string; PyTorch needs one.")
        if array.dtype.newbyteorder("=") not in _TYPES:
            known = ", ".join(dtype.name for dtype in _TYPES)
            raise InputError(f"{path}: {name!r} is {array.dtype}; convert it to one of {known}.")
    keys: dict[int, int] = {}
    for array in arrays.values():
        keys.setdefault(id(array), len(keys))
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        # The order of torch.save: looks_like_pytorch expects the pickle first.
        _add(archive, "data.pkl", _pickled(arrays, keys))
        _add(archive, "byteorder", b"little")
        for key, array in {keys[id(array)]: array for array in arrays.values()}.items():
            _add(archive, f"data/{key}", array.astype(array.dtype.newbyteorder("<")).tobytes())
        _add(archive, "version", b"3\n")


@contextmanager
def _located(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong inside into an `InputError` that names the file."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error}. Copy it again.") from error
    except Exception as error:
        # Damage shows in any instruction of a pickle and any field of a zip: there is no list of
        # what they raise.
        reason = f"{type(error).__name__}: {str(error)[:200]}".rstrip(":. ")
        raise InputError(
            f"{path}: damaged or cut off ({path.stat().st_size} bytes), expected a whole PyTorch "
            f"checkpoint: {reason}. Copy it again."
        ) from error


def _torch() -> Any:
    """PyTorch, or None where there is none to rely on."""
    try:
        import torch
    except ImportError:
        return None
    version = tuple(int(part) for part in str(torch.__version__).split(".")[:2])
    return torch if version >= _SAFE_TORCH else None


def _read_with_torch(path: Path, torch: Any) -> dict[str, np.ndarray]:
    check_archive(path)
    try:
        with warnings.catch_warnings(action="ignore"):  # of pickle protocols other than 2
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        # Ours knows newer protocols, admits nothing more, and says what to do.
        return _read_restricted(path)
    return {
        name: _numpy(name, tensor, torch)
        for name, tensor in _tensors(checkpoint, torch.Tensor).items()
    }


def _numpy(name: str, tensor: Any, torch: Any) -> np.ndarray:
    try:
        stored = tensor.untyped_storage().nbytes() // tensor.element_size()
        if tensor.numel() > stored:
            raise InputError(f"{name!r} was expanded; save tensor.contiguous() instead.")
        tensor = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
        array = tensor.detach().numpy()
    except (TypeError, RuntimeError) as error:
        reason = str(error).split("\n")[0]
        raise InputError(f"{name!r} has no form in numpy: {reason}. Save it dense.") from error
    array.flags.writeable = False
    return array


def _read_restricted(path: Path) -> dict[str, np.ndarray]:
    rows: dict[str, np.ndarray] = {}
    arrays = {}
    with opened(path) as (checkpoint, fetch):
        for name, tensor in _tensors(checkpoint, StoredTensor).items():
            # Once for all views of a storage: a file could ask for a large one a thousand times.
            key = tensor.storage.key
            if key not in rows:
                rows[key] = fetch(tensor.storage)
            arrays[name] = tensor.view(rows[key])
    return arrays


def _tensors(checkpoint: Any, kind: type) -> dict[str, Any]:
    """The state dict in a checkpoint, less the numbers and strings beside its tensors."""
    if not isinstance(checkpoint, dict):
        raise InputError(f"holds a {type(checkpoint).__name__}, expected a dict. {WAY_OUT}")
    candidates = [checkpoint.get(name) for name in WRAPPERS] + [checkpoint]
    for found in candidates:
        if isinstance(found, dict) and any(isinstance(v, kind) for v in found.values()):
            break
    else:
        keys = ", ".join(repr(key)[:60] for key in list(checkpoint)[:20])
        raise InputError(
            f"holds no tensors where a state dict could be, only {keys or 'an empty dict'}; "
            f"expected names and tensors, or one of {', '.join(WRAPPERS)}. {WAY_OUT}"
        )
    for name, value in found.items():
        plain = value is None or isinstance(value, int | float | str)
        if not isinstance(name, str) or not (plain or isinstance(value, kind)):
            raise InputError(
                f"{repr(name)[:60]} in its state dict is a {type(value).__name__}, expected a "
                f"tensor under a name. {WAY_OUT}"
            )
    return {name: value for name, value in found.items() if isinstance(value, kind)}


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(f"archive/{name}", date_time=(1980, 1, 1, 0, 0, 0))
    info.create_system = 3  # the same bytes on every system
    archive.writestr(info, data)


def _pickled(arrays: Mapping[str, np.ndarray], keys: Mapping[int, int]) -> bytes:
    """The pickle of an OrderedDict of contiguous tensors, in protocol 2.

    Args:
        arrays: by name.
        keys: of each array's storage, by its `id`.
    """
    empty = _global("collections", "OrderedDict") + pickle.EMPTY_TUPLE + pickle.REDUCE
    parts = [pickle.PROTO, b"\x02", empty, pickle.MARK]
    for name, array in arrays.items():
        kind = _TYPES[array.dtype.newbyteorder("=")]
        steps = [1]
        for length in reversed(array.shape[1:]):
            steps.insert(0, steps[0] * max(length, 1))
        storage = _tuple(
            _text("storage"),
            _global(*kind.split(".")),
            _text(str(keys[id(array)])),
            _text("cpu"),
            _integer(array.size),
        )
        parts += [
            _text(name),
            _global("torch._utils", "_rebuild_tensor_v2"),
            _tuple(
                storage + pickle.BINPERSID,
                _integer(0),
                _tuple(*map(_integer, array.shape)),
                _tuple(*map(_integer, steps[: array.ndim])),
                pickle.NEWFALSE,
                empty,
            ),
            pickle.REDUCE,
        ]
    return b"".join([*parts, pickle.SETITEMS, pickle.STOP])


def _global(module: str, name: str) -> bytes:
    return pickle.GLOBAL + f"{module}\n{name}\n".encode()


def _tuple(*parts: bytes) -> bytes:
    return pickle.MARK + b"".join(parts) + pickle.TUPLE


def _text(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return pickle.BINUNICODE + struct.pack("<I", len(data)) + data


def _integer(value: int) -> bytes:
    if value < 1 << 31:
        return pickle.BININT + struct.pack("<i", value)
    data = pickle.encode_long(value)
    return pickle.LONG1 + bytes([len(data)]) + data
