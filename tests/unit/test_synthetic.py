"""The built-in portraits: exact, repeatable, varied, and with real hair strands."""

from __future__ import annotations

import numpy as np
import pytest

from matting_keras.data.synthetic import EMPTY_SHARE, synthetic_portrait, synthetic_scene
from matting_keras.errors import InputError

HAIRY = ("short", "long", "curly", "tied")


def soft_share(alpha: np.ndarray) -> float:
    return float(np.mean((alpha > 0.05) & (alpha < 0.95)))


def test_same_seed_gives_the_same_portrait():
    for seed in (0, 7, 2**40):
        image, alpha = synthetic_portrait(seed, 80, 64)
        again, again_alpha = synthetic_portrait(seed, 80, 64)
        np.testing.assert_array_equal(image, again)
        np.testing.assert_array_equal(alpha, again_alpha)


def test_does_not_touch_the_global_generator():
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    synthetic_portrait(0, 32, 32)
    np.testing.assert_array_equal(before, np.random.get_state()[1])


def test_different_seeds_differ():
    pictures = {synthetic_portrait(seed, 48, 40)[0].tobytes() for seed in range(40)}
    assert len(pictures) == 40


@pytest.mark.parametrize("size", [(96, 96), (144, 64), (64, 144), (33, 57), (16, 200), (200, 16)])
def test_sizes_types_and_ranges(size):
    for seed in range(6):
        scene = synthetic_scene(seed, *size, people=1)
        assert scene.alpha.shape == size
        assert scene.alpha.dtype == np.float32
        assert 0 <= scene.alpha.min() <= scene.alpha.max() <= 1
        for picture in (scene.foreground, scene.background, scene.image):
            assert picture.shape == (*size, 3)
            assert picture.dtype == np.uint8


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (2, 3), (7, 5)])
def test_tiny_sizes(size):
    for seed in range(12):
        image, alpha = synthetic_portrait(seed, *size)
        assert image.shape == (*size, 3)
        assert np.isfinite(alpha).all()


def test_image_is_foreground_over_background():
    for seed in range(20):
        scene = synthetic_scene(seed, 96, 80)
        alpha = scene.alpha[..., None].astype(np.float64)
        mixed = alpha * scene.foreground + (1 - alpha) * scene.background
        assert np.abs(mixed - scene.image).max() <= 0.501


def test_pure_pixels_are_exactly_foreground_or_background():
    scene = synthetic_scene(3, 96, 80, people=1, hair="long")
    person, nobody = scene.alpha == 1, scene.alpha == 0
    np.testing.assert_array_equal(scene.image[person], scene.foreground[person])
    np.testing.assert_array_equal(scene.image[nobody], scene.background[nobody])


def test_eight_bit_masks_keep_alpha_exactly():
    alpha = synthetic_scene(5, 96, 80, people=1, hair="curly").alpha
    stored = np.round(alpha * 255).astype(np.uint8)
    np.testing.assert_array_equal(stored.astype(np.float32) / np.float32(255), alpha)


@pytest.mark.parametrize("hair", HAIRY)
def test_hair_is_soft(hair):
    shares = {
        style: np.mean([
            soft_share(synthetic_scene(seed, 160, 128, people=1, hair=style).alpha)
            for seed in range(8)
        ])
        for style in (hair, "bald")
    }  # fmt: skip
    assert shares[hair] > 0.01
    assert shares[hair] > 1.3 * shares["bald"]


def test_foreground_at_soft_hair_has_the_hair_colour():
    for seed in range(5):
        scene = synthetic_scene(seed, 160, 128, people=1, hair="curly")
        strand = (scene.alpha > 0.05) & (scene.alpha < 0.5)
        strand[100:] = False
        # Colours of hair, light and dark strands of it: no black rim, no background in it.
        spread = scene.foreground[strand].astype(float).std(axis=0).max()
        assert strand.sum() > 20
        assert spread < 70


def test_about_one_scene_of_twenty_is_empty():
    count = 200
    empty = sum(not synthetic_portrait(seed, 12, 10)[1].any() for seed in range(count))
    assert 0.4 * EMPTY_SHARE < empty / count < 2 * EMPTY_SHARE


def test_number_of_people_can_be_given():
    assert not synthetic_scene(4, 64, 64, people=0).alpha.any()
    one, two = (
        np.mean([synthetic_scene(seed, 64, 96, people=n).alpha.any(axis=0).mean()
                 for seed in range(10)])
        for n in (1, 2)
    )  # fmt: skip
    assert two > one > 0


def test_every_person_is_in_the_picture():
    for seed in range(30):
        assert synthetic_scene(seed, 64, 56, people=1).alpha.mean() > 0.01


def test_a_seed_shows_the_same_scene_at_every_scale():
    for seed in range(6):
        small = synthetic_scene(seed, 64, 48, people=1).alpha
        large = synthetic_scene(seed, 256, 192, people=1).alpha
        shrunk = large.reshape(64, 4, 48, 4).mean(axis=(1, 3))
        assert np.abs(small - shrunk).mean() < 0.04


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((-1, 8, 8), "seed"),
        ((0.5, 8, 8), "seed"),
        ((0, 0, 8), "height"),
        ((0, 8, "8"), "width"),
    ],
)
def test_bad_values_are_named(arguments, named):
    with pytest.raises(InputError, match=named):
        synthetic_portrait(*arguments)


def test_bad_choices_are_named():
    with pytest.raises(InputError, match="people is 3"):
        synthetic_scene(0, 8, 8, people=3)
    with pytest.raises(InputError, match="short, long"):
        synthetic_scene(0, 8, 8, hair="mohawk")
