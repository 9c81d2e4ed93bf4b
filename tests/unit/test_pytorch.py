import os
import struct
import subprocess
import sys
import types
from collections import OrderedDict

import numpy as np
import pytest

from matting_keras.errors import InputError
from matting_keras.weights import pytorch
from matting_keras.weights.pytorch import (
    _global,
    _integer,
    _text,
    _tuple,
    looks_like_pytorch,
    read_state_dict,
    write_state_dict,
)
from tests.places import DATA
from tests.torch_files import (
    EMPTY_DICT,
    FORMATS,
    ROW,
    assert_same,
    integers,
    mapping,
    storage,
    tensor,
    whole,
    write_legacy,
    write_zip,
)

GOLDEN = DATA / "golden"


@pytest.fixture
def every_type() -> dict[str, np.ndarray]:
    values = np.random.default_rng(1).normal(size=(3, 4)) * 50
    arrays = {
        name: values.astype(name)
        for name in ("float32", "float16", "float64", "int64", "int32", "int16", "int8", "bool")
    }
    return arrays | {
        "uint8": np.arange(250, 256, dtype=np.uint8),
        "bn.num_batches_tracked": np.array(1 << 40, np.int64),
        "nan": np.array([np.nan, np.inf, -0.0], np.float16),
        "transposed": values.T.astype(np.float32),
        "reversed": values[::-1, ::2].astype(np.float32)[::-1],
        "big": values.astype(">f4"),
        "empty": np.zeros((0, 3, 2), np.float32),
        "näme.0": np.zeros((1, 1, 1, 1, 2), np.float32),
    }


def test_round_trip(read, every_type, tmp_path):
    write_state_dict(every_type, tmp_path / "all.pth")
    found = read(tmp_path / "all.pth")
    assert_same(found, every_type)
    assert not any(array.flags.writeable for array in found.values())


def test_bytes_depend_on_the_arrays_alone(every_type, tmp_path):
    write_state_dict(every_type, tmp_path / "a.pth")
    write_state_dict({k: v.copy() for k, v in every_type.items()}, tmp_path / "b.pt")
    assert (tmp_path / "a.pth").read_bytes() == (tmp_path / "b.pt").read_bytes()


def test_tied_weights_are_stored_once_and_stay_tied(read, tmp_path):
    tied = np.arange(4096, dtype=np.float32)
    write_state_dict({"a": tied, "b": tied, "c": tied + 1}, tmp_path / "tied.pth")
    assert (tmp_path / "tied.pth").stat().st_size < 2.2 * tied.nbytes
    found = read(tmp_path / "tied.pth")
    assert np.shares_memory(found["a"], found["b"])
    assert_same(found, {"a": tied, "b": tied, "c": tied + 1})


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({}, "no tensors to write"),
        ({"a": np.zeros(2, np.complex64)}, "'a' is complex64; convert it to one of float32"),
        ({"a": np.array(["x"])}, "'a' is <U1"),
        ({3: np.zeros(2)}, "the name 3 is not a string"),
    ],
)
def test_what_cannot_be_written(tensors, message, tmp_path):
    with pytest.raises(InputError, match=message):
        write_state_dict(tensors, tmp_path / "no.pth")
    assert not list(tmp_path.iterdir())


@FORMATS
@pytest.mark.parametrize(
    ("size", "stride", "offset"),
    [
        ((12,), (1,), 0),
        ((3, 4), (4, 1), 0),
        ((4, 3), (1, 4), 0),
        ((2, 2), (6, 2), 1),
        ((2, 3, 2), (1, 4, 2), 0),
        ((), (), 7),
        ((1, 5), (999, 1), 7),
        ((3,), (0,), 11),
        ((0, 4), (4, 1), 0),
    ],
)
def test_strides(read, write, size, stride, offset, tmp_path):
    path = write(tmp_path / "view.pth", whole(mapping(w=tensor(size, stride, offset))))
    wanted = np.zeros(size, np.float32)
    for index in np.ndindex(*size):
        wanted[index] = ROW[offset + sum(i * s for i, s in zip(index, stride, strict=True))]
    assert_same(read(path), {"w": wanted})


