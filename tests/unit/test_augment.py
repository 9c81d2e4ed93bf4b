from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import tensorflow as tf

from matting_keras.data import sources
from matting_keras.data.augment import AugmentConfig, recolour, relight, warp
from matting_keras.data.compose import over, pulled_in
from matting_keras.data.order import fitted, plan
from matting_keras.data.pipeline import training_batches, validation_batches
from matting_keras.data.store import check
from matting_keras.errors import InputError
from matting_keras.geometry import buckets

STILL = AugmentConfig(
    flip=0,
    zoom=(1.0, 1.0),
    rotate=0,
    shift=0,
    brightness=0,
    contrast=0,
    gamma=0,
    colour=0,
    blur=0,
    noise=0,
    jpeg=0,
    grayscale=0,
    relight=0,
    composite=0,
    empty=0,
)
SHAPES = buckets(128 * 96, ratios=(3 / 4, 1.0, 4 / 3))


def ramp(height: int = 48, width: int = 64) -> np.ndarray:
    """A photo whose gray grows to the right and whose alpha grows downwards."""
    gray = np.tile(np.linspace(20, 220, width), (height, 1))
    alpha = np.tile(np.linspace(0, 255, height)[:, None], (1, width))
    return np.stack([gray, alpha], -1).astype("float32")


def seed(k: int) -> tf.Tensor:
    return tf.constant([3, k])


def test_no_change_asked_for_is_no_change():
    photo = ramp()
    moved = warp(tf.constant(photo), tf.constant([48, 64]), STILL, seed(0))
    np.testing.assert_allclose(moved, photo, atol=1e-3)
    image = tf.constant(photo[..., :1])
    np.testing.assert_allclose(recolour(image, STILL, seed(0)), image, atol=1e-2)


def test_flip_mirrors_photo_and_alpha_left_and_right():
    photo = ramp()
    photo[:10, :10, 1] = 255
    moved = warp(tf.constant(photo), tf.constant([48, 64]), replace(STILL, flip=1.0), seed(0))
    np.testing.assert_allclose(moved, photo[:, ::-1], atol=1e-3)


def test_rotation_keeps_photo_and_alpha_together_and_soft():
    photo = np.repeat(ramp()[..., 1:], 2, axis=-1)  # gray is the alpha
    config = replace(STILL, rotate=20.0, zoom=(1.2, 1.2), shift=0.05)
    for k in range(5):
        moved = warp(tf.constant(photo), tf.constant([48, 64]), config, seed(k)).numpy()
        np.testing.assert_allclose(moved[..., 0], moved[..., 1], atol=1e-3)
    assert len(np.unique(moved[..., 1].round(3))) > 500


def test_aspect_is_kept():
    disc = np.hypot(*np.mgrid[-50:50, -50:50]) < 20
    photo = np.repeat((disc * 255.0)[..., None], 2, -1).astype("float32")
    moved = warp(tf.constant(photo), tf.constant([64, 128]), STILL, seed(0)).numpy()[..., 1] > 127
    rows, columns = moved.any(1).sum(), moved.any(0).sum()
    assert rows < 64
    assert abs(rows - columns) <= 2


@pytest.mark.parametrize("channels", [1, 3])
def test_recolour_stays_a_picture_and_follows_its_seed(channels):
    image = tf.constant(np.random.default_rng(0).uniform(0, 255, (32, 40, channels)), tf.float32)
    wild = AugmentConfig(blur=1, noise=1, jpeg=1, grayscale=0.5)
    first, again = recolour(image, wild, seed(1)), recolour(image, wild, seed(1))
    np.testing.assert_array_equal(first, again)
    assert first.shape == image.shape
    assert 0 <= float(tf.reduce_min(first)) <= float(tf.reduce_max(first)) <= 255
    assert float(tf.reduce_max(tf.abs(first - recolour(image, wild, seed(2))))) > 10


