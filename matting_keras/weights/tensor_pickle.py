"""The pickle inside a PyTorch checkpoint, read as a description of tensors.

A pickle is a program for a small machine. The one here knows the few instructions that describe
dicts and tensors; what would import, call or change anything else is refused.
"""

from __future__ import annotations

import math
import pickle
from dataclasses import dataclass
from types import FunctionType
from typing import Any, BinaryIO, ClassVar

import numpy as np

from matting_keras.errors import InputError

# A network of a thousand layers has a pickle of about a megabyte. One byte can become some seventy
# in memory (an empty list), so this bounds what a hostile file costs.
LIMIT = 8 << 20

WAY_OUT = (
    "In the environment the file comes from, save the tensors alone: "
    'torch.save(checkpoint["model"], "weights.pth"), '
    'or torch.save(model.state_dict(), "weights.pth") for a whole model.'
)

# How the bytes of each storage are read; bfloat16 has no name in numpy and comes as its bits.
STORAGES = {
    "torch.FloatStorage": "f4",
    "torch.HalfStorage": "f2",
    "torch.BFloat16Storage": "u2",
    "torch.DoubleStorage": "f8",
    "torch.LongStorage": "i8",
    "torch.IntStorage": "i4",
    "torch.ShortStorage": "i2",
    "torch.CharStorage": "i1",
    "torch.ByteStorage": "u1",
    "torch.BoolStorage": "?",
}
_DTYPES = (
    "torch.float32",
    "torch.float16",
    "torch.bfloat16",
    "torch.float64",
    "torch.int64",
    "torch.int32",
    "torch.int16",
    "torch.int8",
    "torch.uint8",
    "torch.bool",
)
_MOST_DIMENSIONS = 32

# Instructions that make numbers, strings, tuples, lists and empty dicts, remember them, and refer
# to globals and storages: those of protocol 2, which torch.save writes, and what protocols
# 3 and 4 add to them.
_PLAIN = (
    *(pickle.PROTO, pickle.FRAME, pickle.MARK, pickle.STOP),
    *(pickle.NONE, pickle.NEWTRUE, pickle.NEWFALSE),
    *(pickle.BININT, pickle.BININT1, pickle.BININT2, pickle.LONG1, pickle.BINFLOAT),
    *(pickle.BINUNICODE, pickle.SHORT_BINUNICODE, pickle.BINSTRING, pickle.SHORT_BINSTRING),
    *(pickle.BINBYTES, pickle.SHORT_BINBYTES),
    *(pickle.EMPTY_TUPLE, pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3),
    *(pickle.EMPTY_LIST, pickle.APPEND, pickle.APPENDS, pickle.EMPTY_DICT),
    *(pickle.BINGET, pickle.LONG_BINGET, pickle.BINPUT, pickle.LONG_BINPUT, pickle.MEMOIZE),
    *(pickle.STACK_GLOBAL, pickle.BINPERSID),
)


@dataclass(frozen=True, slots=True)
class Storage:
    """A run of numbers in the file, not read yet.

    Attributes:
        key: the file's name for it.
        kind: a key of `STORAGES`.
        whole: how many numbers are stored under the key.
        start: the first of them that belongs to this storage.
        numel: how many do.
    """

    key: str
    kind: str
    whole: int
    start: int
    numel: int

    @property
    def nbytes(self) -> int:
        """The size of everything stored under the key."""
        return self.whole * np.dtype(STORAGES[self.kind]).itemsize

    def decode(self, data: bytes, order: str = "<") -> np.ndarray:
        """Everything stored under the key, from its bytes in order "<" or ">", as one row."""
        dtype = np.dtype(STORAGES[self.kind])
        if dtype.kind == "b":
            return np.frombuffer(data, np.uint8) != 0
        values = np.frombuffer(data, dtype.newbyteorder(order)).astype(dtype, copy=False)
        if self.kind == "torch.BFloat16Storage":
            return (values.astype(np.uint32) << 16).view(np.float32)
        return values


