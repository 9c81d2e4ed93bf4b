"""The demo on films and frames through pipes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from matting_keras.media.images import read_photo
from matting_keras.media.video import VideoReader, VideoWriter
from tests.films import facts, make_film, picture
from tests.places import ROOT


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
