import zlib
from pathlib import Path

import numpy as np
import pytest

from matting_keras.errors import InputError
from matting_keras.weights import mindspore, pytorch
from matting_keras.weights.mindspore import read_checkpoint
from tests.damage import assert_survives_wrong_bytes

NAMES = {
    "float16": "Float16",
    "float32": "Float32",
    "float64": "Float64",
    "int8": "Int8",
    "int16": "Int16",
    "int32": "Int32",
    "int64": "Int64",
    "uint8": "UInt8",
    "uint16": "UInt16",
    "uint32": "UInt32",
    "uint64": "UInt64",
    "bool": "Bool",
}


def piece(tag: str, dims, kind: str, content: bytes) -> bytes:
    """One tensor, or a piece of one, as MindSpore appends it to its file."""
    message = mindspore._checkpoint_class()()
    value = message.value.add(tag=tag.encode())
    value.tensor.dims.extend(dims)
    value.tensor.tensor_type = kind.encode()
    value.tensor.tensor_content = content
    return message.SerializeToString()


def write(path: Path, *pieces: bytes) -> Path:
    path.write_bytes(b"".join(pieces))
    return path


WEIGHT = np.arange(6, dtype=np.float32).reshape(2, 3)
SOUND = piece("conv.weight", (2, 3), "Float32", WEIGHT.tobytes())


def test_the_bytes_of_the_format():
    # Written out by hand from checkpoint.proto: field 1 holds tag (1) and tensor (2).
    by_hand = b"\x0a\x16\x0a\x01a\x12\x11\x08\x02\x12\x07Float16\x1a\x04\x00\x3c\x00\xc0"
    assert piece("a", (2,), "Float16", np.array([1, -2], "f2").tobytes()) == by_hand


@pytest.mark.parametrize("name", NAMES)
def test_types(name, tmp_path):
    array = (np.random.default_rng(1).normal(size=(3, 2, 2)) * 9).astype(name)
    for kind in (NAMES[name], name, name.upper(), f"mindspore.{name}"):
        path = write(tmp_path / "a.ckpt", piece("x", array.shape, kind, array.tobytes()))
        found = read_checkpoint(path)["x"]
        np.testing.assert_array_equal(found, array, strict=True)
        assert not found.flags.writeable


def test_bfloat16_becomes_float32(tmp_path):
    bits = np.array([0x3FC0, 0xC000], "<u2")
    path = write(tmp_path / "a.ckpt", piece("x", (2,), "BFloat16", bits.tobytes()))
    wanted = np.array([1.5, -2], np.float32)
    np.testing.assert_array_equal(read_checkpoint(path)["x"], wanted, strict=True)


def test_order_and_shapes(tmp_path):
    one = np.array(7, np.int32)
    path = write(
        tmp_path / "net.ckpt",
        SOUND,
        piece("epoch", (), "Int32", one.tobytes()),
        piece("step", (0,), "Int32", one.tobytes()),
        piece("a.bias", (1,), "Int32", one.tobytes()),
        piece("none", (0,), "Float32", b""),
        piece("none2", (4, 0, 2), "Float32", b""),
        piece("note", (0,), "str", "words".encode("utf-32-le")),
        piece("random_op", (0,), "random_op", b"\x01\x02\x03"),
    )
    found = read_checkpoint(path)
    assert {name: array.shape for name, array in found.items()} == {
        "conv.weight": (2, 3),
        "epoch": (),
        "step": (),
        "a.bias": (1,),
        "none": (0,),
        "none2": (4, 0, 2),
    }
    assert list(found)[:4] == ["conv.weight", "epoch", "step", "a.bias"]
    assert found["step"] == found["epoch"] == 7
    np.testing.assert_array_equal(found["conv.weight"], WEIGHT)


