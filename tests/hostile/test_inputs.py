"""Whatever is handed in, the answer is a result or one clear sentence, never a traceback."""

from __future__ import annotations

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from matting_keras import Matter
from matting_keras.errors import InputError
from matting_keras.media.camera import Camera, has_display
from matting_keras.media.images import list_images, read_alpha, read_photo, to_photo
from matting_keras.media.kinds import kind_of
from matting_keras.media.video import VideoReader, VideoWriter
from tests.conftest import write_tiny_onnx


def huge_png(width: int, height: int) -> bytes:
    """A valid PNG of any size that costs a few hundred kilobytes and no memory to make."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        sum_ = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + sum_

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    packer = zlib.compressobj(1)
    row = b"\0" * (1 + (width + 7) // 8)
    pixels = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def jpeg() -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "JPEG")
    return file.getvalue()


def png() -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    Image.fromarray(noise).save(file, "PNG")
    return file.getvalue()


def float_tiff() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.zeros((4, 4), np.float32)).save(file, "TIFF")
    return file.getvalue()


def int_tiff() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.zeros((4, 4), np.int32)).save(file, "TIFF")
    return file.getvalue()


BAD_FILES = {
    "zero bytes": ("a.jpg", b"", r"a\.jpg: is empty \(0 bytes\)"),
    "text": ("a.jpg", b"this is no photo\n" * 9, r"a\.jpg: holds text, not a picture"),
    "html": ("a.png", b"<!DOCTYPE html><html>404</html>", "holds text, not a picture"),
    "truncated jpeg": ("a.jpg", jpeg()[:-600], "is cut off or damaged"),
    "truncated png": ("a.png", png()[:-600], "is cut off or damaged"),
    "a jpeg's first bytes": ("a.jpg", jpeg()[:20], "start is damaged|is damaged|cut off"),
    "noise": ("a.png", bytes(range(256)) * 4, "not a picture that can be read here"),
    "heic": ("a.jpg", b"\0\0\0\x18ftypheic" + bytes(64), "HEIC or AVIF.*export it as JPEG"),
    "video": ("a.jpg", b"\0\0\0\x18ftypisom" + bytes(64), "is a video, not a picture"),
    "postscript": ("a.png", b"%!PS-Adobe-3.0 EPSF-3.0\n", "holds text, not a picture"),
    "float tiff": ("a.tif", float_tiff(), "32-bit float values, whose range is unknown"),
    "integer tiff": ("a.tif", int_tiff(), "32-bit integer values, whose range is unknown"),
    "20000 x 20000": (
        "a.png",
        huge_png(20_000, 20_000),
        r"a\.png: 20000x20000 is 400,000,000 pixels, more than the limit of 100,000,000",
    ),
    "12000 x 12000": ("a.png", huge_png(12_000, 12_000), "144,000,000 pixels, more than"),
}


@pytest.mark.parametrize("name", BAD_FILES)
@pytest.mark.parametrize("reader", [read_photo, read_alpha], ids=["photo", "alpha"])
def test_a_bad_file_has_its_own_message(tmp_path, name, reader):
    file, data, message = BAD_FILES[name]
    (tmp_path / file).write_bytes(data)
    with pytest.raises(InputError, match=message):
        reader(tmp_path / file)
    with pytest.raises(InputError, match=message.split(": ")[-1]):
        reader(io.BytesIO(data))


def test_our_limit_can_be_raised_and_pillows_stays(tmp_path):
    (tmp_path / "wide.png").write_bytes(huge_png(400, 300))
    with pytest.raises(InputError, match="120,000 pixels, more than the limit of 100,000"):
        read_photo(tmp_path / "wide.png", max_pixels=100_000)
    before = Image.MAX_IMAGE_PIXELS
    assert read_photo(tmp_path / "wide.png", max_pixels=120_000).rgb.shape == (300, 400, 3)
    assert before and before == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("no/such/photo.jpg", r"no/such/photo\.jpg: no such file; check the spelling"),
        (".", "is a folder, not a picture"),
        ("", "is a folder, not a picture"),
        ("https://example.org/a.jpg", "addresses are not fetched, download"),
        ("x" * 5000, "cannot be read|no such file"),
        (None, "cannot read a picture from NoneType"),
        (b"\xff\xd8", "cannot read a picture from bytes.*io.BytesIO"),
        (np.zeros((4, 4, 3), np.float32), r"float32 array.*\(image \* 255\)"),
        (np.zeros((4, 4, 3), bool), "bool array; expected uint8"),
        (np.zeros((2, 4, 4, 3), np.uint8), r"shape \(2, 4, 4, 3\).*batch\(\)"),
        (np.zeros((0, 4, 3), np.uint8), "at least one pixel"),
        (np.zeros((4, 4, 2), np.uint8), r"shape \(4, 4, 2\); expected"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else type(value).__name__,
)
def test_what_is_no_picture_says_so(source, message):
    with pytest.raises(InputError, match=message):
        to_photo(source)


def test_a_folder_without_pictures(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(InputError, match=r"no pictures in it; expected \.jpg"):
        list_images(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        list_images(tmp_path / "none")


def test_bytes_changed_at_random_never_escape_as_another_error(tmp_path):
    """Damage anywhere gives a picture or an InputError."""
    rng = np.random.default_rng(1)
    for make in (jpeg, png, float_tiff):
        whole = bytearray(make())
        for _ in range(60):
            data = bytearray(whole)
            for place in rng.integers(0, len(data), 8):
                data[place] = rng.integers(0, 256)
            try:
                photo = read_photo(io.BytesIO(bytes(data)), max_pixels=1_000_000)
            except InputError:
                continue
            assert photo.rgb.dtype == np.uint8


@pytest.mark.parametrize("size", [(1, 1), (1, 2000), (2000, 1), (31, 33)])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "YCbCr"])
def test_every_size_and_mode_gets_an_alpha_of_its_size(tiny_onnx, size, mode):
    image = Image.new(mode, size[::-1])
    alpha = Matter(tiny_onnx)(image)
    assert alpha.shape == size and np.isfinite(alpha).all()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_nan_weights_are_refused_by_name(tmp_path, value, runtime):
    if runtime == "openvino":
        pytest.importorskip("openvino")
    path = write_tiny_onnx(tmp_path / "bad.onnx", weights=(0.1, value, 0.1))
    with pytest.raises(InputError, match=r"bad\.onnx: weights 'kernel' hold 1 NaN or infinite"):
        Matter(path, runtime=runtime)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"image": "input.1"}, r"input\.1 float32 \(\?, \?, \?, 3\) -> alpha"),
        ({"alpha": "Identity:0"}, r"-> Identity:0 float32 \(\?, \?, \?, 1\)"),
        ({"channels": 1, "weights": (0.1,)}, r"image float32 \(\?, \?, \?, 1\) ->"),
    ],
)
def test_a_foreign_onnx_says_what_it_has(tmp_path, change, found):
    path = write_tiny_onnx(tmp_path / "foreign.onnx", **change)
    with pytest.raises(InputError, match=rf"foreign\.onnx: has .*{found}.*matting-keras export"):
        Matter(path)


@pytest.mark.parametrize("keep", [0, 40, -30])
def test_a_damaged_onnx(tmp_path, tiny_onnx, keep):
    path = tmp_path / "cut.onnx"
    path.write_bytes(tiny_onnx.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"cut\.onnx: (not a whole ONNX file|has )"):
        Matter(path)


def test_onnx_weights_in_another_file_are_not_followed(tmp_path, tiny_onnx):
    import onnx

    model = onnx.load(tiny_onnx)
    tensor = model.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    (tmp_path / "pointing.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match="keeps 'kernel' in another file, which is not followed"):
        Matter(tmp_path / "pointing.onnx")


def test_a_network_that_gives_nan_is_stopped(tiny_onnx):
    matter = Matter(tiny_onnx)
    matter.runtime.run = lambda batch: np.full((*batch.shape[:3], 1), np.nan, np.float32)
    with pytest.raises(InputError, match="the network gave NaN"):
        matter(np.zeros((4, 4, 3), np.uint8))


def test_a_camera_that_does_not_exist(capfd):
    with pytest.raises(InputError, match=r"camera 77: cannot be opened; .*plugged in"):
        Camera(77)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.mp4", None, "no such file"),
        ("a.mp4", b"", r"is empty \(0 bytes\)"),
        ("a.mp4", b"not a film", "is not a video that can be read"),
        (".", None, "is a folder, not a video"),
    ],
)
def test_a_bad_video_has_its_own_message(tmp_path, capfd, name, data, message):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=message):
        VideoReader(tmp_path / name)
    assert capfd.readouterr() == ("", "")


def test_a_video_cut_in_half(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", (32, 48), 10) as video:
        for _ in range(5):
            video.write(np.zeros((32, 48, 3), np.uint8))
    data = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "half.mp4").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"half\.mp4: is not a video that can be read here"):
        VideoReader(tmp_path / "half.mp4")


def test_a_video_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), VideoWriter(tmp_path / "a.mp4", (32, 32), 10) as video:
        video.write(np.zeros((32, 32, 3), np.uint8))
        raise ZeroDivisionError
    with (
        pytest.raises(InputError, match="there was no frame to write"),
        VideoWriter(tmp_path / "b.mp4", (32, 32), 10),
    ):
        pass
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("data", "kind"), [(jpeg(), "image"), (b"\0\0\0\x18ftypisom" + bytes(9), "video")]
)
def test_a_file_of_unknown_name_is_known_by_its_content(tmp_path, data, kind):
    (tmp_path / "upload").write_bytes(data)
    assert kind_of(tmp_path / "upload") == kind


def test_a_file_of_unknown_name_and_content(tmp_path):
    (tmp_path / "upload.xyz").write_bytes(b"?" * 99)
    with pytest.raises(InputError, match="neither a picture nor a video"):
        kind_of(tmp_path / "upload.xyz")


@pytest.mark.parametrize(
    ("variables", "shown"),
    [({}, False), ({"DISPLAY": ":0"}, True), ({"WAYLAND_DISPLAY": "wayland-0"}, True)],
)
def test_a_screen_is_asked_for_before_a_window(monkeypatch, variables, shown):
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert has_display() is shown
