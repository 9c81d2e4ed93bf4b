"""The demo as people start it: a process, files in, files out, names on stdout."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from matting_keras.inference import studio
from matting_keras.media.images import read_photo
from matting_keras.media.video import Frame, VideoReader, VideoWriter
from tests.films import facts, make_film, picture

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
        "print(status, sorted({'tensorflow', 'keras', 'jax', 'torch', 'tqdm', 'pymatting', 'av'}"
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


def test_pictures_of_one_name_do_not_overwrite_each_other(demo, tmp_path, gradient):
    for folder in "abcd":
        (tmp_path / folder).mkdir()
        Image.fromarray(gradient).save(tmp_path / folder / "me.png")
    status, names, _ = demo(*(f"{folder}/me.png" for folder in "abcd"))
    assert status == 0 and len(set(names)) == 4
    assert sorted(os.listdir("output")) == sorted(Path(name).name for name in names)


@pytest.mark.skipif(os.name != "posix", reason="needs a shell that closes standard output")
def test_a_standard_output_that_is_closed_or_full_is_one_line(tmp_path, tiny_onnx, film):
    words = [sys.executable, str(ROOT / "demo.py"), str(film), "--weights", str(tiny_onnx)]
    for where, message in ((">&-", "is closed"), ("> /dev/full", "cannot be written (No space")):
        if "full" in where and not os.path.exists("/dev/full"):
            continue
        line = f"{shlex.join(words)} --output - {where}"
        done = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and done.stderr.startswith("error: standard output")
        assert message in done.stderr and done.stderr.count("\n") == 1


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
        (
            ["film.mp4", "--background", "transparent", "--output", "o.mp4"],
            "an .mp4 file has no transparency",
        ),
        (["film.mp4", "--output", "o.png"], "videos are written as .mp4"),
        (["film.mp4", "--output", "film.mp4"], "is the input itself"),
        (["film.mp4", "--output", "%d-%d.png"], "are named with one %d"),
        (["a.png", "--output", "cut/%d.png"], "is one picture; --output cut/%d.png is for a video"),
        (["film.mp4", "a.png", "--output", "-"], "is one file, but there are 2 inputs"),
        (["-", "--raw", "big"], "--raw big: expected WIDTHxHEIGHT"),
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


def test_sound_uneven_times_and_rotation_survive(demo, tmp_path):
    uneven = [0, 40, 80, 500, 520, 900]
    source = make_film(tmp_path / "phone.mp4", times=uneven, size=(48, 66), turn=-90)
    status, names, error = demo(source)
    assert (status, error) == (0, "")
    before, after = facts(source), facts(Path(names[0]))
    assert after.times == pytest.approx([time / 1000 for time in uneven])
    assert after.duration == pytest.approx(before.duration, abs=1 / 12)
    assert (after.size, after.rotation) == ((66, 48), 0)
    assert after.codecs == ["h264", "aac"] and after.samples == before.samples


def test_a_transparent_video_is_webm(demo, film):
    status, names, _ = demo(film, "--background", "transparent")
    assert (status, names) == (0, [str(Path("output/film-cutout.webm"))])
    assert facts(Path(names[0])).codecs == ["vp9"]
    assert demo(film, "--background", "transparent", "--output", "film.mov")[0] == 0
    assert facts(Path("film.mov")).codecs == ["prores"]


def test_a_video_as_numbered_pictures(demo, tmp_path):
    source = make_film(tmp_path / "in.mp4", 3)
    status, names, error = demo(source, "--background", "transparent", "--output", "cut/%04d.png")
    assert (status, names) == (0, [str(Path("cut/%04d.png"))])
    assert "note: the sound of" in error
    assert sorted(os.listdir("cut")) == ["0001.png", "0002.png", "0003.png", "times.txt"]
    assert read_photo("cut/0002.png").alpha is not None


@pytest.mark.parametrize("temporal", ["off", "ofd", "smooth"])
def test_every_temporal_method_keeps_all_frames(demo, film, temporal):
    status, names, _ = demo(film, "--temporal", temporal)
    assert status == 0 and len(facts(Path(names[0])).times) == 6


def test_frames_through_pipes(tmp_path, tiny_onnx):
    frames = np.stack([picture(number, (30, 40)) for number in range(5)])
    words = ["-", "--raw", "40x30@10", "--weights", tiny_onnx, "--temporal", "off"]
    pipe = {"input": frames.tobytes(), "capture_output": True, "cwd": tmp_path, "timeout": 60}
    command = [sys.executable, "-W", "error", str(ROOT / "demo.py"), *map(str, words)]
    done = subprocess.run([*command, "--output", "-", "--background", "transparent"], **pipe)
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(done.stdout) == 5 * 30 * 40 * 4 and os.listdir(tmp_path) == []
    alpha = np.frombuffer(done.stdout, np.uint8).reshape(5, 30, 40, 4)[..., 3].astype(int)
    assert np.abs(alpha - frames.mean(-1)).mean() < 2
    done = subprocess.run([*command, "--output", "o.mp4"], **pipe)
    assert (done.returncode, done.stdout) == (0, b"o.mp4\n")
    assert facts(tmp_path / "o.mp4").times == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    pipe["input"] = pipe["input"][:-7]
    done = subprocess.run([*command, "--output", "half.mp4"], **pipe)
    assert done.returncode == 0
    assert b"warning: standard input: ends 3593 bytes into a frame of 3600" in done.stderr
    assert facts(tmp_path / "half.mp4").times == pytest.approx([0, 0.1, 0.2, 0.3])
    pipe["input"] = pipe["input"][:99]
    done = subprocess.run([*command, "--output", "none.mp4"], **pipe)
    assert done.returncode == 1 and b"error: standard input: ends 99 bytes into" in done.stderr
    assert sorted(os.listdir(tmp_path)) == ["half.mp4", "o.mp4"]


def test_whoever_stops_reading_the_pipe_gets_no_traceback(tmp_path, tiny_onnx):
    words = ["-", "--raw", "640x480", "--weights", tiny_onnx, "--output", "-"]
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "demo.py"), *map(str, words)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    frame = bytes(640 * 480 * 3)
    process.stdin.write(3 * frame)
    process.stdin.flush()
    process.stdout.read(100)
    process.stdout.close()
    with suppress(BrokenPipeError):
        for _ in range(20):
            process.stdin.write(frame)
    with suppress(BrokenPipeError):
        process.stdin.close()
    assert process.wait(30) == 1
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_stopped_leaves_a_video_that_plays(tmp_path, tiny_onnx, number):
    source = make_film(
        tmp_path / "long.mp4", 400, fps=30, size=(240, 320), codec="mpeg4", noise=True
    )
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "demo.py"), source, "another.png", "--weights", tiny_onnx],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 60
    growing = []
    while time.monotonic() < until and not growing:
        found = tmp_path.glob("output/.*/long-cutout.mp4")
        growing = [path for path in found if path.stat().st_size > 20_000]
        time.sleep(0.02)
    process.send_signal(number)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == f"{Path('output/long-cutout.mp4')}\n"
    found = facts(tmp_path / "output/long-cutout.mp4")
    assert 0 < len(found.times) < 400
    assert f"stopped after {len(found.times)} of 400 frames; " in error
    assert found.samples / 48000 == pytest.approx(found.duration, abs=1)
    assert os.listdir(tmp_path / "output") == ["long-cutout.mp4"]


def test_what_a_damaged_video_lost_is_told(demo, tmp_path):
    path = make_film(tmp_path / "a.mkv", 60, sound=None)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    status, names, error = demo(path)
    assert (status, len(names)) == (0, 1)
    assert re.search(r"a\.mkv: breaks off after [1-4]\.\d of 5\.0 seconds", error)


def test_what_fails_in_a_thread_names_the_file_and_leaves_nothing(demo, film, monkeypatch):
    def broken(self):
        raise ValueError("inside")
        yield

    monkeypatch.setattr(VideoReader, "events", broken)
    with pytest.raises(ValueError, match="inside"):
        demo(film)
    assert list(Path("output").iterdir()) == []


class FakeCamera:
    """A camera of five frames; the tests' machine has none."""

    size, fps, count, sound, gone = (34, 48), 10.0, 0, (), False
    time_base = Fraction(1, 1000)
    frames = 5

    def __init__(self, index: int):
        self.path = f"camera {index}"

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def events(self):
        for number in range(self.frames):
            yield Frame(np.full((34, 48, 3), 200, np.uint8), number / Fraction(7), Fraction(1, 10))