@pytest.mark.parametrize("channels", [1, 3])
def test_person_and_background_get_light_of_their_own(channels):
    image = tf.constant(np.random.default_rng(0).uniform(0, 255, (32, 40, channels)), tf.float32)
    left = tf.constant(np.tile(np.arange(40)[None, :, None] < 20, (32, 1, 1)), tf.float32)
    always = replace(STILL, relight=1.0)
    for k in range(5):
        both = relight(image, left, always, seed(k))
        person = relight(image, left * 0 + 1, always, seed(k))
        behind = relight(image, left * 0, always, seed(k))
        np.testing.assert_allclose(both[:, :20], person[:, :20], atol=1e-3)
        np.testing.assert_allclose(both[:, 20:], behind[:, 20:], atol=1e-3)
        assert float(tf.reduce_mean(tf.abs(person - behind))) > 2
        assert 0 <= float(tf.reduce_min(both)) <= float(tf.reduce_max(both)) <= 255
    np.testing.assert_array_equal(relight(image, left, STILL, seed(0)), image)
    config = replace(STILL, relight=0.3)
    changed = [np.any(relight(image, left, config, seed(k)) != image) for k in range(200)]
    assert 0.2 < np.mean(changed) < 0.4


@pytest.mark.parametrize("effect", ["blur", "noise", "jpeg"])
def test_each_effect_does_something(effect):
    image = tf.constant(np.random.default_rng(0).uniform(0, 255, (32, 40, 1)), tf.float32)
    changed = recolour(image, replace(STILL, **{effect: 1.0}), seed(1))
    assert 0.5 < float(tf.reduce_mean(tf.abs(changed - image))) < 80


def test_composite_is_the_compositing_equation():
    rng = np.random.default_rng(0)
    image, scene = rng.uniform(0, 255, (2, 6, 8, 1)).astype("float32")
    alpha = rng.uniform(0, 1, (6, 8, 1)).astype("float32")
    made, truth = over(image, alpha, scene, tf.constant(False), seed(0))
    np.testing.assert_array_equal(truth, alpha)
    gain = ((made - (1 - alpha) * scene) / (alpha * image)).numpy()
    np.testing.assert_allclose(gain, gain.mean(), rtol=1e-3)
    assert 0.85 <= gain.mean() <= 1.15


def test_rough_masks_are_pulled_in_and_soft():
    mask = np.zeros((20, 20, 1), "float32")
    mask[5:15, 5:15] = 1
    soft = pulled_in(tf.constant(mask)).numpy()
    assert (soft <= mask + 1e-6).all()
    assert soft[10, 10] == 1
    assert 0 < soft[10, 5] < 1


def test_plan_is_reproducible_and_complete():
    wanted = np.array([0] * 10 + [1] * 7)
    batches = list(islice(plan(wanted, 4, seed=1), 40))
    for bucket, indices in batches:
        assert len(indices) == 4
        assert (wanted[indices] == bucket).all()
    again = list(islice(plan(wanted, 4, seed=1), 40))
    assert all((a[1] == b[1]).all() for a, b in zip(batches, again, strict=True))
    counts = np.bincount(np.concatenate([b[1] for b in batches]), minlength=17)
    assert counts.max() - counts.min() <= 1
    other = list(islice(plan(wanted, 4, seed=2), 40))
    assert any((a[1] != b[1]).any() for a, b in zip(batches, other, strict=True))


def test_strays_go_to_any_shape_and_the_others_to_their_own():
    wanted = np.array([0] * 10 + [1] * 7)
    batches = list(islice(plan(wanted, 4, seed=1, stray=0.5, shapes=3), 90))
    at_home = np.concatenate([wanted[indices] == bucket for bucket, indices in batches])
    assert at_home.mean() == pytest.approx(0.5 + 0.5 / 3, abs=0.1)
    assert {bucket for bucket, _ in batches} == {0, 1, 2}
    counts = np.bincount(np.concatenate([b[1] for b in batches]), minlength=17)
    assert counts.max() - counts.min() <= 2
    again = list(islice(plan(wanted, 4, seed=1, stray=0.5, shapes=3), 90))
    assert all((a[1] == b[1]).all() for a, b in zip(batches, again, strict=True))


@pytest.fixture(scope="module")
def drawn():
    samples = sources.synthetic(24, 1, [(64, 48), (48, 64), (56, 56)])
    return check(samples, channels=1, area=64 * 64, quiet=True)


