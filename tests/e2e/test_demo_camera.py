"""The demo on a camera, with a screen and without."""

from __future__ import annotations

import os
import signal
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from matting_keras.inference import studio
from matting_keras.media.video import Frame, VideoWriter
from tests.cameras import FakeCamera
from tests.films import facts, picture


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


@pytest.mark.parametrize("name", ["me.mp4", "cut/%05d.png", "-"])
def test_a_film_is_not_silently_left_out_where_a_window_is_shown(demo, monkeypatch, name):
    monkeypatch.setattr(studio, "Camera", FakeCamera)
    monkeypatch.setenv("DISPLAY", ":0")
    status, _, error = demo("0", "--output", name)
    assert status == 1 and f"--output {name}: a window records nothing; add --no-window" in error


def test_what_is_for_files_is_refused_where_a_camera_is_shown(demo, monkeypatch):
    monkeypatch.setattr(studio, "Camera", FakeCamera)
    monkeypatch.setenv("DISPLAY", ":0")
    status, _, error = demo("0", "--alpha-only")
    assert status == 1 and "--alpha-only is for files: add --no-window" in error