def test_a_camera_without_a_screen_records_a_file(demo, monkeypatch):
    monkeypatch.setattr(studio, "Camera", FakeCamera)
    status, names, _ = demo("0")
    assert (status, names) == (0, [str(Path("output/camera-0-cutout.mp4"))])
    # Frames keep the times at which they were taken.
    assert facts(Path(names[0])).times == pytest.approx([n / 7 for n in range(5)], abs=1e-3)


def test_a_recording_ends_by_itself_after_ten_seconds(demo, monkeypatch):
    monkeypatch.setattr(studio, "Camera", FakeCamera)
    monkeypatch.setattr(FakeCamera, "frames", 1000)
    _, names, _ = demo("0", "--no-window")
    assert facts(Path(names[0])).duration == pytest.approx(10, abs=0.5)


def test_a_process_that_has_to_end_leaves_nothing_half_written(demo, monkeypatch, tmp_path):
    def watch(live, camera, **how):
        with VideoWriter(tmp_path / "clip.mp4", (48, 64), 10) as writer:
            writer.write(picture(0))
            assert len(list(tmp_path.glob(".*"))) == 1
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)

    monkeypatch.setattr(studio, "Camera", FakeCamera)
    monkeypatch.setattr(studio, "watch", watch)
    monkeypatch.setenv("DISPLAY", ":0")
    status, _, error = demo("0")
    assert status == 0 and "stopped" in error
    assert not list(tmp_path.glob(".*"))


