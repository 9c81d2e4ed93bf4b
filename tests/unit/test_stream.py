"""Stages in threads: order, errors, an end at any moment, and no more in memory than allowed."""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import pytest

from matting_keras import Matter, composite
from matting_keras.errors import InputError
from matting_keras.inference.backdrop import Backdrop
from matting_keras.inference.frames import mattes
from matting_keras.inference.runtimes import for_frames
from matting_keras.inference.stream import AHEAD, composites, interruptible, relay
from matting_keras.inference.temporal import steady
from matting_keras.media.video import Frame, VideoWriter
from tests.films import make_film, picture


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def slowly(items):
    for item in items:
        time.sleep(0.001)
        yield item


def test_everything_arrives_once_and_in_order():
    with relay(range(200), slowly, slowly, stop=threading.Event()) as items:
        assert list(items) == list(range(200))
        assert list(items) == []


def test_no_stage_runs_far_ahead():
    taken = []

    def source():
        for number in range(100):
            taken.append(number)
            yield number

    with relay(source(), slowly, stop=threading.Event()) as items:
        assert next(items) == 0
        time.sleep(0.3)
        # One more in each thread's hand, and one that is handed out already.
        assert len(taken) <= 2 * (AHEAD + 1) + 1


@pytest.mark.parametrize("where", [0, 1, 2])
def test_an_error_in_any_thread_comes_out_where_its_items_are_taken(where):
    def broken(items):
        for item in items:
            if item == 5:
                raise InputError("clip.mp4: broken")
            yield item

    steps = [slowly, slowly, slowly]
    steps[where] = broken
    arrived = []
    with (
        pytest.raises(InputError, match=r"clip\.mp4: broken"),
        relay(range(100), *steps, stop=threading.Event()) as items,
    ):
        arrived.extend(items)
    assert len(arrived) <= 5


def test_whoever_leaves_early_stops_all():
    with relay(iter(int, 1), slowly, stop=threading.Event()) as items:
        next(items)


def test_an_error_of_the_last_stage_stops_all():
    with (
        pytest.raises(ZeroDivisionError),
        relay(iter(int, 1), slowly, stop=threading.Event()) as items,
    ):
        for item in items:
            1 / item


def test_a_stop_from_outside_ends_it_even_where_nothing_comes():
    stop, never = threading.Event(), threading.Event()

    def waiting():
        yield 1
        never.wait(20)

    began = time.monotonic()
    threading.Timer(0.2, stop.set).start()
    with relay(waiting(), slowly, stop=stop) as items:
        assert list(items) == [1]
        never.set()
    assert time.monotonic() - began < 5


def test_ctrl_c_is_noted_and_the_second_one_interrupts():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), interruptible() as stop:
        assert not stop.is_set()
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.wait(5)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
    assert signal.getsignal(signal.SIGINT) is before


def test_outside_of_the_main_thread_ctrl_c_is_left_alone():
    found = []

    def work():
        with interruptible() as stop:
            found.append(stop.is_set())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False]


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("temporal", ["off", "ofd"])
def test_frames_are_cut_out_as_photos_are_and_sound_passes(tiny_onnx, temporal, ahead):
    matter, random = Matter(tiny_onnx), np.random.default_rng(0)
    frames = [
        Frame(random.integers(0, 256, (30, 40, 3)).astype(np.uint8), number, 1)
        for number in range(4)
    ]
    events = [frames[0], "sound", *frames[1:], "sound"]
    matted = mattes(events, matter, steady(temporal), ahead=ahead)
    found = list(composites(matted, Backdrop("teal")))
    assert found.count("sound") == 2
    done = [one for one in found if isinstance(one, Frame)]
    assert [one.time for one in done] == [0, 1, 2, 3]
    # Frames are shrunk for the network more quickly than photos, and a little less exactly.
    photo = composite(frames[0].rgb, matter(frames[0].rgb), "teal")
    assert np.abs(done[0].rgb.astype(int) - photo).mean() < 3


@pytest.mark.parametrize("cores", [1, 2, 16])
def test_several_frames_at_once_where_the_engine_gains_by_it(tiny_onnx, monkeypatch, cores):
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    batch = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)).astype(np.float32)
    engine = Matter(tiny_onnx).engine
    several, calls = for_frames(engine, ahead=True)
    assert calls == min(cores, 4)
    np.testing.assert_array_equal(several.run(batch), engine.run(batch))
    # A camera's next frame is not there yet.
    assert for_frames(engine, ahead=False)[1] == 1
    # Who counts threads has decided already, and so have other engines.
    counted = Matter(tiny_onnx, threads=1).engine
    assert for_frames(counted, ahead=True) == (counted, 1)


def test_a_network_that_gives_nan_is_stopped_in_a_video(tiny_onnx):
    matter = Matter(tiny_onnx)
    matter.runtime.run = lambda batch: np.full((*batch.shape[:3], 1), np.nan, np.float32)
    frames = [Frame(picture(n), n, 1) for n in range(4)]
    with pytest.raises(InputError, match="the network gave NaN"):
        list(mattes(frames, matter, steady("smooth")))


def test_a_video_behind_runs_at_its_own_pace_and_starts_again(tmp_path):
    with VideoWriter(tmp_path / "b.mp4", (16, 16), 10) as video:
        for level in (10, 110, 210):
            video.write(np.full((16, 16, 3), level, np.uint8))
    backdrop = Backdrop(str(tmp_path / "b.mp4"), (16, 16))
    times = [0, 0.05, 0.1, 0.15, 0.2, 0.31, 0.4, 0.9]
    levels = [round(float(backdrop.at(time).mean()), -2) for time in times]
    assert levels == [0, 0, 100, 100, 200, 0, 100, 0]
    # Minutes without a question are no minutes of the film to hurry through.
    began = time.monotonic()
    backdrop.at(36000)
    assert time.monotonic() - began < 1


def test_a_background_of_uneven_times_lasts_until_the_next_frame(tmp_path):
    make_film(tmp_path / "b.mp4", times=[0, 100, 800], sound=None)
    backdrop = Backdrop(str(tmp_path / "b.mp4"))
    second = backdrop.at(0.1)
    assert backdrop.at(0.7) is second and backdrop.at(0.8) is not second


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs Linux' list of open files")
def test_a_background_that_is_closed_lets_its_file_go(tmp_path):
    path = make_film(tmp_path / "b.mp4", sound=None)

    def is_open() -> bool:
        links = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
        return str(path) in [os.readlink(link) for link in links if os.path.islink(link)]

    with Backdrop(str(path)) as backdrop:
        backdrop.at(1.5)  # past its end: opened again
        assert is_open()
    assert not is_open()
