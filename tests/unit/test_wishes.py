"""What users of matting tools ask for most, each as one of them would try it."""

from __future__ import annotations

import io
import logging
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from matting_keras import Matter, cli, composite
from matting_keras.errors import InputError
from matting_keras.inference import studio
from matting_keras.inference.finish import Finish, Finished
from matting_keras.inference.options import finder, network, parser
from matting_keras.inference.parts import largest
from matting_keras.media.images import read_alpha, read_photo
from matting_keras.media.kinds import kind_of
from matting_keras.media.video import VideoReader
from tests.films import facts, make_film

STATM = Path("/proc/self/statm")


@pytest.fixture
def demo(tmp_path, tiny_onnx, monkeypatch):
    """Runs the demo in this process, in an empty folder; gives its status."""
    monkeypatch.chdir(tmp_path)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    return lambda *words: studio.main(["--weights", str(tiny_onnx), *map(str, words)])


@pytest.fixture
def stdin(monkeypatch):
    """Puts bytes on standard input; gives the file, to see how far it was read."""

    def put(data: bytes) -> io.BytesIO:
        file = io.BytesIO(data)
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=file))
        return file

    return put


@pytest.mark.parametrize("command", ["demo", "matte"])
def test_the_old_backgrounds_colours_stay_only_where_asked(
    command, demo, tiny_onnx, samples, tmp_path
):
    photo = samples / "astronaut.png"
    alpha, found = Matter(tiny_onnx)(photo), {}
    for method in ("fast", "best", "off"):
        folder = tmp_path / method
        words = [str(photo), "--output", str(folder), "--foreground", method]
        if command == "demo":
            assert demo(*words) == 0
        else:
            assert cli.main(["matte", "--weights", str(tiny_onnx), *words]) == 0
        found[method] = np.asarray(Image.open(next(folder.iterdir())))
        np.testing.assert_array_equal(
            found[method], composite(photo, alpha, "transparent", method), err_msg=method
        )
    assert not np.array_equal(found["fast"], found["best"])