@FORMATS
@pytest.mark.parametrize(
    ("kind", "row", "wanted"),
    [
        ("HalfStorage", np.array([1.5, -2], "f2"), None),
        ("DoubleStorage", np.array([1e300, -2], "f8"), None),
        ("LongStorage", np.array([1 << 60, -2], "i8"), None),
        ("IntStorage", np.array([1 << 30, -2], "i4"), None),
        ("ShortStorage", np.array([1 << 14, -2], "i2"), None),
        ("CharStorage", np.array([100, -2], "i1"), None),
        ("ByteStorage", np.array([200, 2], "u1"), None),
        ("BoolStorage", np.array([1, 0], "u1"), np.array([True, False])),
        ("BFloat16Storage", np.array([0x3FC0, 0xC000], "u2"), np.array([1.5, -2], "f4")),
    ],
)
def test_types(read, write, kind, row, wanted, tmp_path):
    fragment = tensor((2,), on=storage("0", kind, 2))
    path = write(tmp_path / "types.pth", whole(mapping(w=fragment)), {"0": row})
    assert_same(read(path), {"w": row if wanted is None else wanted})


def test_byte_order(read, tmp_path):
    data = whole(mapping(w=tensor()))
    big = write_zip(tmp_path / "big.pth", data, {"0": ROW.astype(">f4")}, byteorder=b"big")
    assert_same(read(big), {"w": ROW})
    odd = write_zip(tmp_path / "odd.pth", data, byteorder=b"middle")
    with pytest.raises(InputError, match="odd"):
        read(odd)


@FORMATS
def test_parameters_and_metadata(read, write, tmp_path):
    version_1 = _global("torch._utils", "_rebuild_tensor")
    version_1 += _tuple(storage(), _integer(2), integers((2,)), integers((1,))) + b"R"
    parameter = _global("torch._utils", "_rebuild_parameter")
    parameter += _tuple(tensor(), b"\x88", EMPTY_DICT) + b"R"
    metadata = b"}(" + _text("_metadata") + mapping(fc=b"}" + _text("version") + b"K\x01s") + b"ub"
    data = whole(mapping(old=version_1, bias=parameter) + metadata)
    assert_same(read(write(tmp_path / "module.pth", data)), {"old": ROW[2:4], "bias": ROW})


def test_part_of_a_legacy_storage(read, tmp_path):
    part = storage("0", "FloatStorage", 12, _tuple(_text("1"), _integer(4), _integer(3)))
    data = whole(mapping(w=tensor((2,), (1,), 1, on=part)))
    assert_same(read(write_legacy(tmp_path / "part.pth", data)), {"w": ROW[5:7]})


@FORMATS
@pytest.mark.parametrize("name", ["", *pytorch.WRAPPERS])
def test_wrapped_state_dicts(read, write, name, tmp_path):
    scalars = {"n": b"K\x03", "x": b"G" + struct.pack(">d", 0.5), "s": _text("hi"), "none": b"N"}
    inside = mapping(w=tensor(), **scalars)
    outside = {"epoch": b"K\x03", "optimizer": b"]", "args": mapping(lr=b"K\x01"), "b": b"\x88"}
    data = whole(mapping(**outside, **{name: inside}) if name else inside)
    assert_same(read(write(tmp_path / "wrapped.pth", data)), {"w": ROW})


def test_storages_that_are_not_wanted_are_not_read(ours, tmp_path):
    moments = mapping(m=tensor(on=storage("gone")))
    path = write_zip(
        tmp_path / "training.pth", whole(mapping(model=mapping(w=tensor()), optimizer=moments))
    )
    assert_same(ours(path), {"w": ROW})


@pytest.mark.parametrize("name", ["u2netp-seed11.pth", "modnet-fp16-seed11.ckpt"])
def test_real_files(read, name):
    path = GOLDEN / name
    if not path.is_file():
        pytest.skip(f"{path} is not there; see CONTRIBUTING.md")
    found = read(path)
    assert looks_like_pytorch(path)
    assert_same(found, pytorch._read_restricted(path))
    assert len(found) > 700
    counters = [array for key, array in found.items() if key.endswith("num_batches_tracked")]
    assert all(array.shape == () and array.dtype == np.int64 for array in counters)
    floats = {array.dtype for key, array in found.items() if key.endswith("weight")}
    assert floats == {np.dtype("float16" if "fp16" in name else "float32")}