def test_ctrl_c_finishes_the_recording(demo, monkeypatch):
    class Interrupted(FakeCamera):
        def events(self):
            yield from super().events()
            time.sleep(0.3)
            os.kill(os.getpid(), signal.SIGINT)
            while True:
                time.sleep(0.01)
                yield Frame(np.zeros((34, 48, 3), np.uint8), Fraction(1), Fraction(1, 10))

    monkeypatch.setattr(studio, "Camera", Interrupted)
    status, names, error = demo("0")
    assert status == 0 and "stopped after" in error
    assert len(facts(Path(names[0])).times) >= 3


def test_an_unplugged_camera_keeps_what_was_recorded(demo, monkeypatch):
    monkeypatch.setattr(studio, "Camera", FakeCamera)
    monkeypatch.setattr(FakeCamera, "gone", True)
    status, names, error = demo("0")
    assert status == 0 and len(facts(Path(names[0])).times) == 5
    assert "camera 0 gives no more pictures; was it unplugged?" in error


@pytest.mark.parametrize("arguments", [["0"], ["0", "--no-window"], ["0", "--virtual-camera"]])
def test_a_camera_with_a_screen(demo, monkeypatch, arguments):
    watched = []
    monkeypatch.setattr(studio, "Camera", FakeCamera)
    monkeypatch.setattr(studio, "watch", lambda live, camera, **how: watched.append(how))
    monkeypatch.setenv("DISPLAY", ":0")
    status, names, _ = demo(*arguments)
    assert status == 0
    virtual = "--virtual-camera" in arguments
    window = "--no-window" not in arguments
    assert watched == ([{"window": window, "virtual": virtual}] if window else [])
    assert bool(names) != window
