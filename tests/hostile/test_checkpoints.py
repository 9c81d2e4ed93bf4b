"""PyTorch checkpoints that claim what is not so, are not whole, or are something else."""

import copy
import pickle
import struct
import zipfile

import numpy as np
import pytest

from matting_keras.errors import InputError
from matting_keras.weights import tensor_pickle, torch_file
from matting_keras.weights.pytorch import (
    _global,
    _text,
    _tuple,
    looks_like_pytorch,
    read_state_dict,
)
from tests.damage import assert_survives_wrong_bytes
from tests.torch_files import (
    EMPTY_DICT,
    FORMATS,
    REBUILD,
    ROW,
    integers,
    mapping,
    storage,
    tensor,
    whole,
    write_legacy,
    write_zip,
)


@FORMATS
@pytest.mark.parametrize(
    ("size", "stride", "offset"),
    [
        ((13,), (1,), 0),
        ((12,), (1,), 1),
        ((2, 2), (11, 1), 0),
        ((1 << 40,), (0,), 0),
        ((1 << 31, 1 << 31, 1 << 31), (0, 0, 0), 0),
        ((2,) * 64, (0,) * 64, 0),
        ((1 << 62, 4), (4, 1), 0),
        ((2,), (1 << 62,), 0),
        ((2,), (1 << 70,), 0),
        ((2,), (1,), -1),
        ((2,), (-1,), 5),
        ((-2,), (1,), 0),
        ((2,), (1, 1), 0),
        ((2,), (1,), 1 << 62),
        ((0, 1 << 62, 1 << 62), (1, 1, 1), 0),
    ],
)
def test_tensors_outside_their_storage(read, write, size, stride, offset, tmp_path):
    with pytest.raises(InputError, match=r"big\.pth: "):
        read(write(tmp_path / "big.pth", whole(mapping(w=tensor(size, stride, offset)))))


def nested(depth: int) -> bytes:
    return b")" + b"\x85" * depth


@FORMATS
@pytest.mark.parametrize(
    "fragment",
    [
        tensor(on=storage(numel=13)),
        tensor(on=storage(numel=11), size=(2,)),
        tensor(on=storage(numel=-1)),
        tensor(on=storage(numel=1 << 62)),
        tensor(on=storage(kind="DoubleStorage"), size=(2,)),
        tensor(on=storage("1")),
        tensor(on=storage("../0")),
        tensor(on=_text("0")),
        tensor(on=_text("0") + pickle.BINPERSID),
        tensor(on=_tuple(*[_text("storage")] * 5) + pickle.BINPERSID),
        tensor(on=storage().replace(_text("storage"), _text("module"))),
        tensor(on=storage("0", "FloatStorage", 12, _tuple(_text("1"), b"K\x0a", b"K\x0a"))),
        tensor().replace(integers((12,)), b"](K\x0ce"),
        tensor().replace(integers((12,)), b"\x88\x85"),
        tensor().replace(EMPTY_DICT, EMPTY_DICT + b"}" + _text("neg") + b"\x88s"),
        REBUILD + b")R",
        EMPTY_DICT + nested(3) + b"K\x01s",
        EMPTY_DICT + nested(300_000) + b"K\x01s",  # hashing this key overruns C's stack
        EMPTY_DICT + b"(" + _text("odd") + b"u",
        _global("collections", "OrderedDict") + _tuple(b"](" + _tuple(b"NN") + b"e") + b"R",
        _global("torch", "Size") + _tuple(b"](" + b"K\x01" * 40 + b"e") + b"R",
        b"j\xff\xff\xff\xff",
        b"X\xff\xff\xff\xffshort",
        b"\x95" + b"\xff" * 7 + b"\x0fshort",
        b"(" * 1000,
        b"0" * 10,
        b"a",
    ],
)
def test_impossible_descriptions(ours, write, fragment, tmp_path):
    with pytest.raises(InputError, match=r"odd\.pth: "):
        ours(write(tmp_path / "odd.pth", whole(mapping(v=tensor(), w=fragment))))


