"""Videos in and out: nothing of their time, sound, colour and position gets lost on the way."""

from __future__ import annotations

import io
import os
from fractions import Fraction

import av
import numpy as np
import pytest

from matting_keras.errors import InputError
from matting_keras.inference.film import losses
from matting_keras.media.images import read_photo
from matting_keras.media.video import (
    Frame,
    RawReader,
    RawWriter,
    SequenceWriter,
    VideoReader,
    VideoWriter,
    parse_raw,
)
from matting_keras.media.video.container import rate_of
from tests.films import copy, facts, make_film, picture

UNEVEN = [0, 40, 80, 500, 520, 900]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_frames_times_and_sound_survive(tmp_path, suffix):
    source = make_film(tmp_path / "in.mp4", times=UNEVEN)
    copy(source, tmp_path / f"out{suffix}")
    before, after = facts(source), facts(tmp_path / f"out{suffix}")
    # Matroska counts milliseconds, and begins with what the sound's coder needs to start.
    tolerance = 1e-6 if suffix in (".mp4", ".mov") else 2e-3
    shifted = np.array(after.times) - after.times[0]
    np.testing.assert_allclose(shifted, np.array(UNEVEN) / 1000, atol=tolerance)
    assert after.duration == pytest.approx(before.duration, abs=1 / 12)
    assert after.codecs[1] == ("libopus" if suffix == ".webm" else "aac").replace("lib", "")
    assert after.samples == pytest.approx(before.samples, abs=3000)


@pytest.mark.parametrize("codec", ["aac", "libmp3lame", "ac3"])
def test_sound_that_a_container_takes_is_copied_bit_by_bit(tmp_path, codec):
    source = make_film(tmp_path / "in.mp4", sound=codec)
    copy(source, tmp_path / "out.mp4")
    packets = []
    for path in (source, tmp_path / "out.mp4"):
        with av.open(str(path)) as container:
            found = container.demux(container.streams.audio[0])
            packets.append([(p.pts, bytes(p)) for p in found if p.dts is not None])
    assert packets[0] == packets[1] and len(packets[0]) > 30


def test_a_late_start_of_the_pictures_is_kept_beside_the_sound(tmp_path):
    source = make_film(tmp_path / "in.mp4", times=[500, 600, 700, 800])
    copy(source, tmp_path / "out.mp4")
    assert facts(tmp_path / "out.mp4").times == pytest.approx([0.5, 0.6, 0.7, 0.8])


@pytest.mark.parametrize(
    ("turn", "mirror", "red", "green"),
    [
        (0, False, "top left", "top right"),
        (-90, False, "top right", "bottom right"),
        (90, False, "bottom left", "top left"),
        (180, False, "bottom right", "bottom left"),
        (0, True, "top right", "top left"),
    ],
)
def test_turned_videos_come_upright(tmp_path, turn, mirror, red, green):
    source = make_film(tmp_path / "in.mp4", 3, turn=turn, mirror=mirror)
    with VideoReader(source) as video:
        rgb = next(iter(video)).astype(int)
        assert video.size == rgb.shape[:2] == ((64, 48) if turn in (90, -90) else (48, 64))
    rows, columns = rgb.shape[0] // 2, rgb.shape[1] // 2
    quarters = {
        f"{down} {across}": rgb[i * rows :, j * columns :][: rows - 2, : columns - 2].mean((0, 1))
        for i, down in enumerate(("top", "bottom"))
        for j, across in enumerate(("left", "right"))
    }
    assert max(quarters, key=lambda name: quarters[name][0] - quarters[name][1]) == red
    assert max(quarters, key=lambda name: quarters[name][1] - quarters[name][0]) == green
    copy(source, tmp_path / "out.mp4")
    after = facts(tmp_path / "out.mp4")
    assert after.rotation == 0 and after.size == rgb.shape[:2]


def test_pixels_that_are_not_square_are_made_so(tmp_path):
    make_film(tmp_path / "wide.mp4", wide=2)
    with VideoReader(tmp_path / "wide.mp4") as video:
        assert video.size == next(iter(video)).shape[:2] == (48, 128)


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
@pytest.mark.parametrize("size", [(48, 64), (49, 63), (720, 64)])
def test_colours_come_back(tmp_path, suffix, size):
    colours = [(200, 30, 20), (20, 190, 40), (30, 40, 220), (128, 128, 128)]
    with VideoWriter(tmp_path / f"a{suffix}", size, 10) as video:
        for colour in colours:
            video.write(np.full((*size, 3), colour, np.uint8))
    with VideoReader(tmp_path / f"a{suffix}") as video:
        assert video.size == tuple(side + side % 2 for side in size)
        for rgb, colour in zip(video, colours, strict=True):
            assert np.abs(rgb.mean((0, 1)) - colour).max() < 4


