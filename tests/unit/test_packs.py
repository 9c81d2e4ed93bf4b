"""Files of packed photos: what goes in, comes out, and cannot."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from matting_keras.cli import main as command
from matting_keras.data import sources
from matting_keras.data.packed.batches import TrainingBatches
from matting_keras.data.packed.file import Pack
from matting_keras.data.packed.reading import unpack
from matting_keras.data.store import pack
from matting_keras.data.synthetic import synthetic_portrait
from matting_keras.errors import InputError
from matting_keras.evaluate import held_back
from tests.films import picture


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A data folder of portraits, and backgrounds beside it."""
    root = tmp_path_factory.mktemp("packed") / "portraits"
    for part in ("images", "alphas", "backgrounds"):
        (root / part).mkdir(parents=True)
    for i in range(32):
        rgb, alpha = synthetic_portrait(i, 96, 80)
        Image.fromarray(rgb).save(root / "images" / f"p{i}.png")
        matte = Image.fromarray(np.round(alpha * 255).astype("uint8"))
        matte.save(root / "alphas" / f"p{i}.png")
    for i in range(12):
        Image.fromarray(picture(i, (70, 90))).save(root / "backgrounds" / f"b{i}.png")
    return root


def packing(folder: Path, output: Path, *more: str) -> list[str]:
    return [
        *("compose", str(folder), "--backgrounds", str(folder / "backgrounds")),
        *("--pack", str(output), "--area", "4096", "--validation", "0.2", *more),
    ]


@pytest.fixture(scope="module")
def packed(folder) -> Path:
    path = folder.parent / "photos.pack"
    assert command(packing(folder, path)) == 0
    return path


def test_nobody_who_is_held_back_is_learned_from(folder, packed):
    held = {Path(s.name).stem for s in held_back(sources.folder(folder), 0.2)}
    everybody = {path.stem for path in (folder / "images").iterdir()}
    found = unpack([packed], 3, 6144)
    names = {part: {Path(s.name).stem for s in found[part].store.samples} for part in found}
    assert held
    assert names["held"] == held
    assert names["train"] == everybody - held
    scenes = sources.backgrounds(folder / "backgrounds")
    learned, unseen = sources.split(scenes, 0.2)
    assert unseen
    assert names["scene"] == {Path(s.name).stem for s in learned}
    text = packed.read_bytes()[:5000].decode(errors="replace")
    assert str(folder.parent) not in text, "no more of a path than is needed"


@pytest.mark.parametrize("told", [["--people", "held-back"], ["--in-place"]])
def test_a_pack_of_some_people_is_refused_and_nothing_written(told, folder, tmp_path, capsys):
    assert command(packing(folder, tmp_path / "photos.pack", *told)) == 1
    assert f"{told[0]} is for a data folder (--output)" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("form", ["webp", "raw"])
def test_packed_photos_are_the_photos(form, folder, tmp_path):
    path = tmp_path / "photos.pack"
    assert command(packing(folder, path, *(["--raw"] if form == "raw" else []))) == 0
    originals = {Path(s.name).stem: s for s in sources.folder(folder)}
    for part, finest in (("train", 64), ("held", 510)):
        found = unpack([path], 3, 6144)[part]
        for i, sample in enumerate(found.store.samples):
            wanted = pack(*originals[Path(sample.name).stem].read(), 3, 6144).astype("float32")
            photo = found.store[i]
            assert photo.shape[:2] == found.sizes[i] == wanted.shape[:2]
            if form == "raw":
                np.testing.assert_array_equal(photo, wanted)
            else:
                assert np.abs(photo - wanted)[..., :3].mean() < 12  # drawn portraits are noisy
                assert np.abs(photo - wanted)[..., 3].max() <= 255 / finest + 0.5
    assert not unpack([path], 3, 6144)["scene"].store[0][..., 3].any()


def test_several_files_deal_the_photos_out(folder, packed, tmp_path):
    assert command(packing(folder, tmp_path / "photos.pack", "--files", "2")) == 0
    paths = sorted(tmp_path.glob("photos-*of2.pack"))
    both, whole = unpack(paths, 1, 6144), unpack([packed], 1, 6144)
    for part in ("train", "held", "scene"):
        names = [sorted(s.name for s in found[part].store.samples) for found in (both, whole)]
        assert names[0] == names[1]
    thrice = unpack(paths, 1, 6144, [3, 1])
    assert len(thrice["train"].store) > len(both["train"].store)
    assert len(thrice["held"].store) == len(both["held"].store)


def test_what_does_not_fit_is_made_smaller_or_refused_never_dropped(folder, packed, tmp_path):
    small = tmp_path / "small.pack"
    room = 0.8 * packed.stat().st_size / 1e6
    assert command(packing(folder, small, "--megabytes", str(room))) == 0
    assert small.stat().st_size <= 1e6 * room
    assert len(Pack(small).photos) == len(Pack(packed).photos)
    assert Pack(small).about["quality"] < Pack(packed).about["quality"]
    assert command(packing(folder, tmp_path / "none.pack", "--megabytes", "0.002")) == 1
    assert not (tmp_path / "none.pack").exists()


def test_damaged_packs_are_told(packed, tmp_path):
    broken = tmp_path / "broken.pack"
    whole = packed.read_bytes()
    for data, message in (
        (b"", "is no pack"),
        (b"PK\3\4" + whole[4:], "is no pack"),
        (whole[:900], "was cut off"),
        (whole[:-1], "was cut off"),
    ):
        broken.write_bytes(data)
        with pytest.raises(InputError, match=message):
            Pack(broken)
    broken.write_bytes(whole[:-400] + bytes([whole[-400] ^ 1]) + whole[-399:])
    last = Pack(broken)
    with pytest.raises(InputError, match="damaged in it"):
        last.read(len(last.photos) - 1)


def test_packs_that_do_not_go_together_are_refused(folder, packed, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        unpack([tmp_path / "none.pack"], 1, 6144)
    with pytest.raises(InputError, match="names a file twice"):
        unpack([packed, packed], 1, 6144)
    with pytest.raises(InputError, match="has 2 numbers for 1 packs"):
        unpack([packed], 1, 6144, [1, 2])
    assert command(packing(folder, tmp_path / "other.pack", "--validation", "0.5")) == 0
    with pytest.raises(InputError, match="held back in another"):
        unpack([packed, tmp_path / "other.pack"], 1, 6144)
    assert command(packing(folder, tmp_path / "all.pack", "--files", "0")) == 1
    assert command(["compose", str(folder), "--backgrounds", "nowhere"]) == 1


def test_batches_are_the_same_whichever_is_asked_for_first(packed):
    found = unpack([packed], 1, 6144)
    options = {"seed": 3, "scenes": found["scene"].store}
    train = found["train"]
    one, other = (
        TrainingBatches(train.store, train.sizes, [(64, 64)], 4, **options) for _ in range(2)
    )
    first = one[9]
    for step in range(10):
        again = other[step]
    for left, right in zip(keras.tree.flatten(first), keras.tree.flatten(again), strict=True):
        np.testing.assert_array_equal(left, right)
    assert again["canvas"].nbytes == 0
