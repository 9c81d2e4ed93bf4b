"""The one loader gives one picture however it is stored, and the writer stores it whole."""

from __future__ import annotations

import errno
import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from matting_keras.errors import InputError
from matting_keras.media import images
from matting_keras.media.images import (
    list_images,
    read_alpha,
    read_image,
    read_photo,
    to_photo,
    to_rgb,
    write_image,
)

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


def _ramp16() -> np.ndarray:
    return RAMP.astype(np.uint16) * 257


@pytest.mark.parametrize(
    ("name", "array", "tolerance"),
    [
        ("gray.png", RAMP, 0),
        ("gray16.png", _ramp16(), 0),
        ("gray16.tif", _ramp16(), 0),
        ("gray.jpg", RAMP, 12),
        ("gray.webp", RAMP, 12),
        ("gray.bmp", RAMP, 0),
        ("gray.gif", RAMP, 0),
        ("one-bit.png", RAMP > 127, 0),
        ("alpha.png", np.dstack([RAMP, np.full_like(RAMP, 255)]), 0),
    ],
)
def test_every_gray_format_reads_the_same(tmp_path, name, array, tolerance):
    Image.fromarray(array).save(tmp_path / name)
    wanted = np.where(RAMP > 127, 255, 0) if array.dtype == bool else RAMP
    rgb = read_image(tmp_path / name)
    assert rgb.dtype == np.uint8 and rgb.shape == (16, 16, 3)
    assert np.abs(rgb.astype(int) - wanted[..., None]).max() <= tolerance
    alpha = read_alpha(tmp_path / name)
    assert alpha.dtype == np.float32 and alpha.shape == (16, 16)
    assert np.abs(alpha - wanted / 255).max() <= tolerance / 255 + 1e-6


def test_sixteen_bit_alpha_keeps_its_steps(saved):
    values = np.array([[0, 1, 2, 65535]], np.uint16)
    alpha = read_alpha(saved(Image.fromarray(values), "fine.png"))
    np.testing.assert_allclose(alpha, values / 65535, atol=1e-9)


def test_big_endian_sixteen_bit(saved):
    path = saved(Image.fromarray(_ramp16()), "little.tif")
    swapped = Image.frombytes("I;16B", (16, 16), _ramp16().astype(">u2").tobytes())
    np.testing.assert_array_equal(read_image(path), read_image(swapped))


@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honoured(tmp_path, gradient, orientation, suffix):
    upright = Image.fromarray(gradient)
    # What the camera stores: the inverse of what a viewer is told to do.
    stored = {
        1: lambda im: im,
        2: lambda im: im.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: lambda im: im.transpose(Image.Transpose.ROTATE_180),
        4: lambda im: im.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: lambda im: im.transpose(Image.Transpose.TRANSPOSE),
        6: lambda im: im.transpose(Image.Transpose.ROTATE_90),
        7: lambda im: im.transpose(Image.Transpose.TRANSVERSE),
        8: lambda im: im.transpose(Image.Transpose.ROTATE_270),
    }[orientation](upright)
    exif = Image.Exif()
    exif[0x0112] = orientation
    lossless = {"lossless": True} if suffix == "webp" else {}
    stored.save(tmp_path / f"turned.{suffix}", exif=exif, **lossless)
    np.testing.assert_array_equal(read_image(tmp_path / f"turned.{suffix}"), gradient)


def test_damaged_exif_is_no_reason_to_refuse(saved, gradient):
    path = saved(Image.fromarray(gradient), "odd.jpg", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff")
    assert read_image(path).shape == (40, 60, 3)


def test_own_transparency_of_rgba(saved, gradient):
    own = np.linspace(0, 255, 40 * 60).reshape(40, 60).astype(np.uint8)
    photo = read_photo(saved(Image.fromarray(np.dstack([gradient, own])), "cut.png"))
    np.testing.assert_array_equal(photo.rgb, gradient)
    np.testing.assert_allclose(photo.alpha, own / 255, atol=1e-6)


def test_opaque_alpha_channel_is_no_transparency(saved, gradient):
    opaque = np.dstack([gradient, np.full((40, 60), 255, np.uint8)])
    path = saved(Image.fromarray(opaque), "opaque.png")
    assert read_photo(path).alpha is None
    gray = np.asarray(Image.fromarray(gradient).convert("L"))
    np.testing.assert_allclose(read_alpha(path), gray / 255, atol=1e-6)


@pytest.mark.parametrize("transparency", [1, bytes([255, 0])], ids=["index", "table"])
def test_palette_transparency(saved, transparency):
    image = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8))
    image.putpalette([10, 20, 30, 200, 100, 50])
    photo = read_photo(saved(image, "palette.png", transparency=transparency))
    np.testing.assert_array_equal(photo.alpha, [[1, 0], [0, 1]])
    assert photo.rgb[0, 0].tolist() == [10, 20, 30]
    assert photo.rgb[0, 1].tolist() == [200, 100, 50]


def test_key_colour_transparency(saved, gradient):
    path = saved(Image.fromarray(gradient), "key.png", transparency=tuple(gradient[3, 4].tolist()))
    alpha = read_photo(path).alpha
    assert alpha[3, 4] == 0 and alpha.sum() == 40 * 60 - 1


def test_cmyk_without_profile(saved):
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    assert np.abs(read_image(saved(image, "plain.jpg")).astype(int) - (255, 0, 0)).max() <= 3


