"""The web page as people use it: the command, a browser, files in and out."""

from __future__ import annotations

import http.client
import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from tests.places import ROOT

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WAY_OUT = "pip install 'matting-keras[app]' playwright, and Chromium"

# Playwright's slider is in a shadow root, which its own selectors see through.
FRAME, BEFORE, AFTER = ".frame", ".frame .before", ".frame .after"


@pytest.fixture(scope="module")
def sync_playwright():
    pytest.importorskip("streamlit", reason=f"needs Streamlit: {WAY_OUT}")
    return pytest.importorskip(
        "playwright.sync_api", reason=f"needs Playwright: {WAY_OUT}"
    ).sync_playwright


@pytest.fixture(scope="module")
def browser(sync_playwright):
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"needs a browser: {WAY_OUT}")
    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def server(sync_playwright, tmp_path_factory):
    """The command in an empty folder; gives its address. It has to end cleanly at ctrl-C."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "matting_keras", "app", "--port", str(port), "--no-browser"],
        cwd=tmp_path_factory.mktemp("elsewhere"),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        assert process.stdout.readline() == f"{address} (ctrl-C ends it)\n", process.stderr.read()
        yield address
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=20)
        assert process.returncode == 0 and "Traceback" not in error, error
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def page(server, browser):
    """The page in a window of its own, which must ask nobody but the server for anything."""
    window = browser.new_context(viewport={"width": 1400, "height": 900})
    made = window.new_page()
    asked = set()
    made.on("request", lambda request: asked.add(request.url))
    made.goto(server)
    made.get_by_text("Your picture (").wait_for(timeout=60_000)
    yield made
    window.close()
    elsewhere = {url for url in asked if not url.startswith((server, "data:", "blob:"))}
    assert asked and not elsewhere


def upload(page, name: str, data: bytes, number: int = 0) -> None:
    file = {"name": name, "mimeType": "application/octet-stream", "buffer": data}
    page.locator("input[type=file]").nth(number).set_input_files(file)


def choose(page, group: str, words: str) -> None:
    page.get_by_role("radiogroup", name=group).get_by_text(words, exact=True).click()


def download(page, words: str) -> tuple[str, Image.Image]:
    page.get_by_role("button", name=words, exact=True).wait_for(timeout=30_000)
    page.locator(".stApp[data-test-script-state=notRunning]").wait_for()
    with page.expect_download() as waited:
        page.get_by_role("button", name=words, exact=True).click()
    data = Path(waited.value.path()).read_bytes()
    return waited.value.suggested_filename, Image.open(io.BytesIO(data))


def changed(page, before: str) -> None:
    """Wait until the picture is another one."""
    shown = page.locator(AFTER)
    end = time.monotonic() + 30
    while shown.get_attribute("src") == before:
        assert time.monotonic() < end, "the picture stays as it is"
        page.wait_for_timeout(50)


@pytest.fixture
def portrait(samples) -> bytes:
    """A portrait that lies on its side, as phones store theirs: 512 x 600 when it stands."""
    turned = Image.Exif()
    turned[0x0112] = 6
    file = io.BytesIO()
    image = Image.open(samples / "grace_hopper.jpg").transpose(Image.Transpose.ROTATE_90)
    image.save(file, "JPEG", exif=turned)
    return file.getvalue()


def test_a_picture_is_cut_out_and_downloaded(page, portrait, samples):
    upload(page, "Zoë & I.jpg", portrait)
    name, cutout = download(page, "Download PNG")
    assert name == "Zoë & I-cutout.png"
    assert (cutout.format, cutout.mode, cutout.size) == ("PNG", "RGBA", (512, 600))
    alpha = np.asarray(cutout)[..., 3] / 255
    assert alpha[300:500, 200:300].mean() > 0.95  # the coat
    assert alpha[:60, 480:].mean() < 0.05  # the sky
    colours = np.asarray(cutout.convert("RGB"), dtype=float)[300:500, 200:300]
    original = np.asarray(Image.open(samples / "grace_hopper.jpg"), dtype=float)[300:500, 200:300]
    assert np.abs(colours - original).mean() < 8


def test_the_background_is_changed(page, portrait):
    upload(page, "me.jpg", portrait)
    shown = page.locator(AFTER)
    checkered = shown.get_attribute("src", timeout=30_000)
    choose(page, "Background", "Colour")
    changed(page, checkered)
    blue = shown.get_attribute("src")
    page.get_by_role("button", name="Green", exact=True).click()
    changed(page, blue)
    name, picture = download(page, "Download JPEG")
    assert (name, picture.format) == ("me-new-background.jpg", "JPEG")
    assert picture.size == (512, 600)
    assert np.abs(np.asarray(picture)[5, 505].astype(int) - (0x2E, 0x9E, 0x5B)).max() < 12

    green = shown.get_attribute("src")
    choose(page, "Background", "Picture")
    changed(page, green)
    file = io.BytesIO()
    Image.new("RGB", (90, 60), (200, 30, 30)).save(file, "PNG")
    upload(page, "wall.png", file.getvalue(), number=1)
    page.get_by_role("button", name="Download JPEG").wait_for(timeout=30_000)
    name, picture = download(page, "Download PNG")
    assert (name, picture.mode) == ("me-new-background.png", "RGB")
    assert np.abs(np.asarray(picture)[5, 505].astype(int) - (200, 30, 30)).max() < 12


def test_the_line_is_dragged(page):
    page.get_by_role("button", name="Astronaut").click()
    page.locator(AFTER).wait_for(timeout=30_000)
    box = page.locator(FRAME).bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    assert 85 < float(page.locator(f"{FRAME} input").input_value()) < 95
    hidden = page.locator(BEFORE).evaluate("image => getComputedStyle(image).clipPath")
    assert 5 < float(re.search(r"([\d.]+)%", hidden)[1]) < 15
    choose(page, "View", "Mask")
    page.get_by_text("White is kept").wait_for()
    assert not page.locator(BEFORE).is_visible()


def test_a_wrong_file_is_a_sentence_and_the_page_goes_on(page, portrait):
    # Taken as Markdown, this name would fetch a picture; the fixture would see it.
    upload(page, "![x](https:example.org) :red[y].jpg", b"Dear Ada")
    said = page.get_by_role("alert")
    said.get_by_text(
        "![x](https:example.org) :red[y].jpg: holds text, not a picture, whatever its name says"
    ).wait_for()
    assert "Traceback" not in page.content()
    upload(page, "me.jpg", portrait)
    download(page, "Download PNG")


def test_too_large_a_file_is_refused_in_words(page, portrait, tmp_path):
    (tmp_path / "huge.jpg").write_bytes(b"\xff\xd8\xff" + bytes(21 * 2**20))
    page.locator("input[type=file]").set_input_files(tmp_path / "huge.jpg")
    words = page.get_by_text("File must be 20.0MB or smaller")
    words.wait_for()
    box = words.bounding_box()
    assert box["width"] > 100 and box["height"] > 10  # not for screen readers only
    upload(page, "me.jpg", portrait)
    download(page, "Download PNG")


@pytest.mark.parametrize(("width", "height", "scheme"), [(400, 850, "light"), (1400, 900, "dark")])
def test_everything_is_in_sight(page, width, height, scheme):
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=scheme)
    page.get_by_role("button", name="Astronaut").click()
    page.locator(AFTER).wait_for(timeout=30_000)
    background = page.get_by_role("radiogroup", name="Background")
    background.wait_for()
    page.wait_for_timeout(500)  # until the picture has its place
    for part in (page.locator(FRAME), background):
        box = part.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= height
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width
    shade = page.locator(".stApp").evaluate("page => getComputedStyle(page).backgroundColor")
    (brightness,) = {sum(map(int, shade.strip("rgb()").split(","))) > 384}
    assert brightness == (scheme == "light")


def test_only_this_computer_is_served(server):
    """127.0.0.2 is this computer too: where all addresses are listened on, it answers."""
    port = urlsplit(server).port
    if not sys.platform.startswith("linux"):
        pytest.skip("other systems do not have 127.0.0.2")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port), timeout=5)


def test_other_sites_get_nothing(server):
    """Neither one that points its own name at this computer, nor one that sends files here."""
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "bWF0dGluZyBrZXJhcyAxNg==",
    }
    own = urlsplit(server).netloc
    stream, put = ("GET", "/_stcore/stream", upgrade), ("PUT", "/_stcore/upload_file/a/b", {})
    assert ask(server, *stream, Host=own, Origin=server) == 101
    assert ask(server, *stream, Host="example.org", Origin="http://example.org") == 403
    assert ask(server, *put, Host=own) == 403


def ask(server: str, method: str, path: str, headers: dict[str, str], **more: str) -> int:
    connection = http.client.HTTPConnection(urlsplit(server).netloc, timeout=20)
    connection.request(method, path, headers=headers | more)
    status = connection.getresponse().status
    connection.close()
    return status


def test_the_port_is_taken(server, tmp_path: Path):
    port = urlsplit(server).port
    done = subprocess.run(
        [sys.executable, "-m", "matting_keras", "app", "--port", str(port), "--no-browser"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: --port {port}: cannot be used")
