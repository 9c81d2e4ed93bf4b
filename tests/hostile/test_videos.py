"""Videos that are damaged, misleading or not there."""

from __future__ import annotations

import os
from contextlib import nullcontext
from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest

from matting_keras.errors import InputError
from matting_keras.inference.film import losses
from matting_keras.media.images import read_photo
from matting_keras.media.kinds import kind_of
from matting_keras.media.video import VideoReader, VideoWriter
from matting_keras.media.video.clock import Clock
from tests.films import RATE, copy, facts, make_film, picture


def _silence(container, stream) -> None:
    frame = av.AudioFrame.from_ndarray(np.zeros((1, RATE), np.int16), "s16", "mono")
    frame.sample_rate = RATE
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def test_sound_alone_is_no_video(tmp_path):
    with av.open(str(tmp_path / "song.mp4"), "w") as container:
        _silence(container, container.add_stream("aac", rate=RATE))
    with pytest.raises(InputError, match=r"song\.mp4: holds no moving pictures"):
        VideoReader(tmp_path / "song.mp4")


def test_a_film_without_a_single_frame(tmp_path):
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        container.add_stream("mpeg4", rate=10)
        _silence(container, container.add_stream("aac", rate=RATE))
    with pytest.raises(InputError, match="holds no frame that can be decoded"):
        VideoReader(tmp_path / "a.mkv")


def test_a_recording_that_breaks_off_gives_what_is_there(tmp_path):
    path = make_film(tmp_path / "a.mkv", 60, sound=None)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with VideoReader(path) as video:
        assert 5 < len(list(video)) < 60 and video.count == 60


def test_a_damaged_middle_is_passed_over(tmp_path):
    noise = np.random.default_rng(0)
    with VideoWriter(tmp_path / "a.mp4", (64, 64), 10) as video:
        for _ in range(30):
            video.write(noise.integers(0, 256, (64, 64, 3)).astype(np.uint8))
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    for at in range(len(data) // 4, len(data) // 2, 97):
        data[at] ^= 0xFF
    (tmp_path / "a.mp4").write_bytes(data)
    with VideoReader(tmp_path / "a.mp4") as video:
        assert len(list(video)) >= 15 and video.damaged > 0


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile://{path}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{path}'\n",
    ],
)
def test_a_playlist_in_disguise_reaches_no_other_file(tmp_path, text):
    secret = make_film(tmp_path / "secret.mp4", 3)
    (tmp_path / "a.mp4").write_text(text.format(path=secret))
    with pytest.raises(InputError, match="is not a video that can be read here"):
        VideoReader(tmp_path / "a.mp4")


def test_a_name_with_a_colon_is_no_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_film(tmp_path / "plain.mp4", 3).rename(tmp_path / "concat:a.mp4")
    with VideoReader("concat:a.mp4") as video:
        assert len(list(video)) == 3


def test_frames_that_are_too_large_are_refused_before_they_are_decoded(tmp_path, monkeypatch):
    path = make_film(tmp_path / "a.mp4", 3)
    monkeypatch.setattr("matting_keras.media.video.reader.MAX_PIXELS", 1000)
    with pytest.raises(InputError, match="has frames of 64x48, more than"):
        VideoReader(path)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_names_the_file(tmp_path, monkeypatch):
    (tmp_path / "full.mp4").symlink_to("/dev/full")
    monkeypatch.setattr(
        "matting_keras.media.video.writer.atomic_path",
        lambda path: nullcontext(tmp_path / "full.mp4"),
    )
    with (
        pytest.raises(InputError, match=r"a\.mp4: cannot be written \(No space left"),
        VideoWriter(tmp_path / "a.mp4", (480, 640), 10) as video,
    ):
        for number in range(40):
            video.write(np.random.default_rng(number).integers(0, 256, (480, 640, 3), np.uint8))


