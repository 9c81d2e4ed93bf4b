"""The page itself: Streamlit runs this file from top to bottom at every click."""

from __future__ import annotations

import hashlib
import re
import sys
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import streamlit as st

from matting_keras.app.comparison import comparison
from matting_keras.app.look import CSS, DRAWING, SWATCHES, icon
from matting_keras.app.picture import (
    BEST_PIXELS,
    Shown,
    checkerboard,
    file_name,
    jpeg,
    read_upload,
    render,
    samples,
    shrink,
)
from matting_keras.errors import InputError
from matting_keras.inference.composite import Background, composite
from matting_keras.inference.matter import Matter
from matting_keras.media.images import Photo
from matting_keras.weights.presets import PRESETS, size

NONE, COLOUR, PICTURE, BLUR = BACKGROUNDS = ("None", "Colour", "Picture", "Blur")
BOTH, RESULT, MASK = VIEWS = ("Before and after", "Result", "Mask")
EDGES = {"Off": "off", "Fast": "fast", "Best": "best"}
# Comments, not docstrings: Streamlit would write a lone string on the page.
# With less of the picture than this, nobody is said to have been found.
NOBODY = 0.001


class Upload(NamedTuple):
    """A file somebody gave, and what tells it from others."""

    name: str
    data: bytes
    digest: str


class Backdrop(NamedTuple):
    """What goes behind the person, and what tells it from others."""

    value: Background
    key: str


class Settings(NamedTuple):
    """What is chosen beside the background."""

    weights: str
    edges: str


def main() -> None:
    """Draw the page; a wrong file or setting is a sentence on it, and the page goes on."""
    st.set_page_config("Cut people out", icon(), layout="wide")
    st.html(f"<style>{CSS}</style>")
    st.title("Cut people out", anchor=False)
    st.caption("Give yourself a new background. Your pictures stay on this computer.")
    upload = choose_picture()
    if upload is None:
        return
    try:
        work_on(upload)
    except InputError as error:
        complain(error)


def work_on(upload: Upload) -> None:
    """Show a picture cut out, beside what can be chosen."""
    with st.spinner("Opening the picture …"):
        photo = opened(upload.digest, upload)
    left, right = st.columns((5, 3), gap="medium")
    with right, st.container(border=True):
        backdrop = choose_background()
        files = st.container()
        settings = choose_settings(photo)
    with left:
        alpha = show(upload, photo, backdrop, settings)
    with files:
        offer(upload, photo, alpha, backdrop, settings)
    # When a run ends, Streamlit forgets the files of the run before it, and a click on a button
    # that has not been drawn anew yet would do nothing.
    time.sleep(DRAWING)


# What is kept between clicks. An argument with an underscore does not count: a digest stands for
# it, so that a picture is cut out once. Few are kept: a large one and its alpha are 280 MB.


@st.cache_resource(max_entries=3, show_spinner=False)
def network(weights: str) -> Matter:
    """A network, loaded once for everybody."""
    return Matter(weights)


@st.cache_resource(max_entries=3, show_spinner=False)
def opened(digest: str, _upload: Upload) -> Photo:
    """An uploaded picture, decoded."""
    return read_upload(_upload.data, _upload.name)


@st.cache_resource(max_entries=2, show_spinner=False)
def cut(digest: str, weights: str, _photo: Photo) -> tuple[np.ndarray, Shown]:
    """A picture's alpha at full size, and both at the size that is shown."""
    alpha = network(weights)(_photo)
    return alpha, shrink(_photo, alpha)


@st.cache_data(max_entries=12, show_spinner=False)
def result(digest: str, settings: Settings, key: str, _shown: Shown, _behind: Background) -> bytes:
    """The person on a background, whose key tells it from others, as a JPEG to look at."""
    if key == "transparent":
        _behind = checkerboard(_shown.alpha.shape)
    return jpeg(composite(_shown.rgb, _shown.alpha, _behind, settings.edges))


def choose_picture() -> Upload | None:
    """The uploaded picture, else the sample that was clicked on, else None."""
    # Any file may be chosen: our own words on a wrong one say what to do about it.
    file = st.file_uploader("Your picture (JPEG, PNG, WebP, TIFF, BMP or GIF)", key="picture")
    if file is not None:
        st.session_state.sample = None
        return as_upload(file.name, file.getvalue())
    found = {path.name: path for path in samples()}
    path = found.get(st.session_state.get("sample"))
    if path:
        st.button(
            "Back to the samples",
            on_click=take_sample,
            args=(None,),
            type="tertiary",
            icon=":material/arrow_back:",
        )
        return as_upload(path.name, path.read_bytes())
    if found:
        st.markdown("Or try one of these:")
    with st.container(horizontal=True, gap="medium", key="samples"):
        for path in found.values():
            with st.container(width=170):
                st.image(path)
                words = path.stem.replace("_", " ").title()
                st.button(words, on_click=take_sample, args=(path.name,), width="stretch")
    return None


