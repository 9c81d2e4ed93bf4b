"""The person's own colours: no fringe of the old background, and arithmetic that can be trusted."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from matting_keras.data.synthetic import synthetic_scene
from matting_keras.data.trimap import unknown_band
from matting_keras.errors import InputError
from matting_keras.inference.composite import blend, composite
from matting_keras.inference.foreground import (
    SURE,
    estimate_foreground,
    own_colours,
    surroundings,
    to_share,
)

GREEN = (0, 177, 64)


@pytest.fixture(scope="module")
def noisy() -> tuple[np.ndarray, np.ndarray]:
    """Colours of every kind with alphas of every kind, so that all of 0..255 meets all of it."""
    rng = np.random.default_rng(0)
    alpha = rng.choice([0, 1, 1, 0.5], (150, 210)) * rng.random((150, 210))
    return rng.integers(0, 256, (150, 210, 3), dtype=np.uint8), alpha.astype(np.float32)


@pytest.mark.parametrize("hair", ["short", "long", "curly", "tied"])
def test_composites_have_half_the_fringe_of_plain_ones(hair):
    errors = []
    for seed in (3, 4):
        scene = synthetic_scene(seed, 480, 400, people=1, hair=hair)
        share, band = scene.alpha[..., None], unknown_band(scene.alpha)
        wanted = share * scene.foreground + (1 - share) * GREEN
        made = [composite(scene.image, scene.alpha, GREEN, way) for way in ("off", "fast")]
        errors.append([np.abs(picture - wanted)[band].mean() for picture in made])
    plain, ours = np.mean(errors, axis=0)
    assert ours < 0.5 * plain


def test_wide_soft_hair_is_cleared_too():
    """Half of a picture is one great blur: what is near it says nothing, only what is far."""
    alpha = np.tile(np.clip(np.linspace(-0.5, 1.5, 400), 0, 1), (300, 1)).astype(np.float32)
    person, scene = np.array([40, 30, 20.0]), np.array([230, 240, 250.0])
    photo = np.rint(alpha[..., None] * person + (1 - alpha[..., None]) * scene).astype(np.uint8)
    halo, error = (
        np.abs(picture - person) for picture in (photo, estimate_foreground(photo, alpha))
    )
    assert error[alpha > 0.2].mean() < halo[alpha > 0.2].mean() / 5


def test_arithmetic_in_whole_numbers_is_within_one(noisy):
    rgb, alpha = noisy
    rng = np.random.default_rng(1)
    front, back = rng.integers(0, 256, (2, *rgb.shape), dtype=np.uint8)
    share = to_share(alpha)
    exact = share[..., None] / 255.0
    wanted = front + exact * (rgb - exact * front - (1 - exact) * back)
    found = own_colours(rgb, share, front, back)
    assert np.abs(found - np.clip(wanted, 0, 255)).max() <= 1.6  # half a step of each part
    assert np.abs(found - np.clip(wanted, 0, 255)).mean() < 0.5


def test_extremes_do_not_overflow():
    for values in np.ndindex(2, 2, 2):
        rgb, front, back = (np.full((1, 256, 3), 255 * v, np.uint8) for v in values)
        share = np.arange(256, dtype=np.uint8)[None]
        part = share[..., None] / 255
        wanted = np.clip(front + part * (rgb - part * front - (1 - part) * back), 0, 255)
        assert np.abs(own_colours(rgb, share, front, back) - wanted).max() < 2


def test_a_composite_is_its_own_foreground_blended(noisy):
    """The short cut through rectangles gives what the two public steps give."""
    rgb, alpha = noisy
    colours = estimate_foreground(rgb, alpha)
    for behind in (rgb[::-1], np.array(GREEN, np.uint8).reshape(1, 1, 3)):
        wanted = blend(colours, behind, alpha)
        background = GREEN if behind.size == 3 else behind
        difference = np.abs(composite(rgb, alpha, background).astype(int) - wanted)
        # The public step rounds colours within `SURE` of the person to the picture's own.
        assert difference.max() <= SURE and (difference > 0).mean() < 0.01


def test_blending_is_exact_to_a_step(noisy):
    rgb, alpha = noisy
    behind = rgb[:, ::-1]
    wanted = behind + alpha[..., None] * (rgb.astype(float) - behind)
    difference = np.abs(blend(rgb, behind, alpha) - wanted)
    sure = np.minimum(alpha, 1 - alpha) < SURE / 255
    assert difference[~sure].max() <= 1.1
    assert difference[sure].max() <= SURE + 0.5


def test_what_is_certain_is_taken_as_it_is(noisy):
    rgb, alpha = noisy
    behind = rgb[::-1]
    made = composite(rgb, alpha, behind)
    share = to_share(alpha)
    np.testing.assert_array_equal(made[share == 0], behind[share == 0])
    np.testing.assert_array_equal(made[share == 255], rgb[share == 255])
    assert np.abs(made.astype(int) - behind)[share < SURE].max() <= SURE
    assert np.abs(made.astype(int) - rgb)[share > 255 - SURE].max() <= SURE + 1


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (700, 1), (5, 3), (129, 128), (300, 517)])
def test_surroundings_of_one_colour_are_that_colour(size):
    rgb = np.full((*size, 3), (10, 200, 90), np.uint8)
    share = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    for part in surroundings(rgb, share):
        assert part.shape == rgb.shape and part.dtype == np.uint8
        assert np.abs(part.astype(int) - rgb).max() <= 1


def test_the_photo_comes_in_every_form(noisy, saved):
    rgb, alpha = noisy
    wanted = estimate_foreground(rgb, alpha)
    image = Image.fromarray(rgb)
    clear = np.dstack([rgb, rgb[..., :1]])
    for form in (image, saved(image, "photo.png"), clear):
        np.testing.assert_array_equal(estimate_foreground(form, alpha), wanted)
    np.testing.assert_array_equal(estimate_foreground(rgb, alpha.astype(float)), wanted)


def test_off_gives_the_photo_back(noisy):
    rgb, alpha = noisy
    assert estimate_foreground(rgb, alpha, "off") is rgb


def test_an_alpha_of_another_size(noisy):
    rgb, alpha = noisy
    with pytest.raises(InputError, match=r"alpha is \(75, 105\) but the picture \(150, 210\)"):
        estimate_foreground(rgb, alpha[::2, ::2])
