"""The demo as people start it: a process, files in, files out, names on stdout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from matting_keras.inference import studio
from matting_keras.media.images import read_photo
from matting_keras.media.video import VideoReader, VideoWriter

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def demo(tmp_path, tiny_onnx, monkeypatch, capsys):
    """Runs the demo in this process, in an empty folder; gives (status, stdout lines, stderr)."""
    monkeypatch.chdir(tmp_path)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: object, samples: Path = ROOT / "samples") -> tuple[int, list[str], str]:
        status = studio.main(["--weights", str(tiny_onnx), *map(str, arguments)], samples)
        out, error = capsys.readouterr()
        return status, out.split("\n")[:-1], error

    return run


def start(folder: Path, *arguments: object) -> subprocess.CompletedProcess:
    """Start demo.py as a process of its own, warnings being errors, as in a shell."""
    return subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "demo.py"), *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": ""},
    )


def test_a_photo_gives_a_cut_out_of_its_size(tmp_path, tiny_onnx, samples):
    done = start(tmp_path, samples / "astronaut.png", "--weights", tiny_onnx)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{Path('output/astronaut-cutout.png')}\n"
    cutout = read_photo(tmp_path / "output/astronaut-cutout.png")
    original = read_photo(samples / "astronaut.png")
    assert cutout.rgb.shape == original.rgb.shape
    # The tiny network's alpha is the brightness.
    difference = np.abs(cutout.alpha - original.rgb.mean(-1) / 255)
    assert difference.mean() < 0.03


def test_no_training_framework_is_loaded(tmp_path, tiny_onnx, samples):
    code = (
        "import sys; from matting_keras.inference.studio import main;"
        f"status = main([{str(samples / 'astronaut.png')!r}, '--weights', {str(tiny_onnx)!r}]);"
        "print(status, sorted({'tensorflow', 'keras', 'jax', 'torch', 'tqdm', 'pymatting'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.splitlines()[-1] == "0 []", done.stderr


def test_a_wrong_path_is_one_line_and_status_1(tmp_path, tiny_onnx):
    done = start(tmp_path, "none.jpg", "--weights", tiny_onnx)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: none.jpg: no such file; check the spelling.\n"
    assert os.listdir(tmp_path) == []


def test_without_a_path_all_samples_are_done(demo):
    status, names, error = demo()
    assert (status, error) == (0, "")
    assert [Path(name).name for name in names] == [
        "astronaut-cutout.png",
        "grace_hopper-cutout.png",
    ]
    assert all(Path(name).is_file() for name in names)


def test_a_turned_photo_comes_out_upright(demo, tmp_path, gradient):
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.fromarray(gradient).transpose(Image.Transpose.ROTATE_90)
    stored.save(tmp_path / "phone.jpg", exif=exif, quality=100, subsampling=0)
    assert demo("phone.jpg", "--background", "white")[0] == 0
    result = Image.open("output/phone-cutout.png")
    assert result.size == (60, 40) and not result.getexif()
    rgb = np.asarray(result).astype(int)
    assert rgb[35, 30, 0] > rgb[5, 30, 0]  # red grows downwards, as in the picture


def test_a_folder_keeps_its_tree_and_goes_on_past_bad_files(demo, tmp_path, gradient):
    for name in ("in/a.png", "in/sub/a.png", "in/sub/a.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(gradient).save(tmp_path / name)
    (tmp_path / "in/broken.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    status, names, error = demo("in", "missing.jpg")
    assert status == 1
    assert [Path(name).as_posix() for name in names] == [
        "output/a-cutout.png",
        "output/sub/a-cutout.png",
        "output/sub/a-png-cutout.png",
    ]
    assert [line[:7] for line in error.splitlines()] == ["error: ", "error: "]
    assert "broken.jpg" in error and "missing.jpg: no such file" in error


def test_its_own_output_is_not_taken_as_input(demo, tmp_path, gradient):
    Image.fromarray(gradient).save(tmp_path / "a.png")
    for _ in range(2):
        assert demo(".")[:2] == (0, [str(Path("output/a-cutout.png"))])


@pytest.mark.parametrize("background", ["teal", "blur", "photo"])
def test_a_jpeg_with_a_background(demo, tmp_path, gradient, samples, background):
    Image.fromarray(gradient).save(tmp_path / "a.png")
    if background == "photo":
        background = samples / "grace_hopper.jpg"
    status, names, _ = demo("a.png", "--background", background, "--output", "out/b.jpg")
    assert (status, names) == (0, [str(Path("out/b.jpg"))])
    assert read_photo("out/b.jpg").rgb.shape == (40, 60, 3)


@pytest.fixture
def film(tmp_path) -> Path:
    """Six frames, 34 x 48, from dark to bright."""
    with VideoWriter(tmp_path / "film.mp4", (34, 48), 12) as video:
        for step in range(6):
            video.write(np.full((34, 48, 3), 40 * step, np.uint8))
    return tmp_path / "film.mp4"


def test_a_video_keeps_size_length_and_rate(demo, film):
    status, names, error = demo(film)
    assert (status, names, error) == (0, [str(Path("output/film-cutout.mp4"))], "")
    with VideoReader(names[0]) as video:
        frames = list(video)
        assert (video.size, video.fps, len(frames)) == ((34, 48), 12, 6)
    # Dark frames are all background, which is green; bright ones keep themselves.
    red, green, _ = frames[0].mean((0, 1))
    assert green > red + 100
    assert np.ptp(frames[-1].mean((0, 1))) < 60


def test_a_video_behind_a_video_starts_again_at_its_end(demo, film, tmp_path):
    with VideoWriter(tmp_path / "short.mp4", (16, 16), 12) as video:
        for colour in ((250, 0, 0), (0, 0, 250)):
            video.write(np.full((16, 16, 3), colour, np.uint8))
    assert demo(film, "--background", "short.mp4", "--output", "o.mp4")[0] == 0
    with VideoReader("o.mp4") as video:
        reds = [frame[..., 0].mean() > frame[..., 2].mean() for frame in video]
    assert reds == [True, False] * 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.png", "--background", "nocolour"], "nocolour: neither a colour nor a file"),
        (["a.png", "--output", "o.jpg"], "have no transparency; write .png"),
        (["a.png", "--output", "a.png"], "is the input itself"),
        (["a.png", "a.png", "--output", "o.png"], "is one file, but there are 2 inputs"),
        (["a.png", "--gray"], "--gray chooses between shipped networks"),
        (["a.png", "--output", "o.mp4"], "cannot write a picture as '.mp4'"),
        (["film.mp4", "--background", "transparent"], "an .mp4 file has no transparency"),
        (["film.mp4", "--output", "o.png"], "videos are written as .mp4"),
        (["77"], "camera 77: cannot be opened"),
        (["empty"], "empty: no pictures in it"),
        (["upload.xyz"], "neither a picture nor a video"),
    ],
)
def test_what_cannot_be_done_is_said(demo, film, tmp_path, gradient, arguments, message):
    Image.fromarray(gradient).save(tmp_path / "a.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "upload.xyz").write_bytes(b"?" * 99)
    before = (tmp_path / "a.png").read_bytes()
    status, names, error = demo(*arguments)
    assert (status, names) == (1, [])
    assert error.startswith("error: ") and error.count("\n") == 1 and message in error
    assert (tmp_path / "a.png").read_bytes() == before


class FakeCamera:
    """A camera of five frames; the tests' machine has none."""

    size, fps = (34, 48), 10.0

    def __init__(self, index: int):
        self.index = index

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def __iter__(self):
        return iter(np.full((5, 34, 48, 3), 200, np.uint8))