def take_sample(name: str | None) -> None:
    st.session_state.sample = name


def as_upload(name: str, data: bytes) -> Upload:
    return Upload(name, data, hashlib.sha256(data).hexdigest())


def complain(error: InputError) -> None:
    """Show an error as plain text: in a file's name, Markdown could fetch pictures."""
    text = re.sub(r"([!-/:-@[-`{-~])", r"\\\1", str(error))
    st.error(text, icon=":material/error:")


def choose_background() -> Backdrop:
    """The controls of the background, with what belongs to the chosen kind below them."""
    st.subheader("Background", anchor=False)
    kind = st.segmented_control(
        "Background", BACKGROUNDS, default=NONE, required=True, label_visibility="collapsed",
        width="stretch", key="background",
    )  # fmt: skip
    if kind == COLOUR:
        return choose_colour()
    if kind == PICTURE:
        return choose_backdrop()
    value = "blur" if kind == BLUR else "transparent"
    return Backdrop(value, value)


def choose_colour() -> Backdrop:
    st.session_state.setdefault("colour", SWATCHES["Blue"])
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
        for name, colour in SWATCHES.items():
            st.button(name, key=f"swatch-{name}", on_click=take_colour, args=(colour,))
        value = st.color_picker("Any colour", key="colour", label_visibility="collapsed")
    return Backdrop(value, value)


def take_colour(colour: str) -> None:
    st.session_state.colour = colour


def choose_backdrop() -> Backdrop:
    nothing = Backdrop("transparent", "transparent")
    file = st.file_uploader("Picture to put behind", key="behind")
    if file is None:
        return nothing
    upload = as_upload(file.name, file.getvalue())
    try:
        return Backdrop(opened(upload.digest, upload).rgb, upload.digest)
    except InputError as error:
        complain(error)
        return nothing


def choose_settings(photo: Photo) -> Settings:
    """What most people never need."""
    given = sys.argv[1:2]
    methods = list(EDGES)
    if photo.rgb[..., 0].size > BEST_PIXELS:
        methods.remove("Best")
    limit = BEST_PIXELS // 10**6
    with st.expander("More settings"):
        edges = st.segmented_control(
            "Clean hair and edges", methods, default="Fast", required=True, key="edges",
            help="Takes the old background's colour out of hair. Best needs some seconds more, "
            f"and is there for pictures of up to {limit} megapixels.",
        )  # fmt: skip
        weights = st.selectbox(
            "Model",
            list(dict.fromkeys([*given, *PRESETS])),
            format_func=lambda text: Path(text).name,
            key="weights",
        )
        if weights in PRESETS:
            st.caption(f"{size(weights) / 1e6:.1f} MB; {PRESETS[weights].licence}.")
    return Settings(weights, EDGES[edges])


def show(upload: Upload, photo: Photo, backdrop: Backdrop, settings: Settings) -> np.ndarray:
    """The picture, at a size for the screen; gives its alpha at full size."""
    view = st.segmented_control(
        "View", VIEWS, default=BOTH, required=True, label_visibility="collapsed", key="view"
    )
    with st.spinner("Cutting out …"):
        alpha, small = cut(upload.digest, settings.weights, photo)
        if view == MASK:
            after = jpeg(np.rint(small.alpha * 255).astype(np.uint8))
        else:
            after = result(upload.digest, settings, backdrop.key, small, backdrop.value)
        before = jpeg(small.rgb) if view == BOTH else None
    words = "White is kept, black is left out" if view == MASK else "The person cut out"
    comparison(after, small.alpha.shape, words, before)
    if view == MASK:
        st.caption(f"{words}.")
    if (small.alpha > 0.5).mean() < NOBODY:
        st.warning("Nobody was found in this picture. Try one that shows a person larger.")
    return alpha


def offer(
    upload: Upload, photo: Photo, alpha: np.ndarray, backdrop: Backdrop, settings: Settings
) -> None:
    """The files to download; each is made when it is clicked on."""
    files = [("Download PNG", backdrop.value, ".png")]
    if backdrop.key != "transparent":
        files = [
            ("Download JPEG", backdrop.value, ".jpg"),
            ("Download PNG", backdrop.value, ".png"),
            ("Download without background", "transparent", ".png"),
        ]
    for number, (words, background, suffix) in enumerate(files):
        st.download_button(
            words,
            partial(render, photo, alpha, background, settings.edges, suffix),
            file_name(upload.name, background, suffix),
            "image/png" if suffix == ".png" else "image/jpeg",
            key=f"download-{number}",
            on_click="ignore",
            type="secondary" if number else "primary",
            icon=":material/download:",
            width="stretch",
        )
    height, width = alpha.shape
    st.caption(f"As large as your picture: {width} × {height} pixels.")


if __name__ == "__main__":
    main()
