"""Cameras without one: a capture that plays frames, a window and a virtual camera that note."""

from __future__ import annotations

import sys
import threading
import time
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from matting_keras import Matter
from matting_keras.errors import InputError
from matting_keras.inference import live as live_module
from matting_keras.inference.live import KEYS, Live, scenes_for, watch
from matting_keras.media.camera import Camera
from matting_keras.media.images import read_image
from matting_keras.media.virtual import VirtualCamera
from matting_keras.media.window import Window, write_on

SIZE = (36, 48)


class Capture:
    """Plays numbered frames every few milliseconds, then is unplugged."""

    frames, pace = 1_000_000, 0.002

    def __init__(self, index: int):
        self.number, self.released = 0, False

    def isOpened(self) -> bool:
        return True

    def get(self, what: int) -> float:
        return 30.0

    def read(self):
        time.sleep(self.pace)
        self.number += 1
        if self.number > self.frames:
            return False, None
        frame = np.full((*SIZE, 3), (0, 0, self.number % 250), np.uint8)
        frame[:, : SIZE[1] // 2] = 255
        return True, frame

    def release(self) -> None:
        self.released = True


@pytest.fixture
def capture(monkeypatch):
    """The class in the place of OpenCV's, for tests to change."""
    monkeypatch.setattr(Capture, "frames", Capture.frames)
    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    return Capture


class Keyboard:
    """A window that notes what it shows and presses keys, one a frame."""

    def __init__(self, keys: list[str]):
        self.keys, self.shown, self.lines = keys, [], []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def show(self, rgb, lines):
        self.shown.append(rgb.copy())
        self.lines.append(lines)
        return self.keys.pop(0) if self.keys else "q"


@pytest.fixture
def play(capture, tiny_onnx, tmp_path, monkeypatch):
    """Runs the live view with keys pressed: play("n", "s") -> (window, live)."""

    def run(*keys: str, background: str = "teal", virtual: bool = False):
        window = Keyboard(list(keys))
        monkeypatch.setattr(live_module, "Window", lambda title: window)
        with Camera(0) as camera:
            live = Live(
                camera, Matter(tiny_onnx), scenes_for(background), "off", tmp_path / "me.png"
            )
            watch(live, camera, window=True, virtual=virtual)
        return window, live

    return run


def test_only_the_newest_frame_is_given_out(capture):
    with Camera(0) as camera:
        camera.read()
        time.sleep(0.1)
        late = int(camera.read()[0, -1, 0])
        assert late > 10
        assert int(camera.read()[0, -1, 0]) - late < 10


def test_an_unplugged_camera_ends_without_an_error(capture):
    capture.frames = 5
    before = threading.active_count()
    with Camera(0) as camera:
        events = list(camera.events())
        assert 1 <= len(events) <= 5 and camera.gone
        assert camera.read() is None
    assert camera._capture.released and threading.active_count() == before


def test_a_number_that_no_camera_has():
    with pytest.raises(InputError, match="camera 99999999999: cannot be opened"):
        Camera(99_999_999_999)


def test_a_virtual_camera_that_goes_away_is_said(monkeypatch):
    class Gone:
        device = "/dev/video9"

        def __init__(self, *form):
            pass

        def send(self, frame):
            raise RuntimeError("error writing frame:\nNo such device")

    monkeypatch.setitem(sys.modules, "pyvirtualcam", SimpleNamespace(Camera=Gone))
    with pytest.raises(InputError, match=r"video9 takes no more pictures \(error writing"):
        VirtualCamera(SIZE, 30).send(np.zeros((*SIZE, 3), np.uint8))


def test_a_driver_that_fails_when_the_plug_is_pulled_hangs_nobody(capture, monkeypatch):
    def pulled(self):
        raise cv2.error("VIDIOC_DQBUF: No such device")

    with Camera(0) as camera:
        monkeypatch.setattr(capture, "read", pulled)
        ended = threading.Thread(target=lambda: list(camera.events()), daemon=True)
        ended.start()
        ended.join(5)
        assert not ended.is_alive() and camera.gone
    assert camera._capture.released


def test_a_camera_that_is_closed_is_not_gone(capture):
    with Camera(0) as camera:
        threading.Timer(0.05, camera.close).start()
        times = [event.time for event in camera.events()]
    assert not camera.gone and times == sorted(times) and times[-1] < 1


def test_a_camera_that_changes_its_form_keeps_its_size(capture, monkeypatch):
    with Camera(0) as camera:
        monkeypatch.setattr(
            Capture, "read", lambda self: (True, np.zeros((72, 96, 3), np.uint8)), raising=True
        )
        time.sleep(0.05)
        camera.read()
        assert camera.read().shape == (*SIZE, 3)


def test_the_window_is_a_mirror_until_m_is_pressed(play):
    window, _ = play("", "m", "")
    first, last = window.shown[0], window.shown[-1]
    half = SIZE[1] // 2
    # The camera's left half is white, which the tiny network takes for the person.
    assert first[:, half + 1 :].mean() > 250 and first[:, : half - 1].mean() < 200
    assert last[:, : half - 1].mean() > 250 and last[:, half + 1 :].mean() < 200


def test_keys_change_what_is_behind(play):
    window, live = play("", "n", "n", "b", "b", "a", "a", "h", "x", "")
    right = [tuple(frame[5, 5].tolist()) for frame in window.shown]
    assert right[0][1] > 100 and right[0][0] < 60  # teal
    assert right[2] != right[0]  # green, after blur
    assert np.ptp(window.shown[6]) > 0 and window.shown[6][5, 5].max() < 90  # alpha, in gray
    assert any("next background" in line for line in window.lines[0])
    assert len(window.lines[-1]) == 1 and "ms a frame" in window.lines[-1][0]
    assert live.saved == []


def test_blur_goes_back_to_what_was_there(play):
    _, live = play("n", "n", "b", "b")
    assert live._scenes[live._scene].text == scenes_for("teal")[2]


def test_saved_stills_are_not_mirrored_and_do_not_overwrite_each_other(play, tmp_path):
    window, live = play("s", "s")
    assert live.saved == [tmp_path / "me.png", tmp_path / "me-2.png"]
    still = read_image(tmp_path / "me.png")
    np.testing.assert_array_equal(still, window.shown[0][:, ::-1])


def test_every_key_of_the_help_does_something(capture, tiny_onnx, tmp_path):
    with Camera(0) as camera:
        live = Live(camera, Matter(tiny_onnx), scenes_for("teal"), "off", tmp_path / "me.png")
        for key in KEYS:
            before = dict(vars(live), saved=list(live.saved))
            assert live.press(key) is (key != "q")
            assert key == "q" or dict(vars(live), saved=list(live.saved)) != before


def test_a_background_that_cannot_be_used_is_said_before_the_window_opens(play):
    with pytest.raises(InputError, match="nothing\\.jpg: neither a colour nor a file"):
        play(background="nothing.jpg")


def test_the_virtual_camera_gets_what_others_should_see(play, monkeypatch):
    sent = []

    class Fake:
        device = "/dev/video9"

        def __init__(self, width, height, fps):
            self.form = (height, width)

        def send(self, frame):
            assert frame.shape == (*self.form, 3) and frame.flags.c_contiguous
            sent.append(frame.copy())

        def close(self):
            sent.append("closed")

    monkeypatch.setitem(sys.modules, "pyvirtualcam", SimpleNamespace(Camera=Fake))
    window, _ = play("", virtual=True)
    assert sent.pop() == "closed" and len(sent) == len(window.shown)
    np.testing.assert_array_equal(sent[0], window.shown[0][:, ::-1])


def test_a_virtual_camera_that_cannot_be_had_names_the_way_out(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(InputError, match="pip install pyvirtualcam, or leave the option out"):
        VirtualCamera(SIZE, 30)

    def missing(*form):
        raise RuntimeError("'v4l2loopback' backend:\nno device found")

    monkeypatch.setitem(sys.modules, "pyvirtualcam", SimpleNamespace(Camera=missing))
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(InputError, match=r"\('v4l2loopback' backend: no device found\); install"):
        VirtualCamera(SIZE, 30)


@pytest.mark.parametrize(
    ("visible", "pressed", "key"),
    [(1, -1, ""), (1, ord("N"), "n"), (1, 27, "q"), (0, -1, "q")],
)
def test_keys_and_a_closed_window(monkeypatch, visible, pressed, key):
    shown = []
    monkeypatch.setattr(cv2, "namedWindow", lambda title, flags: None)
    monkeypatch.setattr(cv2, "imshow", lambda title, picture: shown.append(picture))
    monkeypatch.setattr(cv2, "waitKey", lambda wait: pressed)
    monkeypatch.setattr(cv2, "getWindowProperty", lambda title, what: visible)
    monkeypatch.setattr(cv2, "destroyAllWindows", lambda: shown.append("gone"))
    red = np.full((90, 160, 3), (200, 0, 0), np.uint8)
    with Window("me") as window:
        window.show(red)
        assert window.show(red, ["text"]) == key
    assert shown[0][0, 0].tolist() == [0, 0, 200] and shown[-1] == "gone"


def test_an_opencv_without_windows_is_told_apart(monkeypatch):
    def missing(title, flags):
        raise cv2.error("not implemented")

    monkeypatch.setattr(cv2, "namedWindow", missing)
    with pytest.raises(InputError, match="pass --no-window"), Window("me") as window:
        window.show(np.zeros((4, 4, 3), np.uint8))


def test_text_is_seen_on_any_picture():
    for level in (0, 128, 255):
        picture = write_on(np.full((720, 1280, 3), level, np.uint8), ["12 frames/s", "q quit"])
        assert np.ptp(picture) >= 127
