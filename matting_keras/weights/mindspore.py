"""MindSpore checkpoints, read without MindSpore."""

from __future__ import annotations

import math
import os
import zlib
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from matting_keras.errors import InputError

# tensor_type in lower case; bfloat16, which numpy lacks, comes as its bits.
_TYPES = {
    "float16": "<f2",
    "bfloat16": "<u2",
    "float32": "<f4",
    "float64": "<f8",
    "int8": "<i1",
    "int16": "<i2",
    "int32": "<i4",
    "int64": "<i8",
    "uint8": "<u1",
    "uint16": "<u2",
    "uint32": "<u4",
    "uint64": "<u8",
    "bool": "<u1",
}
_NOT_TENSORS = ("str", "random_op")  # notes of the training beside the weights
_CRC_MARK, _CRC_LENGTH = b"crc_num", 10
_MOST_BYTES = (1 << 31) - 1  # protobuf's own limit
_MOST_DIMENSIONS = 32


def read_checkpoint(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Read the tensors of a MindSpore checkpoint (.ckpt).

    A file cut off between two tensors cannot be told from a whole one, unless it was saved with
    `crc_check=True`: check that all weights of the network came.

    Args:
        path: the file.

    Returns:
        Arrays by name, in the file's order and of the stored type; bfloat16, which numpy lacks,
        becomes float32. They cannot be written to. Strings beside them are left out.

    Raises:
        InputError: no such file, not a checkpoint, damaged, or without tensors.

    Source of the format: mindspore/ccsrc/utils/checkpoint.proto, Apache-2.0.
    """
    path = Path(path)
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no such file"
        raise InputError(f"{path}: {what}; expected a MindSpore checkpoint (.ckpt).")
    tensors = {}
    try:
        for tag, values in groupby(_values(path), key=lambda value: value.tag.decode()):
            if tag in tensors:
                raise InputError(f"{path}: holds {tag[:100]!r} twice; copy it again.")
            array = _array(f"{path}: {tag[:100]!r}", list(values))
            if array is not None:
                tensors[tag] = array
    except UnicodeDecodeError as error:
        raise _not_one(path, error) from error
    if not tensors:
        raise _not_one(path, "it holds no tensors")
    return tensors


def _values(path: Path) -> Any:
    """The file's `Value` messages: a name and a tensor, or a piece of one."""
    size = path.stat().st_size
    if size > _MOST_BYTES:
        raise InputError(
            f"{path}: {size} bytes, more than the {_MOST_BYTES} protobuf can read; save the "
            "network without its optimizer."
        )
    try:
        message = _checkpoint_class().FromString(_unsealed(path, path.read_bytes()))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error}.") from error
    except DecodeError as error:
        raise _not_one(path, error) from error
    return message.value


def _unsealed(path: Path, data: bytes) -> bytes:
    """A file's messages, without the checksum that `crc_check=True` puts behind them."""
    seal = len(_CRC_MARK) + _CRC_LENGTH
    if data[-seal:-_CRC_LENGTH] != _CRC_MARK:
        return data
    if zlib.crc32(data[:-seal]) != int.from_bytes(data[-_CRC_LENGTH:], "big"):
        raise InputError(f"{path}: damaged, its checksum does not match; copy it again.")
    return data[:-seal]


def _array(where: str, values: list) -> np.ndarray | None:
    """One tensor from its pieces; None for what is no tensor."""
    kinds = {_kind(where, value) for value in values}
    sizes = {tuple(value.tensor.dims) for value in values}
    if kinds <= set(_NOT_TENSORS):
        return None
    if len(kinds) > 1 or len(sizes) > 1:
        raise InputError(f"{where} comes in pieces of two types or shapes; copy it again.")
    kind, shape = kinds.pop(), sizes.pop()
    data = b"".join(value.tensor.tensor_content for value in values)
    dtype = np.dtype(_TYPES[kind])
    if shape == (0,) and data:  # how MindSpore writes a scalar
        shape = ()
    reach = math.prod(max(n, 1) for n in shape)
    if len(shape) > _MOST_DIMENSIONS or min(shape, default=0) < 0 or reach > _MOST_BYTES:
        raise InputError(f"{where} has the impossible shape {shape[:8]}; copy it again.")
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise InputError(
            f"{where} has {len(data)} bytes, expected {math.prod(shape) * dtype.itemsize} for "
            f"{kind} of shape {shape}; the file is damaged or was cut off, copy it again."
        )
    row = np.frombuffer(data, dtype)
    if kind == "bool":
        row = row != 0
    elif kind == "bfloat16":
        row = (row.astype(np.uint32) << 16).view(np.float32)
    else:
        row = row.astype(dtype.newbyteorder("="), copy=False)
    row.flags.writeable = False
    return row.reshape(shape)


def _kind(where: str, value: Any) -> str:
    if not value.HasField("tensor"):
        raise InputError(f"{where} is a map parameter, expected a tensor; save the network again.")
    kind = (
        value.tensor.tensor_type.decode().lower().rpartition(".")[2]
    )  # "mindspore.float32" also occurs
    if kind not in _TYPES and kind not in _NOT_TENSORS:
        raise InputError(
            f"{where} is {kind[:40]!r}, expected one of {', '.join(_TYPES)}; convert it to one "
            "of them before saving."
        )
    return kind


def _not_one(path: Path, reason: object) -> InputError:
    return InputError(
        f"{path}: not a MindSpore checkpoint, or a damaged or encrypted one "
        f"({path.stat().st_size} bytes): {reason}. Copy it again, or save it without enc_key."
    )


@cache
def _checkpoint_class() -> Any:
    """The class of a whole file, from what its .proto says.

    Strings are read as bytes, which look the same in the file: what protobuf does with strings
    that are not UTF-8 depends on its version.
    """
    file = descriptor_pb2.FileDescriptorProto(
        name="matting_keras/mindspore_checkpoint.proto", package="mindspore", syntax="proto2"
    )
    tensor = file.message_type.add(name="TensorProto")
    _field(tensor, "dims", 1, "INT64", label="REPEATED")
    _field(tensor, "tensor_type", 2, "BYTES", label="REQUIRED")
    _field(tensor, "tensor_content", 3, "BYTES", label="REQUIRED")
    checkpoint = file.message_type.add(name="Checkpoint")
    _field(checkpoint, "value", 1, ".mindspore.Checkpoint.Value", label="REPEATED")
    value = checkpoint.nested_type.add(name="Value")
    _field(value, "tag", 1, "BYTES", label="REQUIRED")
    # One of two: the other, 3, is a map parameter, which we do not read.
    _field(value, "tensor", 2, ".mindspore.TensorProto", label="OPTIONAL")
    pool = descriptor_pool.DescriptorPool()  # our own, so that an installed MindSpore's differs
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("mindspore.Checkpoint"))


def _field(message: Any, name: str, number: int, kind: str, *, label: str) -> None:
    known = descriptor_pb2.FieldDescriptorProto
    field = message.field.add(name=name, number=number, label=getattr(known, f"LABEL_{label}"))
    if kind.startswith("."):
        field.type, field.type_name = known.TYPE_MESSAGE, kind
    else:
        field.type = getattr(known, f"TYPE_{kind}")
