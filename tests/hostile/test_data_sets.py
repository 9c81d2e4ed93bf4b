"""A data set that is wrong says what is wrong; nothing is guessed, nothing lost in silence."""

import base64
import json
import logging
import shutil
import zlib

import numpy as np
import pytest
from PIL import Image

from matting_keras.data import inventory, sources
from matting_keras.data.formats import annotation, supervisely
from matting_keras.data.masks import read_mask
from matting_keras.data.store import check
from matting_keras.errors import InputError
from tests.dummy_sets import DATA, drawn


@pytest.fixture
def masked(pairs):
    """A folder of one pair whose mask is a given picture: masked(image) -> its sample."""

    def make(image: Image.Image) -> sources.Sample:
        root = pairs(1)
        image.save(root / "masks" / "p0.png")
        return sources.open_source(root)[0]

    return make


@pytest.mark.parametrize(
    "name, command",
    [
        ("P3M-10k.zip", r"unzip P3M-10k\.zip -d P3M-10k"),
        ("set.tar.gz", r"mkdir set && tar -xf set\.tar\.gz -C set"),
        ("set.7z", r"7z x set\.7z -oset"),
    ],
)
@pytest.mark.parametrize("spec", ["{}", "p3m:{}", "list:{}"])
def test_an_archive_instead_of_a_folder(name, command, spec, tmp_path):
    (tmp_path / name).write_bytes(b"PK\3\4")
    with pytest.raises(InputError, match=f"is an archive, not a folder; unpack it .{command}"):
        sources.open_source(spec.format(tmp_path / name))


def test_a_picture_instead_of_a_folder(tmp_path):
    Image.new("L", (2, 2)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="is a file, not a folder; expected"):
        sources.open_source(f"ppm100:{tmp_path / 'a.png'}")


def test_archives_that_are_still_packed_in_the_folder(tmp_path):
    for name in ("annotations.zip", "images.zip"):
        (tmp_path / name).write_bytes(b"PK\3\4")
    with pytest.raises(InputError) as caught:
        sources.open_source(f"easyportrait:{tmp_path}")
    assert "images/train/NAME.jpg" in str(caught.value)
    assert "annotations.zip is still packed, unpack it first" in str(caught.value)


def test_another_tree_names_what_was_expected_and_what_was_found(tmp_path):
    for name in ("photos", "extra"):
        (tmp_path / name).mkdir()
    with pytest.raises(InputError) as caught:
        sources.open_source(f"aisegment:{tmp_path}")
    assert "is not AISegment's matting_human_datasets. Expected" in str(caught.value)
    assert "clip_img/GROUP/clip_00000000/" in str(caught.value)
    assert "found extra/ (0 entries), photos/ (0 entries)." in str(caught.value)


def test_two_sets_side_by_side_are_not_mixed(laid, tmp_path):
    laid("p3m")
    shutil.copytree(tmp_path / "p3m", tmp_path / "copy")
    with pytest.raises(InputError, match=r"several folders that look like P3M-10k: copy, p3m"):
        sources.open_source(f"p3m:{tmp_path}")


@pytest.mark.parametrize("name", ["p3m", "aisegment", "supervisely", "paixin", "easyportrait"])
def test_a_plain_path_to_a_known_set_names_it(name):
    with pytest.raises(InputError, match=rf"no pairs in it(.|\n)*: pass {name}:{DATA / name}\."):
        sources.open_source(DATA / name)


@pytest.mark.parametrize("spec", ["paxin:/data", "http://host/set", "sub/dir:1"])
def test_an_unknown_kind_lists_the_known_ones(spec):
    with pytest.raises(InputError, match="is no kind of data set; known are aisegment, cutouts,"):
        sources.open_source(spec)


def test_a_kind_without_a_place():
    with pytest.raises(InputError, match="say where it is, for example p3m:/data/p3m"):
        sources.open_source("p3m:")


