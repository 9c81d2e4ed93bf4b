"""The web page without a browser: files in and out, its start, and what each control does."""

from __future__ import annotations

import argparse
import io
import socket
import sys

import numpy as np
import pytest
from PIL import Image, ImageFile

from matting_keras.app import command, look, picture
from matting_keras.errors import InputError
from matting_keras.media.images import read_photo
from tests.places import ROOT

PAGE = ROOT / "matting_keras" / "app" / "page.py"


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    """A picture as the bytes of a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.fixture
def page(monkeypatch, tiny_onnx):
    """The page in a simulated browser, run once; its network's alpha is the brightness."""
    pytest.importorskip("streamlit", reason="the web page needs the extra 'app'")
    from streamlit.testing.v1 import AppTest

    monkeypatch.setattr(look, "DRAWING", 0)
    monkeypatch.setattr(sys, "argv", ["page.py", str(tiny_onnx)])
    app = AppTest.from_file(str(PAGE), default_timeout=120).run()
    assert not app.exception
    return app


def give(app, data: bytes, name: str = "me.png"):
    """Upload a file to the page's first uploader."""
    return app.file_uploader(key="picture").set_value((name, data, "image/png")).run()


def labels(app) -> list[str]:
    return [button.label for button in app.get("download_button")]


def control(app, key: str):
    (found,) = [group for group in app.get("button_group") if group.key == key]
    return found


def test_an_upload_stands_upright():
    turned = Image.Exif()
    turned[0x0112] = 6
    data = encoded(Image.new("RGB", (40, 20)), "JPEG", exif=turned)
    assert picture.read_upload(data, "me.jpg").rgb.shape == (40, 20, 3)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"Dear Ada", "holds text"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "HEIC"),
        (b"\xff" * (picture.MAX_MEGABYTES * 2**20 + 1), "more than the limit of 20"),
        (encoded(Image.new("1", (6400, 6400))), "more than the limit of 40,000,000"),
    ],
    ids=["empty", "text", "heic", "megabytes", "pixels"],
)
def test_a_wrong_upload_says_what_is_wrong(data, says):
    with pytest.raises(InputError, match=rf"^me\.jpg: .*{says}"):
        picture.read_upload(data, "me.jpg")


def test_too_many_pixels_are_not_decoded(monkeypatch):
    data = encoded(Image.new("1", (6400, 6400)))
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("decoded"))
    with pytest.raises(InputError, match="40,960,000 pixels"):
        picture.read_upload(data, "wide.png")


def test_what_is_shown_is_small_and_the_file_is_not(gradient):
    photo = read_photo(Image.fromarray(gradient).resize((3000, 2000)))
    alpha = np.linspace(0, 1, 3000, dtype=np.float32) * np.ones((2000, 1), np.float32)
    shown = picture.shrink(photo, alpha)
    assert shown.rgb.shape == (933, 1400, 3)
    assert shown.alpha.shape == (933, 1400)
    assert np.abs(shown.alpha[:, 700] - 0.5).max() < 0.01
    file = picture.render(photo, alpha, "transparent", "fast", ".png")
    cutout = Image.open(io.BytesIO(file))
    assert (cutout.size, cutout.mode, cutout.format) == ((3000, 2000), "RGBA", "PNG")
    assert np.abs(np.asarray(cutout)[0, :, 3] / 255 - alpha[0]).max() < 0.01


def test_a_file_holds_nothing_but_the_picture(gradient):
    """Where and with what a photo was taken does not travel along."""
    where = Image.Exif()
    where[0x0110] = "a camera"
    photo = picture.read_upload(
        encoded(Image.fromarray(gradient), "JPEG", exif=where, comment=b"at home"), "me.jpg"
    )
    for suffix in (".jpg", ".png"):
        file = picture.render(photo, np.ones((40, 60), np.float32), "teal", "off", suffix)
        assert b"camera" not in file and b"home" not in file
        assert not Image.open(io.BytesIO(file)).getexif()


def test_samples_are_those_of_the_checkout(monkeypatch, tmp_path, samples):
    assert [path.parent for path in picture.samples()] == [samples, samples]
    # Installed from a wheel, another package's folder may lie where a checkout has samples/.
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "other.png").touch()
    monkeypatch.setattr(picture, "__file__", str(tmp_path / "matting_keras" / "app" / "x.py"))
    assert picture.samples() == []


def started(**flags) -> None:
    command.run(argparse.Namespace(**{"port": 8501, "weights": None, "no_browser": True} | flags))


def test_without_streamlit_the_way_out_is_said(monkeypatch):
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"pip install 'matting-keras\[app\]'.*'\.\[app\]'"):
        started()


@pytest.fixture
def ready(monkeypatch):
    """As if Streamlit were there; nothing is served."""
    served = []
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda _: object())
    monkeypatch.setattr(command, "_announce", lambda *_: None)
    monkeypatch.setattr(command, "_serve", lambda *arguments: served.append(arguments))
    return served