@dataclass(frozen=True, slots=True)
class Tensor:
    """A view of a storage, checked to lie inside it. Offset and strides count numbers."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def view(self, values: np.ndarray) -> np.ndarray:
        """The tensor in what its storage's `decode` gave: no copy, not writable.

        Raises:
            InputError: those are not as many numbers as the file declared.
        """
        if values.size != self.storage.whole:  # as_strided would read what lies behind them
            raise InputError(
                f"a storage has {values.size} numbers, expected {self.storage.whole}; "
                "copy it again."
            )
        if 0 in self.size:
            array = np.zeros(self.size, values.dtype)
            array.flags.writeable = False
            return array
        return np.lib.stride_tricks.as_strided(
            values[self.storage.start + self.offset :],
            self.size,
            [step * values.itemsize for step in self.stride],
            writeable=False,
        )


def _ordered_dict(*items: Any) -> dict:
    # Python 3 fills the dict afterwards. A filled one from a list, as Python 2 wrote it, could be
    # asked for again and again and takes five bytes each time.
    if any(items):
        raise InputError(f"written by Python 2, which this reader does not know. {WAY_OUT}")
    return {}


def _size(values: Any = ()) -> tuple:
    if type(values) not in (tuple, list) or len(values) > _MOST_DIMENSIONS:
        raise InputError("damaged: a torch.Size is not a short list of numbers; copy it again.")
    return tuple(values)


def _rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any) -> Tensor:
    if not isinstance(storage, Storage):
        raise InputError("damaged: a tensor has no storage; copy it again.")
    if type(size) is not tuple or type(stride) is not tuple or len(size) != len(stride):
        raise InputError("damaged: a tensor's size and stride do not match; copy it again.")
    if len(size) > _MOST_DIMENSIONS or not all(_natural(n) for n in (offset, *size, *stride)):
        raise InputError(
            "damaged: a tensor's offset, size or stride is negative, not a whole number, or has "
            f"more than {_MOST_DIMENSIONS} dimensions; copy it again."
        )
    numel = math.prod(size)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if numel and (last >= storage.numel or numel > storage.numel):
        raise InputError(
            f"a tensor of size {size}, stride {stride} and offset {offset} reaches outside its "
            f"storage of {storage.numel} numbers. The file is damaged, or the tensor was expanded: "
            "save tensor.contiguous() instead."
        )
    return Tensor(storage, offset, size, stride)


def _rebuild_tensor_v2(
    storage: Any,
    offset: Any,
    size: Any,
    stride: Any,
    requires_grad: Any = False,
    hooks: Any = None,
    metadata: Any = None,
) -> Tensor:
    if metadata:
        raise InputError(
            "a tensor is stored with its negation or conjugation pending; save "
            "tensor.resolve_conj().resolve_neg() instead."
        )
    return _rebuild_tensor(storage, offset, size, stride)


def _rebuild_parameter(data: Any, requires_grad: Any = False, hooks: Any = None) -> Tensor:
    if not isinstance(data, Tensor):
        raise InputError("damaged: a parameter is not a tensor; copy it again.")
    return data


_FUNCTIONS = {
    "collections.OrderedDict": _ordered_dict,
    "torch.Size": _size,
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor_v2,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
}


# The reader written in Python, not the faster one in C: its table of instructions can be cut
# down, and its memo is a dict, where the C reader allocates an array as long as the file says.
class TensorUnpickler(pickle._Unpickler):
    """Reads one pickle. Tensors come out as `Tensor`, ordered dicts as plain ones.

    Why this is safe with any bytes:

    - Nothing is imported. A global is a key of a table; a storage or a dtype becomes its name, a
      function becomes one of ours above. The name is never split, and nothing is looked up on it.
    - Only those functions can be called, by REDUCE. NEWOBJ, INST, OBJ and EXT, which call too,
      are not in the table of instructions.
    - BUILD, which sets attributes, does nothing to a dict and is refused on all else. The reader's
      own would change our functions, for example their `__defaults__`.
    - Keys of dicts are strings and numbers: the hash of a deeply nested tuple overruns the stack.
    - What a file gets for a byte is bounded: nothing copies what the memo can hand out again.

    Attributes:
        storages: every storage the pickle named, by key.
    """

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, encoding="utf-8")
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a global; `InputError` with its name where there is nothing."""
        path = f"{module}.{name}"
        if path in STORAGES or path in _DTYPES:
            return path
        if path in _FUNCTIONS:
            return _FUNCTIONS[path]
        raise InputError(
            f"refers to {path[:100]!r}, which is no part of a tensor, and loading it could run "
            f"code. {WAY_OUT}"
        )

    def persistent_load(self, pid: Any) -> Storage:
        """The storage a pickle refers to: what kind, under which key, how long."""
        if type(pid) is not tuple or len(pid) not in (5, 6) or pid[0] != "storage":
            raise InputError("damaged: it refers to something else than storages; copy it again.")
        kind, key, _, whole = pid[1:5]
        if type(kind) is not str or kind not in STORAGES or type(key) is not str:
            raise InputError("damaged: a storage has no type or no key; copy it again.")
        start, numel = 0, whole
        if len(pid) == 6 and pid[5] is not None:  # a part of a storage, PyTorch before 0.4
            _, start, numel = pid[5]
        if not all(_natural(n) for n in (whole, start, numel)) or start + numel > whole:
            raise InputError("damaged: a storage has an impossible length; copy it again.")
        storage = Storage(key, kind, whole, start, numel)
        known = self.storages.setdefault(key, storage)
        if (known.kind, known.whole) != (kind, whole):
            raise InputError("damaged: a storage has two types or two lengths; copy it again.")
        return storage

    def _refuse(self) -> None:
        raise InputError(
            "its pickle has an instruction that tensors do not need; it is damaged or was not "
            f"written by torch.save. {WAY_OUT}"
        )

    def _global(self) -> None:
        module, name = self.readline(), self.readline()
        if not name.endswith(b"\n"):  # half a name would be refused as if it were another
            raise EOFError
        self.append(self.find_class(module[:-1].decode(), name[:-1].decode()))

    def _reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if type(function) is not FunctionType or type(arguments) is not tuple:
            self._refuse()
        self.append(function(*arguments))

    def _build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if type(target) is not dict or type(state) is not dict:
            self._refuse()
        # Modules hang _metadata on their state dict; it says nothing about the tensors.

    def _set_items(self) -> None:
        self._fill(self.pop_mark())

    def _set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._fill([key, value])

    def _fill(self, items: list) -> None:
        target = self.stack[-1]
        if type(target) is not dict or len(items) % 2:
            self._refuse()
        for key, value in zip(items[::2], items[1::2], strict=True):
            if key is not None and type(key) not in (str, int, float, bool):
                raise InputError(f"a dict has a {type(key).__name__} for a key. {WAY_OUT}")
            target[key] = value

    dispatch: ClassVar[dict] = (
        dict.fromkeys(range(256), _refuse)
        | {code[0]: pickle._Unpickler.dispatch[code[0]] for code in _PLAIN}
        | {
            pickle.GLOBAL[0]: _global,
            pickle.REDUCE[0]: _reduce,
            pickle.BUILD[0]: _build,
            pickle.SETITEM[0]: _set_item,
            pickle.SETITEMS[0]: _set_items,
        }
    )


def _natural(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 63