@pytest.mark.parametrize(
    "name, pattern, first",
    [
        ("p3m", "train/mask/*29.png", r"p_00000029\.jpg: has no mask; expected .*p_00000029\.png"),
        ("p3m", "train/blurred_image/*28.jpg", r"mask/p_00000028\.png: has no photo"),
        (
            "aisegment",
            "matting/1803290444/*/*",
            r"00000002\.jpg: has no mask; expected .*matting_0",
        ),
        ("supervisely", "ds1/ann/*", r"80\.png: has no mask; expected .*80\.png\.json"),
        ("ppm100", "matte/60*", r"60_5bd5_o\.jpg: has no mask"),
        ("easyportrait", "annotations/train/00000000*", r"jpg: has no mask; expected .*train"),
        ("list", "train/alpha/121.png", r"train\.txt, line 2: .*alpha/121\.\w+ is not there"),
    ],
)
def test_half_copied(name, pattern, first, laid):
    root = laid(name)
    for file in root.glob(pattern):
        file.unlink()
    with pytest.raises(InputError, match=rf"1 of \d files lack their other half(.|\n)*{first}"):
        sources.open_source(f"{name}:{root}")
    assert "1 do not fit and are not used" in inventory.describe(f"{name}:{root}", quiet=True)


def test_one_in_a_hundred_is_left_out_and_named(laid, caplog):
    root = laid("ppm100")
    for number in range(120):
        for folder in ("image", "matte"):
            shutil.copy(root / folder / "60_5bd5_o.jpg", root / folder / f"{number}.jpg")
    (root / "matte" / "7.jpg").unlink()
    with caplog.at_level(logging.WARNING):
        assert len(sources.open_source(f"ppm100:{root}")) == 121
    assert "left out: " in caplog.text and "7.jpg: has no mask" in caplog.text


def test_a_half_copied_folder_of_ones_own_is_named(pairs, caplog):
    root = pairs(4)
    (root / "images" / "p0.png").unlink()
    (root / "masks" / "p3.png").unlink()
    with caplog.at_level(logging.WARNING):
        assert len(sources.folder(root)) == 2
    assert "1 of 3 photos have no mask and are not used, p3.png first" in caplog.text
    assert "1 of 3 masks have no photo and are not used, p0.png first" in caplog.text


@pytest.mark.parametrize("folder", ["images", "masks"])
def test_two_files_of_one_stem(folder, pairs):
    root = pairs(3)
    for i in (1, 2):
        Image.new("L", (24, 32)).save(root / folder / f"p{i}.jpg")
    with pytest.raises(InputError, match=r"p1\.jpg and p1\.png have the same stem, and 1 more"):
        sources.open_source(root)


def test_a_stem_written_on_a_mac_and_on_a_pc_is_one(pairs):
    root = pairs(1)
    (root / "images" / "p0.png").rename(root / "images" / "Rene\u0301.png")
    (root / "masks" / "p0.png").rename(root / "masks" / "Ren\u00e9.png")
    assert len(sources.open_source(root)) == 1


def test_masks_of_0_and_1_are_refused_with_the_way_out(masked):
    sample = masked(Image.fromarray((drawn(3)[1] > 127).astype("uint8")))
    with pytest.raises(InputError, match=r"holds 0 and 1, expected 0 to 255.*labels:FOLDER"):
        sample.read()


def test_an_empty_mask_is_an_empty_scene(masked):
    assert not masked(Image.new("L", (24, 32))).read()[1].any()


def test_one_bit_masks_are_masks(masked):
    assert masked(Image.fromarray(drawn(3)[1] > 127)).read()[1].max() == 1


@pytest.mark.parametrize("mode", ["RGBA", "LA", "RGB", "P", "I;16"])
def test_gray_in_any_mode_is_the_same_mask(mode, masked):
    gray = Image.fromarray(drawn(3)[1])
    if mode == "I;16":
        image = Image.fromarray(drawn(3)[1].astype("uint16") * 257)
    else:
        image = gray.convert(mode)
    if mode == "P":
        image = gray.copy()
        image.putpalette([value for value in range(256) for _ in range(3)])
    np.testing.assert_allclose(masked(image).read()[1], drawn(3)[1] / 255, atol=1e-6)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_mask_is_turned_by_its_exif_once(mode, tmp_path):
    image = Image.fromarray(drawn(3)[1]).convert(mode)
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "mask.jpg", exif=exif, quality=95)
    assert read_mask(tmp_path / "mask.jpg").shape == (24, 32)
    np.testing.assert_allclose(
        read_mask(tmp_path / "mask.jpg"), np.rot90(drawn(3)[1] / 255, -1), atol=0.15
    )


def test_a_cutout_as_mask_gives_its_transparency(masked):
    photo, alpha = drawn(3)
    sample = masked(Image.fromarray(np.dstack([photo, alpha])))
    np.testing.assert_allclose(sample.read()[1], alpha / 255, atol=1e-6)