def test_a_port_that_is_taken_is_an_error(ready):
    with socket.create_server((command.ADDRESS, 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(InputError, match=rf"--port {port}: cannot be used .*--port {port + 1}"):
            started(port=port)
    for port in (0, -1, 65536):
        with pytest.raises(InputError, match=r"expected a number in 1\.\.65535"):
            started(port=port)
    assert not ready


def test_wrong_weights_are_an_error_before_the_start(ready, tmp_path):
    (tmp_path / "text.onnx").write_text("Dear Ada")
    for weights in (tmp_path / "text.onnx", tmp_path / "none.onnx", "no-such-preset"):
        with pytest.raises(InputError):
            started(weights=str(weights))
    assert not ready


def test_a_start_is_private(ready, tiny_onnx, monkeypatch):
    monkeypatch.chdir(tiny_onnx.parent)
    with socket.create_server((command.ADDRESS, 0)) as free:
        port = free.getsockname()[1]
    started(weights=tiny_onnx.name, port=port)
    ((options, arguments),) = ready
    assert arguments == [str(tiny_onnx.resolve())]
    assert {
        "--server.address=127.0.0.1",
        "--server.enableXsrfProtection=true",
        "--browser.gatherUsageStats=false",
        f"--server.port={port}",
    } <= set(options)


@pytest.mark.parametrize("screen", [True, False])
def test_a_browser_is_opened_where_there_is_a_screen(screen, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr(command.webbrowser, "open", opened.append)
    monkeypatch.setattr("matting_keras.media.window.has_display", lambda: screen)
    answers = iter([False, True])  # it takes a moment
    monkeypatch.setattr(command, "_answers", lambda port: next(answers))
    command._announce(8501, browse=True)
    assert capsys.readouterr().out == "http://127.0.0.1:8501 (ctrl-C ends it)\n"
    assert opened == ["http://127.0.0.1:8501"] * screen


def test_the_empty_page_offers_samples(page):
    assert [button.label for button in page.button] == ["Astronaut", "Grace Hopper"]
    page.button[1].click().run()
    assert not page.exception
    assert labels(page) == ["Download PNG"]
    assert "As large as your picture: 512 × 600 pixels." in [note.value for note in page.caption]
    page.button[0].click().run()  # back
    assert [button.label for button in page.button] == ["Astronaut", "Grace Hopper"]


def test_each_background_has_its_files(page, gradient):
    give(page, encoded(Image.fromarray(gradient)))
    assert labels(page) == ["Download PNG"]
    both = ["Download JPEG", "Download PNG", "Download without background"]
    for kind, files in (("Blur", both), ("Colour", both), ("Picture", both[1:2])):
        control(page, "background").set_value(kind).run()
        assert not page.exception and not page.error
        assert labels(page) == files, kind
    behind = encoded(Image.new("RGB", (30, 30), "red"))
    page.file_uploader(key="behind").set_value(("red.png", behind, "image/png")).run()
    assert labels(page) == both
    page.file_uploader(key="behind").set_value(("red.png", b"text", "image/png")).run()
    assert "holds text" in page.error[0].value
    assert labels(page) == ["Download PNG"]


def test_a_swatch_is_taken(page, gradient):
    give(page, encoded(Image.fromarray(gradient)))
    control(page, "background").set_value("Colour").run()
    page.button(key="swatch-Rose").click().run()
    assert page.color_picker(key="colour").value == "#e58aa0"


def test_a_wrong_file_is_a_sentence_and_the_page_goes_on(page, gradient):
    give(page, b"Dear Ada", "letter.jpg")
    assert not page.exception
    assert page.error[0].value.replace("\\", "").startswith("letter.jpg: holds text, not a picture")
    give(page, encoded(Image.fromarray(gradient)))
    assert not page.error
    assert labels(page) == ["Download PNG"]


def test_a_name_is_shown_as_it_is(page):
    """As Markdown it would fetch a picture from anywhere, as a directive it would be coloured."""
    give(page, b"Dear Ada", "![x](https:me.png) :red[x] $x$ <b>.png")
    shown = page.error[0].value
    assert r"\!\[x\]\(https\:me\.png\) \:red\[x\] \$x\$ \<b\>\.png\: holds text" in shown


def test_nobody_found_is_said(page):
    give(page, encoded(Image.new("RGB", (50, 40), "black")))
    assert "Nobody was found" in page.warning[0].value
    give(page, encoded(Image.new("RGB", (50, 40), "white")))
    assert not page.warning


def test_the_best_edges_are_for_pictures_that_fit_into_memory(page, gradient, monkeypatch):
    give(page, encoded(Image.fromarray(gradient)))
    control(page, "edges").set_value("Best").run()
    assert not page.exception and not page.error
    monkeypatch.setattr(picture, "BEST_PIXELS", gradient[..., 0].size - 1)
    page.run()
    assert not page.exception
    assert "Best" not in control(page, "edges").options
    assert control(page, "edges").value == "Fast"


def test_a_network_that_fails_is_a_sentence(page, gradient, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["page.py", str(tmp_path / "gone.onnx")])
    give(page, encoded(Image.fromarray(gradient)))
    assert not page.exception
    assert "gone" in page.error[0].value