def test_a_tensor_in_pieces(tmp_path):
    data = WEIGHT.tobytes()
    parts = [piece("big", (2, 3), "Float32", data[i : i + 8]) for i in range(0, len(data), 8)]
    last = piece("b", (), "Bool", b"\1")
    found = read_checkpoint(write(tmp_path / "net.ckpt", SOUND, *parts, last))
    assert list(found) == ["conv.weight", "big", "b"]
    np.testing.assert_array_equal(found["big"], WEIGHT)
    for odd, message in (
        (piece("big", (3, 2), "Float32", data[8:]), "pieces of two types or shapes"),
        (piece("big", (2, 3), "Int32", data[8:]), "pieces of two types or shapes"),
        (piece("big", (2, 3), "Float32", data), "'big' has 32 bytes, expected 24"),
    ):
        with pytest.raises(InputError, match=message):
            read_checkpoint(write(tmp_path / "odd.ckpt", parts[0], odd))
    with pytest.raises(InputError, match=r"odd\.ckpt: holds 'conv\.weight' twice"):
        read_checkpoint(write(tmp_path / "odd.ckpt", SOUND, *parts, SOUND))


def test_checksum(tmp_path):
    seal = b"crc_num" + zlib.crc32(SOUND).to_bytes(10, "big")
    found = read_checkpoint(write(tmp_path / "sealed.ckpt", SOUND, seal))
    np.testing.assert_array_equal(found["conv.weight"], WEIGHT)
    with pytest.raises(InputError, match=r"sealed\.ckpt: damaged, its checksum"):
        read_checkpoint(write(tmp_path / "sealed.ckpt", SOUND[:-1], b"\xff", seal))


@pytest.mark.parametrize(
    ("dims", "kind", "content", "message"),
    [
        ((2, 3), "Float32", bytes(23), "has 23 bytes, expected 24 for float32 of shape"),
        ((2, 3), "Float64", bytes(24), "expected 48"),
        ((1,), "Float32", b"", "expected 4"),
        ((), "Float32", b"", "expected 4"),
        ((-1, -6), "Float32", bytes(24), "impossible shape"),
        ((1 << 40,), "Float32", bytes(24), "impossible shape"),
        ((0, 1 << 62, 1 << 62), "Float32", b"", "impossible shape"),
        ((1,) * 40, "Float32", bytes(4), "impossible shape"),
        ((2, 3), "Complex64", bytes(48), "'complex64', expected one of float16"),
        ((2, 3), "", bytes(24), "is '', expected one of"),
    ],
)
def test_damaged_tensors(dims, kind, content, message, tmp_path):
    path = write(tmp_path / "odd.ckpt", SOUND, piece("x", dims, kind, content))
    with pytest.raises(InputError, match=rf"odd\.ckpt: 'x' .*{message}"):
        read_checkpoint(path)


def test_map_parameters_are_refused(tmp_path):
    path = write(tmp_path / "map.ckpt", b"\x0a\x05\x0a\x01m\x1a\x00")
    with pytest.raises(InputError, match="'m' is a map parameter"):
        read_checkpoint(path)


def test_other_files(tmp_path):
    with pytest.raises(InputError, match="a folder; expected a MindSpore checkpoint"):
        read_checkpoint(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        read_checkpoint(tmp_path / "none.ckpt")
    contents = {
        "empty": b"",
        "text": b"not weights\n" * 10,
        "zip": b"PK\x03\x04" + bytes(40),
        "zeros": bytes(100),
        "tag": b"\x0a\x0b\x0a\x01\xff\x12\x06\x12\x02f4\x1a\x00",
        "other": b"\x12\x03abc",
    }
    for name, content in contents.items():
        path = write(tmp_path / name, content)
        assert not pytorch.looks_like_pytorch(path)
        with pytest.raises(InputError, match=f"{name}: "):
            read_checkpoint(path)


def test_too_large_for_protobuf(tmp_path, monkeypatch):
    monkeypatch.setattr(mindspore, "_MOST_BYTES", len(SOUND) - 1)
    with pytest.raises(InputError, match="more than the"):
        read_checkpoint(write(tmp_path / "net.ckpt", SOUND))


def test_cut_off_anywhere(tmp_path):
    path = write(tmp_path / "cut.ckpt", SOUND, piece("x", (2, 3), "Float32", WEIGHT.tobytes()))
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        if length == len(SOUND):  # between two tensors nothing shows
            assert list(read_checkpoint(path)) == ["conv.weight"]
            continue
        with pytest.raises(InputError, match=r"cut\.ckpt: "):
            read_checkpoint(path)


def test_a_wrong_byte_anywhere(tmp_path):
    path = write(tmp_path / "bad.ckpt", SOUND, piece("x", (2, 3), "Float32", WEIGHT.tobytes()))
    assert_survives_wrong_bytes(path, read_checkpoint)