def test_lengths_that_do_not_match(ours, tmp_path):
    data = whole(mapping(w=tensor((2,), on=storage(numel=13))))
    with pytest.raises(InputError, match="'tiny/data/0' has 48 bytes, expected 52"):
        ours(write_zip(tmp_path / "new.pth", data))
    path = write_legacy(tmp_path / "old.pth", whole(mapping(w=tensor())))
    path.write_bytes(path.read_bytes()[:-1])
    size = path.stat().st_size
    with pytest.raises(InputError, match=f"cut off: {size} bytes, expected at least {size + 1}"):
        ours(path)
    row = tensor_pickle.Storage("0", "torch.FloatStorage", 12, 0, 12)
    with pytest.raises(InputError, match="has 11 numbers, expected 12"):
        tensor_pickle.Tensor(row, 0, (2,), (1,)).view(ROW[:11])


def test_a_storage_has_one_type_and_one_length(ours, tmp_path):
    for second in (storage(kind="LongStorage"), storage(numel=4)):
        data = whole(mapping(v=tensor(), w=tensor((2,), on=second)))
        with pytest.raises(InputError, match="two types or two lengths"):
            ours(write_legacy(tmp_path / "two.pth", data))


def test_legacy_lengths(ours, tmp_path):
    path = write_legacy(tmp_path / "old.pth", whole(mapping(w=tensor())))
    plain = path.read_bytes()
    for numel in (11, 13, 1 << 40, -1):
        path.write_bytes(plain.replace(struct.pack("<q", 12), struct.pack("<q", numel)))
        with pytest.raises(InputError, match=f"has {numel % (1 << 64)} numbers, expected 12"):
            ours(path)
    for keys in (["1"], [0], [()], [["0"]], 5, None):
        path.write_bytes(plain.replace(pickle.dumps(["0"], 2), pickle.dumps(keys, 2)))
        with pytest.raises(InputError, match=r"old\.pth: "):
            ours(path)
    keys = b"\x80\x02]" + nested(300_000) + b"a."
    path.write_bytes(plain.replace(pickle.dumps(["0"], 2), keys))
    with pytest.raises(InputError, match="storage that no tensor uses"):
        ours(path)
    path.write_bytes(plain.replace(pickle.dumps(["0"], 2), pickle.dumps([], 2)))
    with pytest.raises(InputError, match="storage of its tensors is missing"):
        ours(path)
    path.write_bytes(plain.replace(pickle.dumps(1001, 2), pickle.dumps(1002, 2), 1))
    with pytest.raises(InputError, match="protocol that is not 1001"):
        ours(path)


def test_pickles_that_are_too_large(read, ours, monkeypatch, tmp_path):
    data = whole(mapping(w=tensor()))
    monkeypatch.setattr(torch_file, "LIMIT", len(data) - 1)
    with pytest.raises(InputError, match=f"has {len(data)} bytes, more than {len(data) - 1}"):
        read(write_zip(tmp_path / "new.pth", data))
    with pytest.raises(InputError, match=f"more than {len(data) - 1} bytes"):
        ours(write_legacy(tmp_path / "old.pth", data))


def test_archives_that_are_not_checkpoints(read, tmp_path):
    path = tmp_path / "odd.pth"
    data = whole(mapping(w=tensor()))
    with pytest.raises(InputError, match=r"holds 2 files data\.pkl"):
        read(write_zip(path, data, **{"more/data.pkl": b"x"}))
    with pytest.raises(InputError, match="a TorchScript program"):
        read(write_zip(path, data, **{"constants.pkl": b"x"}))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(InputError, match="not a PyTorch checkpoint"):
        read(path)
    assert not looks_like_pytorch(path)