def batches(drawn, count: int, **options):
    dataset = training_batches(
        drawn.store, drawn.sizes, SHAPES, 4, seed=5, config=AugmentConfig(), **options
    )
    return list(dataset.take(count).as_numpy_iterator())


def test_batches_have_one_shape_each_and_follow_the_seed(drawn):
    first, again = batches(drawn, 8), batches(drawn, 8)
    for (image, alpha), (same, same_alpha) in zip(first, again, strict=True):
        assert image.shape[1:3] in SHAPES
        assert image.shape == (4, *image.shape[1:3], 1)
        assert alpha.shape == image.shape
        assert 0 <= alpha.min() <= alpha.max() <= 1
        np.testing.assert_array_equal(image, same)
        np.testing.assert_array_equal(alpha, same_alpha)
    assert len({image.shape for image, _ in first}) == 3


def test_a_run_that_goes_on_sees_what_it_would_have_seen(drawn):
    whole, rest = batches(drawn, 6), batches(drawn, 3, first_step=3)
    for (image, alpha), (same, same_alpha) in zip(whole[3:], rest, strict=True):
        np.testing.assert_array_equal(image, same)
        np.testing.assert_array_equal(alpha, same_alpha)


def test_scenes_are_put_behind_people(drawn):
    config = replace(STILL, composite=1.0)
    scenes = sources.synthetic(3, 900, [(64, 64)])
    behind = check(scenes, channels=1, area=64 * 64, quiet=True).store
    plain = training_batches(drawn.store, drawn.sizes, SHAPES, 4, seed=5, config=STILL)
    composed = training_batches(
        drawn.store, drawn.sizes, SHAPES, 4, seed=5, config=config, scenes=behind
    )
    image, alpha = next(plain.as_numpy_iterator())
    other, other_alpha = next(composed.as_numpy_iterator())
    np.testing.assert_array_equal(alpha, other_alpha)  # drawn alphas are exact, not rough
    assert np.abs(image - other)[alpha < 0.01].mean() > 10


def test_composites_grow_harder_on_the_ramp(drawn):
    config = replace(STILL, composite=1.0)
    behind = check(sources.synthetic(3, 900, [(64, 64)]), channels=1, area=4096, quiet=True).store
    options = {"seed": 5, "config": config, "scenes": behind}
    common = (drawn.store, drawn.sizes, SHAPES, 4)
    scenes = list(training_batches(*common, **options).take(14).as_numpy_iterator())
    eased = list(training_batches(*common, **options, ramp=1).take(14).as_numpy_iterator())

    def unevenness(batch):
        image, alpha = batch
        return np.mean([i[a == 0].std() for i, a in zip(image, alpha, strict=True)])

    assert unevenness(eased[0]) < 1e-3
    shares = [unevenness(e) / unevenness(s) for e, s in zip(eased, scenes, strict=True)]
    np.testing.assert_allclose(shares, [min(step / 10, 1) for step in range(14)], atol=0.02)
    np.testing.assert_array_equal(eased[10][0], scenes[10][0])
    later = next(training_batches(*common, **options, ramp=1, first_step=5).as_numpy_iterator())
    np.testing.assert_array_equal(later[0], eased[5][0])


def test_validation_sees_every_photo_once_unstretched(drawn):
    dataset = validation_batches(drawn.store, drawn.sizes, SHAPES, 5)
    found = list(dataset.as_numpy_iterator())
    assert sum(len(image) for image, _ in found) == len(drawn.store)
    assert all(image.shape[1:3] in SHAPES for image, _ in found)
    assert int(dataset.cardinality()) == len(found)


def test_fitted_keeps_aspect_and_repeats_the_border():
    photo = ramp(40, 80).astype("uint8")
    placed = fitted(photo, (64, 64))
    assert placed.shape == (64, 64, 2)
    np.testing.assert_array_equal(placed[32:], np.repeat(placed[31:32], 32, axis=0))


def test_too_few_photos_for_a_batch(drawn):
    with pytest.raises(InputError, match=r"24 photos for training are fewer than one batch of 32"):
        training_batches(drawn.store, drawn.sizes, SHAPES, 32, seed=0, config=STILL)