def test_a_frame_of_another_size_is_refused_and_nothing_is_left(tmp_path):
    with (
        pytest.raises(InputError, match=r"a\.mp4: expected a uint8 frame of shape \(48, 64, 3\)"),
        VideoWriter(tmp_path / "a.mp4", (48, 64), 10) as video,
    ):
        video.write(picture(0))
        video.write(picture(0, (48, 66)))
    assert os.listdir(tmp_path) == []


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match=r"cannot be written \(.*choose another place"),
        VideoWriter(tmp_path / "file/a.mp4", (48, 64), 10),
    ):
        pass


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".mkv"])
def test_times_that_begin_again_go_on(tmp_path, suffix):
    half = make_film(tmp_path / "a.mpg", 25, fps=25, sound="mp2", codec="mpeg2video")
    both = tmp_path / "both.mpg"
    both.write_bytes(2 * half.read_bytes())
    copy(both, tmp_path / f"out{suffix}")
    after = facts(tmp_path / f"out{suffix}")
    steps = np.diff(after.times)
    assert len(after.times) == 50 and steps.min() > 0.03 and steps.max() < 0.12
    assert after.duration == pytest.approx(2, abs=0.2)
    assert after.samples == pytest.approx(2 * RATE, abs=6000)


def packet(stream: int, time: int, duration: int = 40) -> SimpleNamespace:
    """As of PyAV's, in milliseconds."""
    return SimpleNamespace(
        stream_index=stream, pts=time, dts=time, duration=duration, time_base=Fraction(1, 1000)
    )


@pytest.mark.parametrize(
    ("leaps", "given", "wanted"),
    [
        (False, [(0, 500), (1, 500), (0, 540), (1, 540)], [0, 0, 40, 40]),
        # Only kinds of files that break off leap; in others a picture may stand for minutes.
        (False, [(0, 500), (0, 90500)], [0, 90000]),
        (True, [(0, 500), (0, 90500), (0, 90540)], [0, 40, 80]),
        # One stream begins again first; what the other one still had in hand keeps its place.
        (False, [(0, 9500), (1, 9500), (0, 500), (1, 9540), (1, 500)], [9000] * 2 + [9040] * 3),
        (False, [(0, 900), (0, 860), (0, 940)], [400, 360, 440]),
    ],
)  # fmt: skip
def test_one_time_for_all_streams(leaps, given, wanted):
    clock, found = Clock(Fraction(1, 2), leaps), []
    for stream, time in given:
        one = packet(stream, time)
        clock.set(one)
        assert one.pts == one.dts
        found.append(one.dts)
    assert found == wanted
    assert clock.end == Fraction(max(wanted) + 40, 1000)


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".mov", ".mkv"])
@pytest.mark.parametrize("codec", ["ac3", "mp2"])
def test_sound_that_is_all_damaged_costs_no_picture(tmp_path, codec, suffix):
    noise = np.random.default_rng(0)
    with av.open(str(tmp_path / "a.mpg"), "w") as container:
        video = container.add_stream("mpeg2video", rate=25)
        video.height, video.width, video.pix_fmt = 48, 64, "yuv420p"
        sound = container.add_stream(codec, rate=RATE)
        for number in range(25):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture(number))))
            garbage = av.Packet(noise.bytes(400))
            garbage.stream, garbage.time_base = sound, Fraction(1, RATE)
            garbage.pts = garbage.dts = 1536 * number
            container.mux(garbage)
        container.mux(video.encode(None))
    copy(tmp_path / "a.mpg", tmp_path / f"out{suffix}")
    assert len(facts(tmp_path / f"out{suffix}").times) == 25
    with VideoReader(tmp_path / "a.mpg") as video:
        list(video)
        assert "is damaged in " in losses(video, tmp_path / "out.mp4")


def test_frames_that_grow_too_large_when_made_square_are_refused(tmp_path, monkeypatch):
    make_film(tmp_path / "wide.mp4", wide=8)
    monkeypatch.setattr("matting_keras.media.video.reader.MAX_PIXELS", 20_000)
    with pytest.raises(InputError, match="has frames of 512x48, more than"):
        VideoReader(tmp_path / "wide.mp4")


def test_a_size_that_no_coder_takes_is_said_before_anything_is_done(tmp_path):
    with (
        pytest.raises(InputError, match=r"20000x16 cannot be coded as libx264 .*make the video"),
        VideoWriter(tmp_path / "a.mp4", (16, 20000), 10),
    ):
        pass
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("brand", [b"heic", b"mif1", b"avif"])
def test_a_picture_of_a_phone_is_no_video(tmp_path, brand):
    (tmp_path / "me.heic").write_bytes(b"\0\0\0\x1cftyp" + brand + bytes(99))
    assert kind_of(tmp_path / "me.heic") == "image"
    with pytest.raises(InputError, match="HEIC or AVIF picture, which is not read here"):
        read_photo(tmp_path / "me.heic")
