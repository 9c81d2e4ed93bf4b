"""An alpha drawn at the picture's size: finer than an enlargement, and no texture where none is."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from PIL import Image

from matting_keras import Matter, metrics
from matting_keras.data.synthetic import synthetic_scene
from matting_keras.data.trimap import unknown_band
from matting_keras.errors import InputError
from matting_keras.inference.refine import refine_alpha
from matting_keras.inference.scale import enlarge, shrink, shrink_quickly
from matting_keras.media.images import read_image

SCALE = 4


@pytest.fixture(scope="module")
def textured() -> tuple[np.ndarray, np.ndarray]:
    """A disc and its alpha: black and white squares on it, red and blue ones around it."""
    rows, columns = np.mgrid[0:240, 0:320]
    alpha = np.clip((90 - np.hypot(rows - 120, columns - 160)) / 4 + 0.5, 0, 1)
    squares = ((rows // 3 + columns // 3) % 2)[..., None]
    person, scene = squares * [255, 255, 255], squares * [200, -40, -220] + [30, 60, 230]
    picture = alpha[..., None] * person + (1 - alpha[..., None]) * scene
    return picture.round().astype(np.uint8), alpha.astype(np.float32)


def small(alpha: np.ndarray, factor: int = SCALE) -> np.ndarray:
    return shrink(alpha, tuple(side // factor for side in alpha.shape)).copy()


@pytest.mark.parametrize("hair", ["bald", "short", "long", "curly", "tied"])
def test_edges_are_nearer_to_the_truth_than_enlarged_ones(hair):
    errors = []
    for seed in (7, 8):
        scene = synthetic_scene(seed, 640, 480, people=1, hair=hair)
        band, seen = unknown_band(scene.alpha), small(scene.alpha)
        found = (enlarge(seen, scene.alpha.shape), refine_alpha(scene.image, seen))
        errors.append([metrics.mad(scene.alpha, alpha, band) for alpha in found])
    plain, fine = np.mean(errors, axis=0)
    assert fine < 0.6 * plain


def test_texture_stays_out_of_the_person_and_the_background(textured):
    picture, alpha = textured
    plain, fine = enlarge(small(alpha), alpha.shape), refine_alpha(picture, small(alpha))
    # Two of the small alpha's pixels beyond what is soft, and one that is certain itself.
    sure = ~unknown_band(np.where(plain < 0.02, 0, np.where(plain > 0.98, 1, 0.5)), 2 * SCALE)
    assert sure.mean() > 0.6
    np.testing.assert_allclose(fine[sure], plain[sure], atol=1e-6)
    assert np.abs(fine - plain).max() > 0.1, "nothing was drawn at all"


@pytest.mark.parametrize("value", [0, 0.3, 1])
def test_a_flat_alpha_stays_flat(textured, value):
    picture, alpha = textured
    flat = np.full_like(small(alpha), value)
    np.testing.assert_allclose(refine_alpha(picture, flat), value, atol=1e-6)


def test_noise_moves_alpha_little():
    """A soft shadow on a wall of one colour: what differs there is the sensor's noise."""
    alpha = np.tile(np.linspace(0, 1, 256, dtype=np.float32), (256, 1))
    noise = np.random.default_rng(0).normal(0, 3, (256, 256, 3))
    picture = np.clip(128 + noise, 0, 255).astype(np.uint8)
    assert np.abs(refine_alpha(picture, small(alpha)) - alpha).mean() < 0.01


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 90), (90, 1), (61, 83), (64, 85), (500, 30), (64, 64)]
)
def test_any_size(size):
    """Smaller, larger, larger one way only, and equal; values and type as promised."""
    rng = np.random.default_rng(3)
    picture = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    for rows, columns in ((1, 1), (64, 64), (13, 40)):
        alpha = rng.random((rows, columns), dtype=np.float32)
        before = alpha.copy()
        result = refine_alpha(picture, alpha)
        assert result.shape == size and result.dtype == np.float32
        assert result.min() >= 0 and result.max() <= 1
        np.testing.assert_array_equal(alpha, before)


def test_an_alpha_of_the_pictures_size_is_left_alone(textured):
    picture, alpha = textured
    np.testing.assert_array_equal(refine_alpha(picture, alpha), alpha)


def test_the_picture_comes_in_every_form(textured, saved):
    picture, alpha = textured
    wanted = refine_alpha(picture, small(alpha), shrink(picture, small(alpha).shape))
    image = Image.fromarray(picture)
    for form in (picture, image, saved(image, "disc.png"), np.dstack([picture, picture[..., :1]])):
        np.testing.assert_array_equal(refine_alpha(form, small(alpha)), wanted)


@pytest.mark.parametrize(
    ("alpha", "guide", "message"),
    [
        (np.zeros((4, 4, 1), np.float32), None, r"an alpha is \(rows, columns\), got \(4, 4, 1\)"),
        (np.zeros((0, 4), np.float32), None, r"got \(0, 4\)"),
        (np.zeros((4, 4), np.float32), np.zeros((4, 5, 3), np.uint8), r"uint8 \(4, 5, 3\); exp"),
        (np.zeros((4, 4), np.float32), np.zeros((4, 4, 3), np.float32), "the guide is float32"),
    ],
)
def test_what_does_not_fit_is_refused(textured, alpha, guide, message):
    with pytest.raises(InputError, match=message):
        refine_alpha(textured[0], alpha, guide)


def test_memory_does_not_grow_with_what_is_soft():
    """A large photo, soft all over, needs its alpha, one more plane of it and its own planes."""
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (2000, 3000, 3), dtype=np.uint8)
    alpha = rng.random((200, 300), dtype=np.float32)
    guide = shrink(picture, alpha.shape)
    tracemalloc.start()
    try:
        result = refine_alpha(picture, alpha, guide)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3.2 * result.nbytes


def test_matter_refines_unless_told_not_to(tiny_onnx, samples):
    """The tiny network's alpha is the brightness, of which the photo shows every detail."""
    photo = read_image(samples / "astronaut.png")
    errors = {
        refine: np.abs(Matter(tiny_onnx, area=96 * 96, refine=refine)(photo) - photo.mean(-1) / 255)
        for refine in ("guided", "off")
    }
    assert errors["guided"].mean() < 0.6 * errors["off"].mean()
    assert Matter(tiny_onnx).refine == "guided"


def test_an_unknown_way_to_refine(tiny_onnx):
    with pytest.raises(
        InputError, match="no way to refine 'best'; there are closed-form, guided, off"
    ):
        Matter(tiny_onnx, refine="best")


@pytest.mark.parametrize("size", [(252, 448), (100, 177), (720, 1280), (33, 59), (500, 889)])
def test_the_quick_way_to_shrink_is_nearly_the_exact_one(size):
    scene = synthetic_scene(5, 720, 1280, people=1).image
    difference = shrink_quickly(scene, size).astype(int) - shrink(scene, size)
    # Halves are rounded up at each halving: an eighth of a gray level, and there are four at most.
    assert np.abs(difference).mean() < 2 and abs(difference.mean()) < 0.5