def test_a_profile_is_applied(saved):
    """A profile whose red and blue are changed over must change them over."""
    swapped = _swapped_profile()
    image = Image.new("RGB", (8, 8), (200, 30, 30))
    plain = read_image(saved(image, "plain.png"))
    profiled = read_image(saved(image, "profiled.png", icc_profile=swapped))
    assert plain[0, 0].tolist() == [200, 30, 30]
    assert profiled[0, 0, 2] > profiled[0, 0, 0] + 100


def _swapped_profile() -> bytes:
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    at = {bytes(profile[i : i + 4]): i for i in range(132, 132 + 12 * 20, 12)}
    red, blue = at[b"rXYZ"], at[b"bXYZ"]
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    for name in (b"sRGB", "sRGB".encode("utf-16-be")):
        profile = profile.replace(name, b"x" * len(name))
    return bytes(profile)


def test_a_damaged_profile_is_left_aside(saved, gradient):
    path = saved(Image.fromarray(gradient), "odd.png", icc_profile=b"no profile at all")
    np.testing.assert_array_equal(read_image(path), gradient)


def test_the_first_frame_of_an_animation(saved):
    frames = [Image.new("RGB", (5, 4), colour) for colour in ("red", "blue")]
    path = saved(frames[0], "moving.webp", save_all=True, append_images=frames[1:], lossless=True)
    assert read_image(path)[0, 0].tolist() == [255, 0, 0]


def test_sources_are_interchangeable(saved, gradient):
    path = saved(Image.fromarray(gradient), "one.png")
    data = path.read_bytes()
    for source in (path, str(path), Image.open(path), io.BytesIO(data), gradient):
        np.testing.assert_array_equal(to_rgb(source), gradient)


@pytest.mark.parametrize(
    ("shape", "has_alpha"), [((4, 6), False), ((4, 6, 1), False), ((4, 6, 3), False)]
)
def test_arrays_become_rgb(shape, has_alpha):
    photo = to_photo(np.full(shape, 7, np.uint8))
    assert photo.rgb.shape == (4, 6, 3) and (photo.alpha is not None) == has_alpha
    assert (photo.rgb == 7).all()


def test_an_rgba_array_keeps_its_transparency():
    photo = to_photo(np.full((4, 6, 4), 51, np.uint8))
    assert photo.rgb.shape == (4, 6, 3) and photo.alpha == pytest.approx(0.2)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
@pytest.mark.parametrize("channels", [None, 3, 4])
def test_what_is_written_is_read_back(tmp_path, suffix, channels):
    shape = (9, 7) if channels is None else (9, 7, channels)
    array = np.random.default_rng(0).integers(1, 256, shape).astype(np.uint8)
    write_image(tmp_path / f"deep/er/a{suffix}", array)
    photo = read_photo(tmp_path / f"deep/er/a{suffix}")
    if channels == 4:
        np.testing.assert_allclose(photo.alpha, array[..., 3] / 255, atol=1e-6)
    rgb = array[..., None].repeat(3, -1) if channels is None else array[..., :3]
    np.testing.assert_array_equal(photo.rgb, rgb)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch, gradient):
    write_image(tmp_path / "a.png", gradient)
    before = (tmp_path / "a.png").read_bytes()

    def full(self, target, **options):
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(images.Image.Image, "save", full)
    with pytest.raises(InputError, match=r"a\.png: cannot be written \(No space left"):
        write_image(tmp_path / "a.png", gradient[::-1])
    assert (tmp_path / "a.png").read_bytes() == before
    assert os.listdir(tmp_path) == ["a.png"]


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("a.jpg", np.zeros((2, 2, 4), np.uint8), "no transparency; write .png"),
        ("a.bmp", np.zeros((2, 2, 4), np.uint8), "no transparency; write .png"),
        ("a.xyz", np.zeros((2, 2), np.uint8), "end its name in one of .png"),
        ("a.png", np.zeros((2, 2), np.float32), "expected a uint8 array"),
        ("a.png", np.zeros((2, 2, 2), np.uint8), "expected a uint8 array"),
    ],
)
def test_what_cannot_be_written_says_why(tmp_path, name, array, message):
    with pytest.raises(InputError, match=message):
        write_image(tmp_path / name, array)
    assert os.listdir(tmp_path) == []


def test_list_images(tmp_path):
    for name in ("b.JPG", "a.png", "sub/c.webp", "notes.txt", ".hidden.png", ".git/d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    names = [path.relative_to(tmp_path).as_posix() for path in list_images(tmp_path)]
    assert names == ["a.png", "b.JPG", "sub/c.webp"]
    assert len(list_images(tmp_path, recursive=False)) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_linked_folders_are_looked_into_and_circles_end(tmp_path):
    here, disk = tmp_path / "here", tmp_path / "disk"
    for name in (here / "a.png", disk / "b.png", disk / "deep" / "c.png"):
        name.parent.mkdir(parents=True, exist_ok=True)
        name.touch()
    (here / "linked").symlink_to(disk)
    (here / "itself").symlink_to(here)
    (disk / "deep" / "back").symlink_to(here)  # from one to the other and back
    (here / "gone").symlink_to(tmp_path / "nowhere")
    names = [path.relative_to(here).as_posix() for path in list_images(here)]
    assert names == ["a.png", "linked/b.png", "linked/deep/c.png"]


def test_a_folder_that_may_not_be_read_is_told_of(tmp_path, monkeypatch, caplog):
    for name in ("a.png", "lost+found/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    look = os.scandir

    def refuse(folder):
        if Path(folder).name == "lost+found":
            raise PermissionError(errno.EACCES, "Permission denied")
        return look(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    assert [path.name for path in list_images(tmp_path)] == ["a.png"]
    assert "lost+found is left out, as it cannot be read: Permission denied" in caplog.text
