"""PyTorch checkpoints made by hand, with tensors and pickles torch.save would not write.

A fragment is a piece of a pickle that puts one value on the stack of the pickle machine.
"""

import pickle
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from matting_keras.weights import pytorch
from matting_keras.weights.pytorch import _global, _integer, _text, _tuple

EMPTY_DICT = _global("collections", "OrderedDict") + b")R"
REBUILD = _global("torch._utils", "_rebuild_tensor_v2")
ROW = np.arange(12, dtype=np.float32)


def storage(key="0", kind="FloatStorage", numel=12, *rest: bytes) -> bytes:
    parts = (_text("storage"), _global("torch", kind), _text(key), _text("cpu"))
    return _tuple(*parts, _integer(numel), *rest) + pickle.BINPERSID


def integers(values) -> bytes:
    return _tuple(*(_integer(value) for value in values))


def tensor(size=(12,), stride=(1,), offset=0, on: bytes = b"") -> bytes:
    parts = (on or storage(), _integer(offset), integers(size), integers(stride), b"\x89")
    return REBUILD + _tuple(*parts, EMPTY_DICT) + pickle.REDUCE


def mapping(**values: bytes) -> bytes:
    return EMPTY_DICT + b"(" + b"".join(_text(k) + v for k, v in values.items()) + b"u"


def whole(fragment: bytes) -> bytes:
    return b"\x80\x02" + fragment + b"."


def write_zip(path: Path, data: bytes, storages=None, **more: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny/data.pkl", data)
        for name, content in {"byteorder": b"little", "version": b"3\n", **more}.items():
            archive.writestr(f"tiny/{name}", content)
        for key, row in ({"0": ROW} if storages is None else storages).items():
            archive.writestr(f"tiny/data/{key}", row.tobytes())
    return path


def write_legacy(path: Path, data: bytes, storages=None) -> Path:
    storages = {"0": ROW} if storages is None else storages
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
    parts = [0x1950A86A20F9469CFC6C, 1001, system]
    data = re.sub(rb"(?<!t)tQ", b"NtQ", data)  # here a storage also says which part it is of
    content = b"".join(pickle.dumps(part, 2) for part in parts) + data
    content += pickle.dumps(list(storages), 2)
    content += b"".join(struct.pack("<q", row.size) + row.tobytes() for row in storages.values())
    path.write_bytes(content)
    return path


FORMATS = pytest.mark.parametrize("write", [write_zip, write_legacy])


def reader(kind: str, monkeypatch) -> Callable[[Path], dict[str, np.ndarray]]:
    """`read_state_dict` as it reads with "torch", where that is installed, or without: "ours"."""
    if kind == "torch":
        pytest.importorskip("torch")
    else:
        monkeypatch.setattr(pytorch, "_torch", lambda: None)
    return pytorch.read_state_dict


def assert_same(found, wanted) -> None:
    assert list(found) == list(wanted)
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype.newbyteorder("="), name
        assert found[name].shape == array.shape, name
        np.testing.assert_array_equal(found[name], array, err_msg=name)
