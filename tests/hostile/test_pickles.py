"""Pickles that would do harm, in the place of weights."""

import io
import os
import pickle
import pickletools
from pathlib import Path

import pytest

from matting_keras.errors import InputError
from matting_keras.weights import tensor_pickle
from matting_keras.weights.pytorch import _global, _text, _tuple
from tests.torch_files import (
    FORMATS,
    REBUILD,
    mapping,
    tensor,
    whole,
    write_legacy,
    write_zip,
)


class Harmful:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def calls(module: str, name: str, argument: bytes) -> bytes:
    return _global(module, name) + _tuple(argument) + pickle.REDUCE


HARM = {
    "REDUCE": lambda cmd: calls("posix", "system", cmd),
    "os.system": lambda cmd: calls("os", "system", cmd),
    "nt.system": lambda cmd: calls("nt", "system", cmd),
    "eval": lambda cmd: calls("builtins", "eval", cmd),
    "old eval": lambda cmd: calls("__builtin__", "eval", cmd),
    "getattr": lambda cmd: (
        _global("builtins", "getattr")
        + _tuple(_global("builtins", "__import__") + _tuple(_text("os")) + b"R", _text("system"))
        + b"R"
        + _tuple(cmd)
        + b"R"
    ),
    "STACK_GLOBAL": lambda cmd: _text("posix") + _text("system") + b"\x93" + _tuple(cmd) + b"R",
    "INST": lambda cmd: b"(" + cmd + b"iposix\nsystem\n",
    "OBJ": lambda cmd: b"(" + _global("posix", "system") + cmd + b"o",
    "NEWOBJ": lambda cmd: _global("subprocess", "Popen") + _tuple(cmd) + b"\x81",
    "NEWOBJ_EX": lambda cmd: _global("subprocess", "Popen") + _tuple(cmd) + b"}\x92",
    "EXT1": lambda cmd: b"\x82\x01",
    "OBJ, admitted": lambda cmd: b"(" + REBUILD + cmd + b"o",
    "BUILD of a function": lambda cmd: REBUILD + b"N}(" + _text("__defaults__") + b")u\x86b",
    "BUILD of a tensor": lambda cmd: tensor() + b"}(" + _text("__class__") + cmd + b"ub",
    "BUILD of a list": lambda cmd: b"]}(" + _text("append") + cmd + b"ub",
    "BUILD with slots": lambda cmd: b"}N}(" + _text("get") + cmd + b"u\x86b",
    "call of a name": lambda cmd: _text("posix.system") + _tuple(cmd) + b"R",
    "call of a storage": lambda cmd: calls("torch", "FloatStorage", cmd),
    "SETITEM of a function": lambda cmd: REBUILD + _text("__code__") + cmd + b"s",
    "load_from_bytes": lambda cmd: calls("torch.storage", "_load_from_bytes", cmd),
    "namedtuple": lambda cmd: calls("collections", "namedtuple", cmd),
    "torch.load": lambda cmd: calls("torch", "load", cmd),
    "torch._utils.os": lambda cmd: calls("torch._utils", "os.system", cmd),
    "dotted": lambda cmd: calls("torch", "_utils._rebuild_tensor_v2.__globals__", cmd),
    "ours": lambda cmd: calls("matting_keras.weights.tensor_pickle", "pickle.loads", cmd),
    "numpy": lambda cmd: calls("numpy.core.multiarray", "_reconstruct", cmd),
    "Storage of another module": lambda cmd: calls("os", "FloatStorage", cmd),
}


@pytest.fixture
def mark(tmp_path):
    """A folder that a harmful pickle would make; checked when the test is over."""
    yield tmp_path / "harm"
    assert not (tmp_path / "harm").exists()


@FORMATS
@pytest.mark.parametrize("name", HARM)
def test_harmful_instructions(read, write, name, mark, tmp_path):
    command = f"mkdir {mark}" if "eval" not in name else f"__import__('os').mkdir({str(mark)!r})"
    for data in (
        mapping(w=tensor(), x=HARM[name](_text(command))),
        mapping(model=mapping(w=tensor()), x=HARM[name](_text(command))),
        HARM[name](_text(command)),
    ):
        with pytest.raises(InputError, match=r"harm\.pth: "):
            read(write(tmp_path / "harm.pth", whole(data)))


def test_instructions_that_are_not_known():
    codes = {code.name: code.code.encode("latin-1") for code in pickletools.opcodes}
    admitted = {*tensor_pickle._PLAIN, b"c", b"R", b"b", b"s", b"u"}
    others = {name: code for name, code in codes.items() if code not in admitted}
    assert others.keys() > {"INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "PERSID", "DUP"}
    for code in others.values():
        unpickler = tensor_pickle.TensorUnpickler(io.BytesIO(code * 9))
        with pytest.raises(InputError, match="an instruction that tensors do not need"):
            unpickler.load()


@FORMATS
@pytest.mark.parametrize("protocol", range(6))
def test_harmful_objects(read, write, protocol, mark, tmp_path):
    for place in ({"w": Harmful(mark)}, {"model": {}, "config": [Harmful(mark)]}, Harmful(mark)):
        with pytest.raises(InputError, match=r"harm\.pth: (refers to '.*mkdir|.*an instruction)"):
            read(write(tmp_path / "harm.pth", pickle.dumps(place, protocol)))


def test_harmful_objects_do_harm_elsewhere(tmp_path):
    # Without this the tests above could pass because nothing would have happened anyway.
    pickle.loads(pickle.dumps({"w": Harmful(tmp_path / "harm")}))
    assert (tmp_path / "harm").is_dir()


@FORMATS
def test_refusals_name_the_global_and_the_way_out(read, write, tmp_path):
    config = _global("omegaconf.dictconfig", "DictConfig") + b")R"
    path = write(tmp_path / "config.pth", whole(mapping(model=mapping(w=tensor()), cfg=config)))
    with pytest.raises(InputError) as caught:
        read(path)
    assert "omegaconf.dictconfig.DictConfig" in str(caught.value)
    assert 'torch.save(checkpoint["model"], "weights.pth")' in str(caught.value)


def test_harmful_legacy_headers(ours, mark, tmp_path):
    plain = write_legacy(tmp_path / "x.pth", whole(mapping(w=tensor()))).read_bytes()
    harm = pickle.dumps(Harmful(mark), 2)
    for old in (pickle.dumps(1001, 2), pickle.dumps(["0"], 2)):
        (tmp_path / "x.pth").write_bytes(plain.replace(old, harm, 1))
        with pytest.raises(InputError, match="mkdir"):
            ours(tmp_path / "x.pth")


def test_functions_are_as_they_were(ours, tmp_path):
    before = [(f.__defaults__, dict(f.__dict__)) for f in tensor_pickle._FUNCTIONS.values()]
    for target in ("collections OrderedDict", "torch Size", "torch._utils _rebuild_tensor_v2"):
        for state in (b"}(" + _text("x") + b"K\x01u", b"N}(" + _text("__defaults__") + b")u\x86"):
            data = whole(mapping(w=tensor(), x=_global(*target.split()) + state + b"b"))
            with pytest.raises(InputError, match="an instruction that tensors do not need"):
                ours(write_zip(tmp_path / "state.pth", data))
    assert before == [(f.__defaults__, dict(f.__dict__)) for f in tensor_pickle._FUNCTIONS.values()]