def test_a_photo_or_a_map_in_colours_as_mask_is_refused(masked):
    with pytest.raises(InputError, match=r"p0\.png: is a picture in colours, expected a gray mask"):
        masked(Image.fromarray(drawn(3)[0])).read()


def test_a_palette_in_colours_is_refused(masked):
    image = Image.fromarray((drawn(3)[1] > 127).astype("uint8"))
    image.putpalette([0, 0, 0, 192, 64, 64])
    assert image.mode == "P"
    with pytest.raises(InputError, match="is a picture in colours"):
        masked(image).read()


def test_inverted_masks_are_pointed_out_and_left_alone(pairs, caplog):
    root = pairs(12)
    before = sources.open_source(root)[5].read()[1]
    assert not caplog.text
    for file in (root / "masks").iterdir():
        Image.fromarray(255 - np.asarray(Image.open(file))).save(file)
    samples = sources.open_source(root)
    assert "have a white frame around a dark middle" in caplog.text
    np.testing.assert_array_equal(samples[5].read()[1], 1 - before)
    assert "may be inverted (white frame, dark middle):" in inventory.describe(root, quiet=True)


def test_a_mask_that_lies_on_its_side(pairs):
    root = pairs(1)
    Image.new("L", (32, 24)).save(root / "masks" / "p0.png")
    with pytest.raises(InputError, match=r"is 32x24 but its image p0\.png is 24x32 \(a quarter"):
        sources.open_source(root)[0].read()


def test_unreadable_files_are_listed_and_skipped(laid, caplog):
    root = laid("ppm100")
    for number in range(120):
        for folder in ("image", "matte"):
            shutil.copy(root / folder / "60_5bd5_o.jpg", root / folder / f"{number}.jpg")
    (root / "image" / "9.jpg").write_bytes((root / "image" / "9.jpg").read_bytes()[:300])
    samples = sources.open_source(f"ppm100:{root}")
    with caplog.at_level(logging.WARNING):
        assert len(check(samples, 1, 4096, quiet=True).store) == 121
    assert "9.jpg" in caplog.text


def test_soft_alpha_in_the_place_of_class_numbers(laid, pairs):
    root = pairs(1)
    ramp = np.arange(24 * 32, dtype="uint16").reshape(32, 24) % 256
    Image.fromarray(ramp.astype("uint8")).save(root / "masks" / "p0.png")
    with pytest.raises(InputError, match=r"more than 64 different values.*folder:FOLDER"):
        sources.open_source(f"labels:{root}")[0].read()
    portrait = laid("easyportrait")
    file = next((portrait / "annotations" / "test").iterdir())
    Image.fromarray(drawn(23)[1]).save(file)
    with pytest.raises(
        InputError, match=r"expected class numbers 0\.\.8; is it a mask of 0\.\.255"
    ):
        sources.open_source(f"easyportrait/test:{portrait}")[0].read()


@pytest.mark.parametrize(
    "content, message",
    [
        (b"PK\3\4 cut", "cannot be unpacked"),
        (b"", "cannot be unpacked"),
    ],
)
def test_broken_meta_data(content, message, laid):
    root = laid("easyportrait")
    (root / "annotations" / "meta.zip").write_bytes(content)
    with pytest.raises(InputError, match=rf"meta\.zip: {message}(.|\n)*its own person"):
        sources.open_source(f"easyportrait:{root}")


def test_meta_data_of_another_kind(laid):
    root = laid("easyportrait")
    (root / "annotations" / "meta.csv").write_text("name,who\na,b\n")
    with pytest.raises(InputError, match=r"has the columns name, who; expected user_id"):
        sources.open_source(f"easyportrait:{root}")


def polygon(points: dict) -> dict:
    return {"classTitle": "person_poly", "points": points}


def bitmap(data: str, origin=(0, 0)) -> dict:
    return {"classTitle": "person_bmp", "bitmap": {"data": data, "origin": origin}}


BOMB = base64.b64encode(zlib.compress(bytes(10**8), 9)).decode()