@pytest.mark.parametrize(("suffix", "codec"), [(".mov", "prores"), (".webm", "libvpx-vp9")])
def test_transparency_comes_back(tmp_path, suffix, codec):
    rgba = np.full((48, 64, 4), (200, 30, 20, 255), np.uint8)
    rgba[:, 32:] = 20, 40, 220, 90
    with VideoWriter(tmp_path / f"a{suffix}", (48, 64), 10, alpha=True) as video:
        for _ in range(3):
            video.write(rgba)
    decoder = av.CodecContext.create(codec, "r")
    frames = []
    with av.open(str(tmp_path / f"a{suffix}")) as container:
        stream = container.streams.video[0]
        decoder.extradata = stream.codec_context.extradata
        for packet in container.demux(stream):
            frames += decoder.decode(packet)
    assert len(frames) == 3
    back = frames[-1].to_ndarray(format="rgba").astype(int)
    for where, colour in ((np.s_[8:40, 4:24], (200, 30, 20)), (np.s_[8:40, 40:60], (20, 40, 220))):
        assert np.abs(back[where][..., :3].mean((0, 1)) - colour).max() < 6
    assert abs(back[8:40, 4:24, 3] - 255).max() < 4 and abs(back[8:40, 40:60, 3] - 90).max() < 4


def test_a_file_without_transparency_is_refused_before_anything_is_done(tmp_path):
    with pytest.raises(InputError, match=r"an \.mp4 file has no transparency; end its name in"):
        VideoWriter(tmp_path / "a.mp4", (4, 4), 10, alpha=True)
    with pytest.raises(InputError, match=r"videos are written as \.mp4, "):
        VideoWriter(tmp_path / "a.gif", (4, 4), 10)


@pytest.mark.parametrize("codec", ["pcm_s16le", "mp2"])
def test_sound_that_a_container_does_not_take_is_coded_anew(tmp_path, codec):
    suffix = ".avi" if codec == "pcm_s16le" else ".mpg"
    video = "mpeg4" if suffix == ".avi" else "mpeg2video"
    source = make_film(tmp_path / f"in{suffix}", 50, fps=25, sound=codec, codec=video)
    copy(source, tmp_path / "out.mp4")
    after = facts(tmp_path / "out.mp4")
    assert after.codecs == ["h264", "aac"] and len(after.times) == 50
    assert after.samples == pytest.approx(2 * 48000, abs=5000)