@pytest.mark.parametrize(("zipped", "protocol"), [(True, 2), (True, 3), (True, 4), (False, 2)])
def test_our_reader_agrees_with_pytorch(ours, zipped, protocol, monkeypatch, tmp_path):
    torch = pytest.importorskip("torch")
    base = torch.randn(6, 4)
    kinds = (torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int8, torch.bool)
    tensors = OrderedDict((str(kind), base.to(kind)) for kind in kinds)
    tensors |= {"t": base.t(), "row": base[2], "steps": base[1::2, ::2], "step": torch.tensor(7)}
    tensors |= {"p": torch.nn.Parameter(base), "none": torch.zeros(0, 3), "lr": 0.1, "why": "x"}
    tensors["cl"] = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    options = {"pickle_protocol": protocol, "_use_new_zipfile_serialization": zipped}
    checkpoint = {"model": tensors, "size": base.size(), "dtype": base.dtype}
    torch.save(checkpoint, tmp_path / "t.pth", **options)
    found = ours(tmp_path / "t.pth")
    monkeypatch.undo()
    assert_same(read_state_dict(tmp_path / "t.pth"), found)
    assert list(found) == [name for name in tensors if name not in ("lr", "why")]
    for name, array in found.items():
        wanted = tensors[name].detach()
        wanted = wanted.float() if wanted.dtype == torch.bfloat16 else wanted
        np.testing.assert_array_equal(array, wanted.numpy(), strict=True, err_msg=name)
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    torch.save(module.state_dict(), tmp_path / "m.pth", **options)
    assert_same(
        pytorch._read_restricted(tmp_path / "m.pth"),
        {k: v.numpy() for k, v in module.state_dict().items()},
    )


@pytest.mark.parametrize("mapped", [False, True])
def test_pytorch_reads_what_we_write(every_type, mapped, tmp_path):
    torch = pytest.importorskip("torch")
    write_state_dict(every_type, tmp_path / "all.pth")
    found = torch.load(tmp_path / "all.pth", weights_only=True, mmap=mapped)
    assert type(found) is OrderedDict
    assert all(value.is_contiguous() and not value.requires_grad for value in found.values())
    assert_same({name: value.numpy() for name, value in found.items()}, every_type)
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    write_state_dict({k: v.numpy() for k, v in module.state_dict().items()}, tmp_path / "m.pth")
    module.load_state_dict(torch.load(tmp_path / "m.pth", weights_only=True), strict=True)


@pytest.mark.parametrize(("version", "used"), [("2.5.1", False), ("2.6.0+cpu", True)])
def test_only_a_pytorch_that_is_safe_is_asked(version, used, monkeypatch, tmp_path):
    calls = []
    fake = types.SimpleNamespace(__version__=version, load="load")
    monkeypatch.setitem(sys.modules, "torch", fake)
    monkeypatch.setattr(pytorch, "_read_with_torch", lambda *given: calls.append(given) or {})
    write_state_dict({"w": ROW}, tmp_path / "w.pth")
    found = read_state_dict(tmp_path / "w.pth")
    assert calls == ([(tmp_path / "w.pth", fake)] if used else [])
    assert list(found) == ([] if used else ["w"])


def test_without_pytorch_we_read(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch", None)
    write_state_dict({"w": ROW}, tmp_path / "w.pth")
    assert_same(read_state_dict(tmp_path / "w.pth"), {"w": ROW})


def test_pytorch_is_asked_for_weights_only(monkeypatch, tmp_path):
    asked = {}
    fake = types.SimpleNamespace(Tensor=list, load=lambda path, **given: asked.update(given))
    write_state_dict({"w": ROW}, tmp_path / "w.pth")
    with pytest.raises(InputError, match="holds a NoneType"):
        pytorch._read_with_torch(tmp_path / "w.pth", fake)
    assert asked == {"map_location": "cpu", "weights_only": True}


def test_reading_needs_no_keras_and_no_pytorch():
    code = (
        "import sys, matting_keras.weights.pytorch, matting_keras.weights.mindspore;"
        "sys.exit(len({'keras', 'tensorflow', 'torch', 'mindspore'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ})