def blocks(height: int = 64, width: int = 96) -> np.ndarray:
    """A large white person, a small one beside it, black around."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:, 8:48] = picture[40:, 72:88] = 255
    return picture


def test_a_photo_goes_through_a_pipe(demo, stdin, gradient, capsysbinary):
    file = io.BytesIO()
    Image.fromarray(gradient).save(file, "PNG")
    stdin(file.getvalue())
    assert demo("-", "--output", "-") == 0
    done = capsysbinary.readouterr()
    assert done.err == b"" and list(Path().iterdir()) == []
    found = read_photo(io.BytesIO(done.out))
    assert np.abs(found.alpha - gradient.mean(-1) / 255).mean() < 0.02
    stdin(file.getvalue())
    assert demo("-", "--background", "teal", "--output", "out.jpg") == 0
    assert read_photo("out.jpg").rgb.shape == gradient.shape


def test_frames_of_no_known_size_are_not_read_to_their_end(demo, stdin, capsys):
    file = stdin(bytes(10_000))
    assert demo("-") == 1
    assert "such as --raw 1280x720@30" in capsys.readouterr().err
    assert file.tell() == 16


def test_a_damaged_photo_in_a_pipe_is_named(demo, stdin, capsys):
    stdin(b"\x89PNG" + bytes(40))
    assert demo("-") == 1
    assert capsys.readouterr().err.startswith("error: standard input: ")


def test_the_videos_of_a_folder_are_done_too(demo, tmp_path, gradient, capsys):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    Image.fromarray(gradient).save(tmp_path / "in" / "a.png")
    make_film(tmp_path / "in" / "deep" / "a.MP4", 3)
    assert demo("in") == 0
    assert capsys.readouterr().out.split() == [
        str(Path("output/a-cutout.png")),
        str(Path("output/deep/a-cutout.mp4")),
    ]


def test_a_matte_instead_of_a_cut_out(demo, tmp_path, gradient, capsys):
    Image.fromarray(gradient).save(tmp_path / "a.png")
    make_film(tmp_path / "b.mp4", 5, sound="aac")
    assert demo("a.png", "b.mp4", "--alpha-only") == 0
    photo, film = (Path(name) for name in capsys.readouterr().out.split())
    assert (photo.name, film.name) == ("a-alpha.png", "b-alpha.mp4")
    with Image.open(photo) as matte:
        assert matte.mode == "L"
    assert np.abs(read_alpha(photo) - gradient.mean(-1) / 255).mean() < 0.02
    assert facts(film).codecs == ["h264", "aac"] and facts(film).times == facts("b.mp4").times
    with VideoReader("b.mp4") as before, VideoReader(film) as after:
        for frame, gray in zip(before, after, strict=True):
            assert np.ptp(gray.astype(int), axis=-1).max() <= 3
            assert np.abs(gray.mean() - frame.mean()) < 6


def test_a_matte_has_no_background(demo, tmp_path, gradient, capsys):
    Image.fromarray(gradient).save(tmp_path / "a.png")
    assert demo("a.png", "--alpha-only", "--background", "teal") == 1
    assert "--alpha-only has no background" in capsys.readouterr().err


def test_a_window_shows_no_matte_by_option(demo, monkeypatch, capsys):
    class FakeCamera:
        def __init__(self, index):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

    monkeypatch.setattr(studio, "Camera", FakeCamera)
    monkeypatch.setenv("DISPLAY", ":0")
    assert demo("0", "--alpha-only") == 1
    assert "add --no-window, or press a" in capsys.readouterr().err


def test_an_option_that_would_do_nothing_is_refused(demo, tmp_path, capsys):
    make_film(tmp_path / "a.mp4", 2)
    assert demo("a.mp4", "--virtual-camera") == 1
    assert "--virtual-camera is for a camera, not for a.mp4" in capsys.readouterr().err
    assert not Path("output").exists()


@pytest.mark.parametrize("command", ["demo", "matte"])
def test_a_huge_photo_is_refused_with_the_way_out(command, demo, tmp_path, tiny_onnx, capsys):
    Image.fromarray(blocks()).save(tmp_path / "a.png")
    words = ["a.png", "--output", "out", "--max-pixels"]
    if command == "matte":
        weights = ["--weights", str(tiny_onnx)]
        status = [cli.main(["matte", *words, limit, *weights]) for limit in ("6000", "6144")]
    else:
        status = [demo(*words, limit) for limit in (6000, 6144)]
    assert status == [1, 0]
    assert "more than the limit of 6,000" in (error := capsys.readouterr().err)
    assert "--max-pixels" in error


def test_speed_is_bought_with_detail(tiny_onnx):
    words = ["a.png", "--area", "20000"]
    matter = finder(parser().parse_args(words), tiny_onnx)
    assert (matter.area, matter.runtime.name) == (20000, "onnxruntime")
    with pytest.raises(InputError, match="area must be a positive number"):
        finder(parser().parse_args(["--area", "0"]), tiny_onnx)


def test_only_the_largest_person(demo, tmp_path, tiny_onnx):
    Image.fromarray(blocks()).save(tmp_path / "a.png")
    both, one = Matter(tiny_onnx)(blocks()), Matter(tiny_onnx, parts="largest")(blocks())
    assert both[50, 80] > 0.9 and both[50, 24] > 0.9
    assert one[50, 80] == 0
    np.testing.assert_allclose(one[:, :48], both[:, :48], atol=0.01)
    assert demo("a.png", "--largest", "--output", "o.png") == 0
    assert read_alpha("o.png")[50, 80] == 0
    with pytest.raises(InputError, match="no parts 'one'; there are sure, largest, all"):
        Matter(tiny_onnx, parts="one")


def test_gray_of_weights_that_are_gray_already_is_these():
    asked = parser().parse_args(["a.png", "--arch", "dark-light-clean", "--gray"])
    assert network(asked) == "dark-light-clean"


def test_a_finer_look_at_a_film_is_refused_and_a_closer_one_is_not(demo, tmp_path, capsys):
    make_film(tmp_path / "film.mp4")
    assert demo(tmp_path / "film.mp4", "--looks", 2) == 0
    capsys.readouterr()
    assert studio.main(["--arch", "dawn", "film.mp4", "--finer", "3"]) == 1
    assert "--finer 3 is for photos" in capsys.readouterr().err


def test_solving_for_the_edges_of_a_film_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_film(tmp_path / "film.mp4")
    assert studio.main(["--arch", "dawn", "film.mp4", "--refine", "closed-form"]) == 1
    told = capsys.readouterr().err
    assert "film.mp4: --refine closed-form is for photos" in told and "leave it out" in told


def test_a_gray_twin_that_is_not_shipped_is_named():
    asked = parser().parse_args(["a.png", "--arch", "night", "--gray"])
    with pytest.raises(InputError, match="dark, the gray twin of night, is not shipped; leave"):
        network(asked)


def test_loose_hair_stays_with_the_person_it_is_near_to():
    alpha = np.zeros((20, 80), np.float32)
    alpha[:, 4:40], alpha[:, 60:70] = 1, 1
    alpha[5, 43], alpha[5, 57] = 0.3, 0.4
    kept = largest(alpha)
    assert (kept[5, 43], kept[5, 57], kept[5, 65]) == (np.float32(0.3), 0, 0)
    assert largest(kept) is kept  # one part is nothing to choose from
    assert largest(0 * alpha).max() == 0


def test_what_is_no_alpha_comes_to_whoever_complains():
    wrong = SimpleNamespace(name="", device="", metadata={}, run=lambda batch: np.zeros((1, 2)))
    assert Finished(wrong, Finish("sure")).run(np.zeros((1, 32, 32, 3), np.float32)).shape == (1, 2)


def test_a_gpu_that_is_left_aside_is_told(tiny_onnx, monkeypatch, caplog):
    import onnxruntime

    assert Matter(tiny_onnx).runtime.device == "CPU"
    assert Matter(tiny_onnx, parts="largest").runtime.device == "CPU"
    real, used = onnxruntime.InferenceSession, ["CPUExecutionProvider"]

    def session(data, options, providers):
        made = real(data, options, providers=["CPUExecutionProvider"])
        monkeypatch.setattr(made, "get_providers", lambda: used)
        return made

    names = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: names)
    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    with caplog.at_level(logging.WARNING):
        assert Matter(tiny_onnx).runtime.device == "CPU"
    assert "has been built for a GPU but runs on the CPU" in caplog.text
    caplog.clear()
    used.insert(0, "CUDAExecutionProvider")
    assert Matter(tiny_onnx).runtime.device == "GPU" and not caplog.text


@pytest.mark.parametrize("address", ["rtsp://10.0.0.1/live", "udp://@:1234"])
def test_an_address_names_the_pipe(address):
    with pytest.raises(InputError, match=r"addresses are not opened.*ffmpeg -i ADDRESS"):
        kind_of(Path(address))


@pytest.mark.skipif(not STATM.is_file(), reason="the system does not tell a process its memory")
def test_memory_does_not_grow_with_the_number_of_photos(tiny_onnx):
    """Every photo has a size of its own: an engine or a cache that kept something would show."""
    matter, random = Matter(tiny_onnx), np.random.default_rng(0)
    held = []
    for _ in range(100):
        height, width = random.integers(100, 400, 2)
        photo = random.integers(0, 256, (height, width, 3), np.uint8)
        composite(photo, matter(photo), "teal")
        held.append(int(STATM.read_text().split()[1]) * 4096 / 2**20)
    assert max(held[50:]) - max(held[:50]) < 20