ANNOTATIONS = {
    "no JSON": ("{", "is not an annotation of Supervisely"),
    "no object": ("[]", "is not an annotation of Supervisely"),
    "no size": ({"objects": []}, "KeyError: 'size'"),
    "huge": ({"size": {"height": 10**6, "width": 10**6}, "objects": []}, "1000000x1000000"),
    "negative": ({"size": {"height": -2, "width": -2}, "objects": []}, "is -2x-2"),
    "no base64": ([bitmap("§§§")], "object 1: is neither a bitmap nor a polygon"),
    "no zlib": ([bitmap("AAAA")], "object 1: its bitmap is damaged"),
    "no picture": ([bitmap(base64.b64encode(zlib.compress(b"x")).decode())], "its bitmap holds te"),
    "a bomb": ([bitmap(BOMB)], "object 1: its bitmap is"),
    "no origin": ([bitmap(BOMB, None)], "neither a bitmap nor a polygon"),
    "one point": ([polygon({"exterior": [[1, 1]]})], "neither a bitmap nor a polygon"),
    "no points": ([{"classTitle": "person_poly"}], "neither a bitmap nor a polygon"),
    "other classes": ([{"classTitle": "dog"}, {"classTitle": "neutral"}], "has objects of dog and"),
}


@pytest.mark.parametrize("name", ANNOTATIONS)
def test_annotations_that_are_none(name, laid):
    content, message = ANNOTATIONS[name]
    if isinstance(content, list):
        content = {"size": {"height": 32, "width": 24}, "objects": content}
    root = laid("supervisely")
    file = root / "ds1" / "ann" / "pexels-photo-80.png.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(InputError, match=message) as caught:
        sources.open_source(f"supervisely:{root}")[0].read()
    assert str(file) in str(caught.value)


def test_a_bomb_is_not_unpacked(laid, monkeypatch):
    root = laid("supervisely")
    file = root / "ds1" / "ann" / "pexels-photo-80.png.json"
    file.write_text(json.dumps({"size": {"height": 9, "width": 9}, "objects": [bitmap(BOMB)]}))
    sizes = []

    def decode(source, limit):
        sizes.append(len(source.getvalue()))
        raise InputError("x: is none.")

    monkeypatch.setattr(annotation, "decode", decode)
    with pytest.raises(InputError):
        supervisely.read_annotation(file)
    assert sizes == [annotation.UNPACKED_LIMIT] and annotation.UNPACKED_LIMIT < 10**8


@pytest.mark.parametrize("x, y", [(-5, -7), (20, 30), (100, 100), (-100, -100)])
def test_a_bitmap_that_sticks_out_is_cut(x, y, laid):
    root = laid("supervisely")
    file = root / "ds1" / "ann" / "pexels-photo-80.png.json"
    content = json.loads(file.read_text())
    whole = supervisely.read_annotation(file)
    left, top = content["objects"][0]["bitmap"]["origin"]
    content["objects"][0]["bitmap"]["origin"] = [left + x, top + y]
    file.write_text(json.dumps(content))
    expected = np.zeros((32 + 400, 24 + 400), "float32")
    expected[200 + y : 232 + y, 200 + x : 224 + x] = whole
    np.testing.assert_array_equal(supervisely.read_annotation(file), expected[200:232, 200:224])


def test_lists_that_are_no_lists(laid):
    root = laid("list")
    (root / "train.txt").write_bytes(b"\xff\xfe\0bad")
    with pytest.raises(InputError, match=r"train\.txt: cannot be read as text in UTF-8"):
        sources.open_source(f"list:{root}", "train")
    (root / "train.txt").write_text("images/a.jpg labels/a.png more columns\n")
    with pytest.raises(
        InputError, match=r"line 1: .* has 4 columns; expected a photo and its mask"
    ):
        sources.open_source(f"list:{root}", "train")
    (root / "train.txt").write_text("\n# nothing\n")
    with pytest.raises(InputError, match="has no pairs of a photo and a mask"):
        sources.open_source(f"list:{root}", "train")


def test_no_place_for_the_sheet_or_the_masks(pairs, laid, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written"):
        inventory.contact_sheet(pairs(2), tmp_path / "file" / "sheet.png")
    with pytest.raises(InputError, match="cannot be written"):
        supervisely.convert(laid("supervisely"), tmp_path / "file")


def test_nothing_that_can_be_shown(pairs, tmp_path):
    root = pairs(2)
    for file in (root / "masks").iterdir():
        file.write_bytes(b"")
    with pytest.raises(InputError, match="no pair that can be read, so there is no sheet"):
        inventory.contact_sheet(root, tmp_path / "sheet.png")
    assert "0 photos" in inventory.describe(root, quiet=True)