def test_zip_bombs(read, tmp_path):
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tiny/data.pkl", bytes(10_000_000))
    with pytest.raises(InputError, match="compressed, which"):
        read(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny/data.pkl", whole(mapping(w=tensor())))
        archive.writestr("tiny/data/0", bytes(10_000))
        for key in range(1, 100):  # all of them the same bytes of the file
            again = copy.copy(archive.getinfo("tiny/data/0"))
            again.filename = again.orig_filename = f"tiny/data/{key}"
            archive.filelist.append(again)
    with pytest.raises(InputError, match="declares more than its"):
        read(path)


def test_cut_off_in_a_name(ours, tmp_path):
    path = write_legacy(tmp_path / "cut.pth", whole(mapping(w=tensor())))
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"_rebuild") + 4])
    with pytest.raises(InputError, match=r"cut off \(.* bytes\), expected .*: EOFError\. Copy it"):
        ours(path)


@FORMATS
def test_cut_off_anywhere(ours, write, tmp_path):
    plain = write(tmp_path / "cut.pth", whole(mapping(v=tensor(), w=tensor((2, 2), (3, 1)))))
    content = plain.read_bytes()
    for length in range(len(content)):
        plain.write_bytes(content[:length])
        with pytest.raises(InputError, match=r"cut\.pth: "):
            ours(plain)


@FORMATS
def test_cut_off_anywhere_with_pytorch(write, tmp_path):
    pytest.importorskip("torch")
    plain = write(tmp_path / "cut.pth", whole(mapping(v=tensor(), w=tensor((2, 2), (3, 1)))))
    content = plain.read_bytes()
    for length in range(0, len(content), 9):
        plain.write_bytes(content[:length])
        with pytest.raises(InputError, match=r"cut\.pth: "):
            read_state_dict(plain)


@FORMATS
def test_a_wrong_byte_anywhere(ours, write, tmp_path):
    path = write(tmp_path / "bad.pth", whole(mapping(v=tensor(), w=tensor((2, 2), (3, 1)))))
    assert_survives_wrong_bytes(path, ours)


@FORMATS
@pytest.mark.parametrize(
    ("fragment", "message"),
    [
        (mapping(epoch=b"K\x01", weights=mapping(w=tensor())), "only 'epoch', 'weights'; expected"),
        (mapping(), "only an empty dict"),
        (mapping(model=mapping(lr=b"K\x01")), "only 'model'"),
        (b"](" + tensor() + b"e", "holds a list, expected a dict"),
        (b"K\x07", "holds a int, expected a dict"),
        (mapping(w=tensor(), history=b"]"), "'history' in its state dict is a list"),
        (b"}(K\x01" + tensor() + b"u", "1 in its state dict is a "),
    ],
)
def test_without_a_state_dict(read, write, fragment, message, tmp_path):
    tensors = b"FloatStorage" in fragment
    with pytest.raises(InputError, match=message):
        read(write(tmp_path / "other.pth", whole(fragment), {"0": ROW} if tensors else {}))


def test_other_files(read, tmp_path):
    with pytest.raises(InputError, match="a folder; expected a PyTorch checkpoint"):
        read(tmp_path)
    with pytest.raises(InputError, match=r"none\.pth: no such file"):
        read(tmp_path / "none.pth")
    contents = {"empty": b"", "text": b"not weights", "pickle": pickle.dumps({"w": 1})}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        assert not looks_like_pytorch(tmp_path / name)
        with pytest.raises(InputError, match=rf"{name}: not a PyTorch checkpoint \({len(content)}"):
            read(tmp_path / name)
    assert not looks_like_pytorch(tmp_path)
    assert not looks_like_pytorch(tmp_path / "none.pth")


@FORMATS
def test_content_decides_what_it_is(write, tmp_path):
    path = write(tmp_path / "weights.txt", whole(mapping(w=tensor())))
    assert looks_like_pytorch(path)
    path.write_bytes(path.read_bytes()[:100])
    assert looks_like_pytorch(path)


def test_the_pickle_need_not_come_first(ours, tmp_path):
    with zipfile.ZipFile(tmp_path / "last.pth", "w") as archive:
        archive.writestr("tiny/data/0", np.zeros(1000, np.float32).tobytes())
        archive.writestr("tiny/data.pkl", whole(mapping(w=tensor(on=storage(numel=1000)))))
    assert looks_like_pytorch(tmp_path / "last.pth")
    assert ours(tmp_path / "last.pth")["w"].shape == (12,)
