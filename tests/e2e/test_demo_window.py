"""The demo's window, as it stands on a screen that only memory has."""

from __future__ import annotations

import os
import shutil
import sys
import time
from subprocess import DEVNULL, PIPE, Popen

import numpy as np
import pytest
from PIL import ImageGrab

from tests.places import ROOT

TEAL = (0, 128, 128)

FILM_THEN_CAMERA = """
from matting_keras.inference import studio
from matting_keras.media.video.container import pyav
from tests.cameras import FakeCamera

class Camera(FakeCamera):
    size, frames = (240, 320), 100_000

pyav()  # as a program does that has read a film before
studio.Camera = Camera
studio.main(["0", "--background", "teal"])
"""


@pytest.fixture
def screen():
    """The name of a screen of its own."""
    if shutil.which("Xvfb") is None:
        pytest.skip("a window needs a screen, and Xvfb, which makes one up, is not installed")
    reading, writing = os.pipe()
    words = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "640x480x24", "-nolisten", "tcp"]
    with Popen(words, pass_fds=[writing], stderr=DEVNULL) as server:
        os.close(writing)
        with open(reading) as answer:
            number = answer.readline().strip()
        try:
            yield f":{number}"
        finally:
            server.terminate()


def teal_on(screen: str) -> bool:
    """Whether a good part of the screen has the background's colour."""
    return (np.asarray(ImageGrab.grab(xdisplay=screen)) == TEAL).all(-1).mean() > 0.05


def test_a_window_opens_though_a_film_was_read_before(screen):
    # Both OpenCV and PyAV bring a library for windows, and the order of their loading decides
    # whether the window appears or the process hangs, deaf to every signal but SIGKILL.
    surroundings = {**os.environ, "DISPLAY": screen, "QT_QPA_PLATFORM": "xcb"}
    program = [sys.executable, "-c", FILM_THEN_CAMERA]
    with Popen(program, cwd=ROOT, env=surroundings, stderr=PIPE) as demo:
        try:
            until = time.monotonic() + 60
            while not (seen := teal_on(screen)) and time.monotonic() < until:
                if demo.poll() is not None:
                    break
                time.sleep(0.2)
        finally:
            demo.kill()
        assert seen, demo.stderr.read().decode()
