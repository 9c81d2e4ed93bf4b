"""A person on another background: the right colours, the right place, nothing left of the old."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from matting_keras import composite
from matting_keras.errors import InputError
from matting_keras.inference.composite import blur_behind, cover, parse_colour
from matting_keras.inference.foreground import estimate_foreground

RED, BLUE = np.array([220, 30, 30.0]), np.array([20, 40, 230.0])


@pytest.fixture(scope="module")
def disc() -> np.ndarray:
    """The alpha of a disc with an edge ten pixels soft."""
    rows, columns = np.mgrid[0:120, 0:160]
    distance = np.hypot(rows - 60, columns - 80)
    return np.clip((45 - distance) / 10 + 0.5, 0, 1).astype(np.float32)


@pytest.fixture(scope="module")
def photo(disc) -> np.ndarray:
    """That disc, red, on blue."""
    return (RED * disc[..., None] + BLUE * (1 - disc[..., None])).round().astype(np.uint8)


@pytest.mark.parametrize("method", ["fast", "best"])
def test_foreground_has_no_halo(photo, disc, method):
    if method == "best":
        pytest.importorskip("pymatting")
    visible = disc > 0.05
    halo = np.abs(photo - RED)[visible].max()
    left = np.abs(estimate_foreground(photo, disc, method) - RED)[visible].max()
    assert halo > 150  # the picture itself has one
    assert left < halo / 8


def test_foreground_is_the_picture_where_alpha_is_one(photo, disc):
    result = estimate_foreground(photo, disc)
    np.testing.assert_array_equal(result[disc == 1], photo[disc == 1])


def test_foreground_survives_an_alpha_of_nothing_or_everything(photo):
    for value in (0, 1):
        result = estimate_foreground(photo, np.full(photo.shape[:2], value, np.float32))
        assert result.shape == photo.shape and result.dtype == np.uint8
    np.testing.assert_array_equal(result, photo)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (2, 3)])
@pytest.mark.parametrize("background", ["transparent", "blur", "teal"])
def test_any_size(size, background):
    result = composite(
        np.full((*size, 3), 90, np.uint8), np.full(size, 0.5, np.float32), background
    )
    assert result.shape == (*size, 4 if background == "transparent" else 3)


@pytest.mark.parametrize("background", ["#0a141e", "rgb(10, 20, 30)", (10, 20, 30)])
def test_a_colour_in_every_notation(photo, disc, background):
    result = composite(photo, disc, background)
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(
        result[disc == 0], np.broadcast_to((10, 20, 30), result.shape)[disc == 0]
    )
    np.testing.assert_array_equal(result[disc == 1], photo[disc == 1])


def test_soft_edges_mix_both_colours(photo, disc):
    result = composite(photo, disc, (0, 255, 0))
    wanted = RED * disc[..., None] + np.array([0, 255, 0]) * (1 - disc[..., None])
    assert np.abs(result - wanted).max() < 15


def test_transparent_gives_alpha_as_it_is(photo, disc):
    result = composite(photo, disc)
    np.testing.assert_allclose(result[..., 3] / 255, disc, atol=0.5 / 255 + 1e-6)


@pytest.mark.parametrize("foreground", ["fast", "off"])
def test_the_old_background_is_not_in_the_file(photo, disc, foreground):
    """Under alpha 0 the blue would be invisible, but there for whoever drops the alpha."""
    hidden = composite(photo, disc, foreground=foreground)[disc == 0]
    assert np.abs(hidden[:, :3] - BLUE).max(axis=1).min() > 100


def test_a_picture_behind_covers_and_is_centred(photo, disc, saved):
    behind = np.zeros((100, 400, 3), np.uint8)
    behind[:, 150:250] = 255  # what is left of it at 120 x 160 is its middle 133 columns
    for background in (behind, Image.fromarray(behind), saved(Image.fromarray(behind), "b.png")):
        result = composite(photo, np.zeros_like(disc), background)
        assert result.shape == photo.shape
        assert result[60, 80].tolist() == [255] * 3 and result[60, 2].tolist() == [0] * 3
        np.testing.assert_array_equal(result[:, :40], result[:, -1:-41:-1])


def test_cover_leaves_a_fitting_picture_alone(photo):
    assert cover(photo, (120, 160)) is photo


def test_blur_has_no_glow_of_the_person(photo, disc):
    behind = blur_behind(photo, disc)
    assert behind.shape == photo.shape
    outside = disc == 0
    assert np.abs(behind[outside] - BLUE).max() <= 6


def test_blur_blurs(disc):
    stripes = np.zeros((120, 160, 3), np.uint8)
    stripes[:, ::2] = 200
    assert blur_behind(stripes, np.zeros_like(disc)).std() < 20 < stripes.std()


def test_what_is_not_a_colour():
    assert parse_colour("beach.jpg") is None and parse_colour(np.zeros((2, 2, 3))) is None


@pytest.mark.parametrize(
    ("background", "message"),
    [
        ("no-such-colour", "neither a colour nor a file"),
        ((1, 2), "three numbers in 0..255"),
        ((1, 2, 300), "three numbers in 0..255"),
        (np.zeros((4, 4, 3), np.float32), "float32 array; expected uint8"),
    ],
)
def test_a_background_that_is_none(photo, disc, background, message):
    with pytest.raises(InputError, match=message):
        composite(photo, disc, background)


def test_an_alpha_of_another_size(photo, disc):
    with pytest.raises(InputError, match=r"alpha is \(60, 80\) but the picture \(120, 160\)"):
        composite(photo, disc[::2, ::2])


def test_an_unknown_method(photo, disc):
    with pytest.raises(InputError, match="no foreground method 'magic'; there are fast"):
        composite(photo, disc, foreground="magic")