def test_times_that_are_all_one_are_told_apart(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", (16, 16), 10, time_base=Fraction(1, 1000)) as video:
        for _ in range(3):
            video.write(np.zeros((16, 16, 3), np.uint8), Fraction(1, 2))
    assert facts(tmp_path / "a.mp4").times == pytest.approx([0.5, 0.501, 0.502])


def test_rates_are_those_of_television():
    assert rate_of(23.976) == Fraction(24000, 1001)
    assert rate_of(30.0) == 30 and rate_of(12.5) == Fraction(25, 2)


def test_a_video_starts_again(tmp_path):
    with VideoReader(make_film(tmp_path / "a.mp4", 5)) as video:
        first = list(video)
        video.rewind()
        np.testing.assert_array_equal(first, list(video))


def test_numbered_pictures_with_their_times(tmp_path):
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut/notes.txt").write_text("mine")
    rgba = np.full((4, 6, 4), 90, np.uint8)
    with SequenceWriter(tmp_path / "cut/f-%03d.png", 25) as pictures:
        for time in (Fraction(0), Fraction(1, 3), None):
            pictures.write(rgba, time)
    assert sorted(os.listdir(tmp_path / "cut")) == [
        "f-001.png", "f-002.png", "f-003.png", "notes.txt", "times.txt",
    ]  # fmt: skip
    assert read_photo(tmp_path / "cut/f-002.png").alpha is not None
    assert (tmp_path / "cut/times.txt").read_text().splitlines() == [
        "# timestamp format v2", "0", "333.333333", "80",
    ]  # fmt: skip
    with pytest.raises(InputError, match="holds such pictures already"):
        SequenceWriter(tmp_path / "cut/f-%05d.png", 25)


def test_a_sequence_that_fails_leaves_no_picture(tmp_path):
    with pytest.raises(ZeroDivisionError), SequenceWriter(tmp_path / "cut/%d.png", 25) as pictures:
        pictures.write(np.zeros((4, 4, 3), np.uint8))
        raise ZeroDivisionError
    with pytest.raises(InputError, match="no frame"), SequenceWriter(tmp_path / "cut/%d.png", 25):
        pass
    assert os.listdir(tmp_path / "cut") == []


def test_raw_frames_in_and_out():
    frames = np.random.default_rng(0).integers(0, 256, (3, 4, 6, 3)).astype(np.uint8)
    file = io.BytesIO()
    with RawReader(io.BytesIO(frames.tobytes()), (4, 6), 30) as reader, RawWriter(file) as writer:
        events = list(reader.events())
        for event in events:
            writer.write(*event)
    assert file.getvalue() == frames.tobytes()
    assert [event.time for event in events] == [0, Fraction(1, 30), Fraction(2, 30)]


def test_whole_frames_before_one_that_is_not_are_kept():
    reader = RawReader(io.BytesIO(bytes(100)), (4, 6))
    assert len(list(reader.events())) == 1
    assert losses(reader, "a.mp4").startswith("standard input: ends 28 bytes into a frame of 72")


@pytest.mark.parametrize(
    ("data", "message"), [(b"", "there is no frame in it"), (bytes(28), "ends 28 bytes into a")]
)
def test_raw_frames_that_are_not_whole(data, message):
    with pytest.raises(InputError, match=message):
        list(RawReader(io.BytesIO(data), (4, 6)).events())


@pytest.mark.parametrize("text", ["", "1280", "0x720", "1280x720@0", "99999x99999", "ax3", "4x4@"])
def test_a_size_that_is_none(text):
    with pytest.raises(InputError, match="expected WIDTHxHEIGHT"):
        parse_raw(text)


def trimmed(path):
    """A film of which players are told to leave out the first second."""
    make_film(path.with_name("whole.mp4"), 36)
    with av.open(str(path.with_name("whole.mp4"))) as whole, av.open(str(path), "w") as container:
        streams = {s: container.add_stream_from_template(s) for s in whole.streams}
        for packet in whole.demux():
            if packet.dts is None:
                continue
            # What comes before 0 is written all the same, and hidden by the list of edits.
            packet.pts -= round(1 / packet.time_base)
            packet.dts -= round(1 / packet.time_base)
            packet.stream = streams[packet.stream]
            container.mux(packet)
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_what_was_trimmed_away_stays_away(tmp_path, suffix):
    source = trimmed(tmp_path / "in.mp4")
    with VideoReader(source) as video:
        events = list(video.events())
        frames = [event for event in events if isinstance(event, Frame)]
        packets = [event for event in events if not isinstance(event, Frame)]
        sound = [float(event.dts * event.time_base) for event in packets]
        assert len(frames) == 24 and video.count == 36  # as the file says, hidden ones and all
        assert frames[0].time == 0 and sound[0] > -0.06 and len(sound) > 80
        assert losses(video, tmp_path / "out.mp4") == ""
    copy(source, tmp_path / f"out{suffix}")
    after = facts(tmp_path / f"out{suffix}")
    assert after.times[0] < 0.06 and after.duration == pytest.approx(2, abs=0.1)
    assert after.samples == pytest.approx(2 * 48000, abs=4000)


def test_an_uneven_rate_is_no_loss(tmp_path):
    source = make_film(tmp_path / "a.mkv", fps=30, times=[0, 33, 67, 100, 1000, 2000, 3000])
    with VideoReader(source) as video:
        assert len(list(video)) < video.count / 2
        assert losses(video, tmp_path / "out.mp4") == ""


@pytest.mark.parametrize("suffix", [".mov", ".webm"])
@pytest.mark.parametrize("size", [(1, 1), (49, 63), (48, 63)])
def test_odd_sizes_with_transparency(tmp_path, suffix, size):
    with VideoWriter(tmp_path / f"a{suffix}", size, 10, alpha=True) as video:
        video.write(np.full((*size, 4), 90, np.uint8))
    assert facts(tmp_path / f"a{suffix}").size == tuple(side + side % 2 for side in size)


def test_a_full_disk_behind_standard_output():
    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(28, "No space left on device")

    with (
        pytest.raises(InputError, match="standard output: cannot be written"),
        RawWriter(Full()) as writer,
    ):
        writer.write(np.zeros((4, 4, 3), np.uint8))


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_an_avi_file_that_stores_frames_in_another_order(tmp_path, codec):
    with av.open(str(tmp_path / "a.avi"), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"bf": "2"})
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for number in range(30):
            level = np.full((48, 64, 3), 8 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(level)))
        container.mux(stream.encode(None))
    with VideoReader(tmp_path / "a.avi") as video:
        frames = list(video.events())
    assert [frame.time for frame in frames] == [Fraction(n, 25) for n in range(30)]
    levels = [frame.rgb.mean() for frame in frames]
    assert levels == sorted(levels)


@pytest.mark.parametrize("suffix", [".mov", ".mkv", ".mp4"])
def test_a_gap_in_plain_sound_delays_nothing(tmp_path, suffix):
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        video = container.add_stream("libx264", rate=10)
        video.height, video.width, video.pix_fmt = 48, 64, "yuv420p"
        tone = container.add_stream("pcm_s16le", rate=48000, layout="mono")
        for number in range(40):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture(number))))
            if not 10 <= number < 35:
                sound = av.AudioFrame.from_ndarray(
                    np.full((1, 4800), 9000, np.int16), "s16", "mono"
                )
                sound.sample_rate, sound.pts = 48000, 4800 * number
                container.mux(tone.encode(sound))
        container.mux(video.encode(None))
    copy(tmp_path / "a.mkv", tmp_path / f"b{suffix}")
    with av.open(str(tmp_path / f"b{suffix}")) as container:
        frames = list(container.decode(audio=0))
    loud = [frame.time for frame in frames if np.abs(frame.to_ndarray()).mean() > 0.1]
    assert max(loud) > 3.8 and not [time for time in loud if 1.1 < time < 3.4]