def test_a_camera_without_a_screen_records_a_file(demo, monkeypatch):
    monkeypatch.setattr(studio, "Camera", FakeCamera)
    status, names, _ = demo("0")
    assert (status, names) == (0, [str(Path("output/camera-0-cutout.mp4"))])
    with VideoReader(names[0]) as video:
        assert len(list(video)) >= 5


def test_ctrl_c_finishes_the_recording(demo, monkeypatch):
    class Interrupted(FakeCamera):
        def __iter__(self):
            yield from np.zeros((2, 34, 48, 3), np.uint8)
            raise KeyboardInterrupt

    monkeypatch.setattr(studio, "Camera", Interrupted)
    status, names, _ = demo("0")
    assert status == 0
    with VideoReader(names[0]) as video:
        assert len(list(video)) >= 2


@pytest.mark.parametrize("arguments", [["0"], ["0", "--no-window"]])
def test_a_camera_with_a_screen(demo, monkeypatch, arguments):
    shown = []
    monkeypatch.setattr(studio, "Camera", FakeCamera)
    monkeypatch.setattr(studio, "show", lambda frame: shown.append(frame) or len(shown) < 3)
    monkeypatch.setenv("DISPLAY", ":0")
    status, names, _ = demo(*arguments)
    assert status == 0
    window = "--no-window" not in arguments
    assert len(shown) == (3 if window else 0) and bool(names) != window
