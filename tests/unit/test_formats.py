"""Every format is read as it is published; every set knows its people and its official parts."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from matting_keras.data import inventory, sources
from matting_keras.data.formats import FORMATS, easyportrait, supervisely
from matting_keras.data.masks import kind, looks_inverted, read_labels
from matting_keras.data.specs import choose
from matting_keras.errors import InputError
from tests.dummy_sets import DATA, SETS, drawn


def people(samples) -> list[str]:
    return [sample.person for sample in samples]


@pytest.mark.parametrize("name", SETS)
def test_the_committed_pictures_are_the_drawn_ones(name, laid):
    root = laid(name)
    files = {p.relative_to(root) for p in root.rglob("*") if p.is_file()}
    assert files == {p.relative_to(DATA / name) for p in (DATA / name).rglob("*") if p.is_file()}
    for file in files:
        if file.suffix in (".json", ".csv", ".txt"):
            assert (root / file).read_text() == (DATA / name / file).read_text()


@pytest.mark.parametrize(
    "name, spec, seeds, rough",
    [
        ("aisegment", "aisegment", [0, 1, 2], False),
        ("p3m", "p3m", [40, 41, 42, 43], False),
        ("ppm100", "ppm100", [60, 61], False),
        ("paixin", "paixin", [100, 101], False),
        ("easyportrait", "easyportrait", [20, 21, 22, 23], True),
        ("easyportrait1", "easyportrait", [20, 21, 22, 23], True),
    ],
)
def test_photos_come_with_their_own_alpha(name, spec, seeds, rough):
    samples = sources.open_source(f"{spec}:{DATA / name}")
    assert len(samples) == len(seeds)
    for sample, seed in zip(samples, seeds, strict=True):
        photo, alpha = drawn(seed)
        rgb, found = sample.read()
        truth = (alpha > 127) * 1.0 if rough else alpha / 255
        # JPEG mattes of PPM-100 are a little off; the five pixels of an eye are person too.
        assert np.abs(found - truth).mean() < 0.02
        assert np.abs(rgb.astype(int) - photo).mean() < 12
        assert sample.rough is rough
        assert sample.name == str(Path(sample.name)) and Path(sample.name).is_file()


def test_the_kaggle_copy_is_read_once_and_found_from_above(laid):
    root = laid("aisegment")
    assert len(sources.open_source(f"aisegment:{root}")) == 3
    for part in ("clip_img", "matting"):
        shutil.rmtree(root / part)
    inner = sources.open_source(f"aisegment:{root.parent}")
    assert all("matting_human_half" in sample.name for sample in inner)
    assert people(inner) == ["aisegment/1803151818"] * 2 + ["aisegment/1803290444"]


def test_an_opaque_cutout_is_all_person_not_its_brightness(laid):
    root = laid("aisegment")
    file = next((root / "matting").rglob("*0000.png"))
    Image.new("RGBA", (24, 32), (0, 0, 0, 255)).save(file)
    assert sources.open_source(f"aisegment:{root}")[0].read()[1].min() == 1
    Image.new("RGB", (24, 32)).save(file)
    with pytest.raises(InputError, match=r"has no alpha channel \(RGB\), expected a cut-out"):
        sources.open_source(f"aisegment:{root}")[0].read()


def test_lists_divide_aisegment_and_need_no_last_line_end(laid):
    root = laid("aisegment")
    paths = sorted(p.relative_to(root).as_posix() for p in (root / "clip_img").rglob("*.jpg"))
    (root / "x_train.txt").write_text(paths[0] + "\n" + paths[2])
    (root / "x_val.txt").write_text(paths[1] + "\n")
    train = sources.open_source(f"aisegment:{root}", "train")
    assert [s.name for s in train] == [str(root / paths[0]), str(root / paths[2])]
    both = sources.open_source(f"aisegment:{root}", "train+validation")
    kept, held = sources.split(both, 0.5)
    # The first group is on both lists, so that all of it is held back.
    assert people(kept) == ["aisegment/1803290444"]
    assert people(held) == ["aisegment/1803151818"] * 2


def test_p3m_keeps_what_is_scored_on_out_of_training():
    root = DATA / "p3m"
    assert len(sources.open_source(f"p3m:{root}", "train+validation")) == 2
    scored = sources.open_source(f"p3m:{root}", "test")
    assert [Path(s.name).parts[-3] for s in scored] == ["P3M-500-P", "P3M-500-NP"]
    (celebrity,) = sources.open_source(f"p3m/P3M-500-NP:{root}", "train")
    assert celebrity.split == "test"
    assert set(np.unique(np.asarray(Image.open(celebrity.trimap)))) == {0, 128, 255}
    assert sources.open_source(f"p3m:{root}", "train")[0].trimap is None


@pytest.mark.parametrize("name", ["easyportrait", "easyportrait1"])
def test_easyportrait_knows_its_users_and_its_classes(name):
    samples = sources.open_source(f"easyportrait:{DATA / name}")
    users = ["user1", "user1", "user2", "user3"]
    assert people(samples) == [f"easyportrait/{user}" for user in users]
    assert [s.split for s in samples] == ["train", "train", "validation", "test"]
    labels = read_labels(samples[0].labels, len(easyportrait.CLASSES))
    assert easyportrait.CLASSES[labels[10, 9]] == "left eye"
    kept, held = sources.split(sources.open_source(f"easyportrait:{DATA / name}"), 0.99)
    assert [s.split for s in held] == ["validation"]
    assert len(kept) == 3


def test_meta_data_may_be_unpacked_or_absent(laid, caplog):
    root = laid("easyportrait")
    packed = root / "annotations" / "meta.zip"
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(root / "annotations")
    packed.unlink()
    assert people(sources.open_source(f"easyportrait/train:{root}")) == ["easyportrait/user1"] * 2
    assert not caplog.text
    (root / "annotations" / "meta.csv").unlink()
    assert len(set(people(sources.open_source(f"easyportrait/train:{root}")))) == 2
    assert "every photo is its own person" in caplog.text


def test_ppm100_is_for_scoring_unless_it_was_repacked(laid):
    root = laid("ppm100")
    with pytest.raises(InputError, match=r"no part for 'train', only image\..*ppm100/all:"):
        sources.open_source(f"ppm100:{root}", "train")
    for part, index in (("train", 0), ("val", 1)):
        for old, new in (("image", "fg"), ("matte", "alpha")):
            (root / part / new).mkdir(parents=True)
            file = sorted((DATA / "ppm100" / old).iterdir())[index]
            shutil.copy(file, root / part / new)
    for old in ("image", "matte"):
        shutil.rmtree(root / old)
    both = sources.open_source(f"ppm100:{root}", "train+validation")
    assert [s.split for s in both] == ["train", "validation"]
    # What is scored on where there is no test part.
    assert [s.split for s in sources.open_source(f"ppm100:{root}", "test")] == ["validation"]


def test_supervisely_draws_bitmaps_and_polygons_with_holes():
    bitmap, polygon = sources.open_source(f"supervisely:{DATA / 'supervisely'}")
    np.testing.assert_array_equal(bitmap.read()[1], drawn(80)[1] > 127)
    alpha = polygon.read()[1]
    assert alpha[6:31, 4:20].sum() == alpha.sum() == 25 * 16 - 4 * 4
    assert not alpha[12:16, 10:14].any()


def test_annotations_named_after_the_stem_are_found(laid):
    root = laid("supervisely")
    for file in root.rglob("ann/*.json"):
        file.rename(file.with_name(file.name.replace(".png.json", ".json")))
    assert len(sources.open_source(f"supervisely:{root}")) == 2
    assert len(sources.open_source(f"supervisely:{root / 'ds1'}")) == 1


def test_annotations_become_png_files(laid):
    root = laid("supervisely")
    bad = root / "ds2" / "ann" / "pexels-photo-81.png.json"
    good = bad.read_text()
    bad.write_text(good[:-20])
    done = supervisely.convert(root, root)
    assert [p.relative_to(root).as_posix() for p in done.written] == [
        "ds1/masks/pexels-photo-80.png"
    ]
    assert str(bad) in done.failed[0]
    np.testing.assert_array_equal(
        np.asarray(Image.open(done.written[0])), (drawn(80)[1] > 127) * 255
    )
    bad.write_text(good)
    again = supervisely.convert(root, root)
    assert (again.kept, len(again.written), again.failed) == (1, 1, [])
    assert not [p for p in root.rglob("*") if p.name.startswith(".")]


def test_foregrounds_come_with_folders_of_backgrounds():
    root = DATA / "paixin"
    names = [Path(s.name).parts[-3] for s in sources.open_source(f"paixin:{root}")]
    assert names == ["man_in_white", "woman_with_food"]
    for folder in ("background", "background_easy"):
        assert len(sources.backgrounds(root / folder)) == 1


def test_lists_know_both_forms(laid):
    root = laid("list")
    train = sources.open_source(f"list:{root}", "train")
    np.testing.assert_allclose(train[1].read()[1], drawn(121)[1] / 255, atol=1e-6)
    (held,) = sources.open_source(f"list:{root}", "validation")
    np.testing.assert_array_equal(held.read()[1], drawn(122)[1] > 127)
    assert (train[0].rough, held.rough) == (False, True)
    (root / "some.txt").write_text(
        "\ufefftrain\\fg\\120.jpg bg/1.jpg train/alpha/120.png\r\n\r\n", encoding="utf-8"
    )
    (one,) = sources.open_source(f"list:{root / 'some.txt'}")
    assert (one.split, one.trimap) == (None, root / "train/alpha/120.png")


def test_class_numbers_are_read_where_they_are_named(pairs):
    root = pairs(2)
    for file in (root / "masks").iterdir():
        Image.fromarray((np.asarray(Image.open(file)) > 0).astype("uint8") * 7).save(file)
    alpha = sources.open_source(f"labels:{root}")[0].read()[1]
    assert set(np.unique(alpha)) == {0, 1}
    assert sources.open_source(f"labels:{root}")[0].labels == root / "masks" / "p0.png"


@pytest.mark.parametrize(
    "spec, name, part, path",
    [
        ("aisegment:/data/a", "aisegment", "", "/data/a"),
        ("P3M/P3M-500-P:rel", "p3m", "P3M-500-P", "rel"),
        ("/data/p3m:old", "folder", "", "/data/p3m:old"),
        ("C:\\data\\mine", "folder", "", "C:\\data\\mine"),
        ("c:/data", "folder", "", "c:/data"),
        ("list:C:/data/train.txt", "list", "", "C:/data/train.txt"),
        (Path("mine"), "folder", "", "mine"),
    ],
)
def test_specs(spec, name, part, path):
    found = sources.parse(spec)
    assert (found.format.name, found.part, found.path) == (name, part, Path(path))


def test_a_path_that_exists_is_never_a_spec(pairs, monkeypatch):
    root = pairs(2)
    root.rename(root.parent / "p3m:portraits")
    monkeypatch.chdir(root.parent)
    assert len(sources.open_source("p3m:portraits")) == 2
    assert sources.parse("paixin:~/data").path == Path.home() / "data"
    assert sources.parse("p3m/train:/x/P3M-10k").title == "P3M-10k, train"


def test_choosing_parts():
    there = {"train": "train", "val": "validation", "extra": None}
    assert choose(there, "all", "x") == ["train", "val", "extra"]
    assert choose(there, "train+validation", "x") == ["train", "val"]
    assert choose(there, "extra", "x") == ["extra"]
    assert choose({"all": None}, "test", "x") == ["all"]
    with pytest.raises(InputError, match="no part for 'test'"):
        choose({"all": None}, "test", "p3m:x", exact=True)


def test_kinds_of_masks():
    soft, hard = drawn(41)[1] / 255, (drawn(41)[1] > 127) * 1.0
    assert kind(hard) == "binary"
    blurred = np.asarray(Image.fromarray(np.float32(hard)).resize((6, 8)).resize((24, 32)))
    assert kind(blurred) == "soft"
    assert kind(soft * 0) == "empty"
    assert not looks_inverted(hard) and looks_inverted(1 - hard)
    assert not looks_inverted(np.ones((1, 1)))


def test_describing_counts_sizes_kinds_and_people(laid):
    root = laid("p3m")
    wide = min((root / "train" / "blurred_image").iterdir())
    Image.new("RGB", (80, 40)).save(wide)
    Image.new("L", (80, 40)).save(root / "train" / "mask" / f"{wide.stem}.png")
    extra = root / "train" / "blurred_image" / "p_alone.jpg"
    shutil.copy(wide, extra)
    text = inventory.describe(f"p3m:{root}", quiet=True)
    assert "train: 2 photos of 9,421 published, 2 people" in text
    assert "sizes: smallest 24x32, median 24x32, largest 80x40" in text
    assert "50% empty; mattes" in text
    assert "P3M-500-P (test): 1 photos of 500 published, 1 people" in text
    assert "; 1 trimaps" in text
    assert f"1 do not fit and are not used:\n    {extra}: has no mask; expected " in text


def test_describing_lists_twenty_and_counts_the_rest(pairs):
    root = pairs(25)
    for i in range(1, 25):
        (root / "masks" / f"p{i}.png").write_bytes(b"")
    text = inventory.describe(root, quiet=True)
    assert "1 photos" in text and "24 do not fit" in text
    assert text.count("is empty (0 bytes)") == 20 and "    and 4 more" in text


def test_the_sheet_shows_people_over_green(pairs, tmp_path):
    root = pairs(30)
    (root / "masks" / "p0.png").write_bytes(b"")
    assert inventory.contact_sheet(root, tmp_path / "sheet.png") == 24
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    cell = inventory.CELL + inventory.CAPTION
    assert sheet.shape == (6 * cell, 4 * (2 * inventory.CELL + inventory.GAP), 3)
    green = (sheet == inventory.GREEN).all(-1)
    left, right = green[:, : inventory.CELL], green[:, inventory.CELL : 2 * inventory.CELL]
    assert right.mean() > 0.2 and left.mean() < 0.001


def test_every_format_says_how_it_lies_on_disk():
    for name, form in FORMATS.items():
        with pytest.raises(InputError) as caught:
            form.locate(Path("/nowhere/at all"))
        assert "no such folder; expected" in str(caught.value)
        assert form.layout in str(caught.value), name


def test_annotations_hold_what_the_tool_writes():
    """The dummy bitmap is packed as the real ones are: one bit, a palette, transparent 0."""
    file = next((DATA / "supervisely" / "ds1" / "ann").iterdir())
    first = json.loads(file.read_text())["objects"][0]
    assert first["bitmap"]["data"].startswith("eJ") and len(first["bitmap"]["origin"]) == 2
