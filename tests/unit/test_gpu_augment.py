"""The GPU training's own augmentation against the one of the input pipeline."""

from __future__ import annotations

import io
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from matting_keras.data import augment as slow
from matting_keras.data import compose
from matting_keras.data.augment import AugmentConfig
from matting_keras.data.trimap import unknown_band

jax = pytest.importorskip("jax", reason="jax is not installed; pip install jax")

from benchmarks.gpu import augment, batches, jpeg, photos, scenes  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
STILL = replace(
    AugmentConfig(zoom=(1.0, 1.0)),
    **{key: 0.0 for key in asdict(AugmentConfig()) if key != "zoom"},
)
SETTINGS = {
    "default": AugmentConfig(),
    "still": STILL,
    "mirrored": replace(STILL, flip=1.0),
    "far outside": AugmentConfig(zoom=(0.3, 0.5), rotate=80.0, shift=0.6),
}


def draws(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, count).astype("float32")


def picture(height: int, width: int, channels: int, seed: int = 0) -> np.ndarray:
    """Smooth noise, so that a hundredth of a pixel does not decide its values."""
    small = np.random.default_rng(seed).integers(0, 256, (8, 8, channels), "uint8")
    return tf.image.resize(small, (height, width)).numpy().astype("uint8")


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("name", SETTINGS)
def test_warp_is_that_of_the_training_pipeline(name, channels):
    config = SETTINGS[name]
    arrays = [picture(48, 64, channels), picture(90, 40, channels, 1)]
    stored = photos.upload(arrays, [False, False])
    seeds = [tf.constant([3, k]) for k in range(6)]
    draw = np.stack([tf.random.stateless_uniform((5,), seed, -1.0, 1.0) for seed in seeds])
    index = np.arange(6) % 2
    found = augment.warp(stored, index, draw, (32, 64), config)
    for one, i, seed in zip(found, index, seeds, strict=True):
        wanted = slow.warp(tf.constant(arrays[i]), tf.constant([32, 64]), config, seed)
        # Where the reflection turns, a rounding error of the place shows in full.
        assert np.abs(one - wanted).mean() < 0.02
        assert np.quantile(np.abs(one - wanted), 0.99) < 0.1


@pytest.mark.parametrize("channels", [1, 3])
def test_recolour_is_that_of_the_training_pipeline(channels):
    config = AugmentConfig(blur=0.6, noise=0.6, jpeg=0.0, grayscale=0.5)
    images = np.stack([picture(32, 48, channels, k) for k in range(8)]).astype("float32")
    seeds = [tf.constant([5, k]) for k in range(8)]
    uniform = tf.random.stateless_uniform
    found = augment.recolour(
        images,
        np.stack([uniform((12,), seed, -1.0, 1.0) for seed in seeds]),
        np.stack([uniform((2,), seed + 1, -1.0, 1.0) for seed in seeds]),
        np.stack([tf.random.stateless_normal(images.shape[1:], seed + 3) for seed in seeds]),
        np.full(8, 50.0, "float32"),
        config,
    )
    wanted = [slow.recolour(tf.constant(i), config, s) for i, s in zip(images, seeds, strict=True)]
    np.testing.assert_allclose(found, np.stack(wanted), atol=0.02)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("quality", [30, 60, 94])
def test_jpeg_is_what_a_file_would_do(channels, quality):
    image = picture(64, 96, channels)
    noisy = np.clip(image + np.random.default_rng(0).normal(0, 6, image.shape), 0, 255)
    image = np.round(noisy).astype("uint8")
    buffer = io.BytesIO()
    Image.fromarray(image.squeeze()).save(buffer, "JPEG", quality=quality)
    wanted = np.asarray(Image.open(buffer), "float32").reshape(image.shape)
    found = jpeg.compressed(image[None].astype("float32"), np.array([quality], "float32"))[0]
    assert np.abs(found - wanted).mean() < 0.3 * np.abs(wanted - image).mean()


def test_composites_are_those_of_the_training_pipeline():
    rng = np.random.default_rng(0)
    image, scene = rng.uniform(0, 255, (2, 1, 20, 24, 3)).astype("float32")
    alpha = np.zeros((1, 20, 24, 1), "float32")
    alpha[:, 5:15, 6:18] = 1
    seed = tf.constant([1, 2])
    light = tf.random.stateless_uniform((), seed, -1.0, 1.0).numpy()[None]
    for rough in (False, True):
        wanted = compose.over(image[0], alpha[0], scene[0], tf.constant(rough), seed)
        found = scenes.over(image, alpha, scene, np.array([rough]), light)
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(one[0], other, atol=1e-3)


def test_composites_get_harder_step_by_step():
    scene, colour = np.full((1, 4, 4, 1), 200.0), np.full((1, 1, 1, 1), 100.0)
    shown = [scenes.eased(scene, scenes.hardness(np.int32(s), 5), colour) for s in (0, 24, 50, 99)]
    assert [round(float(one.mean())) for one in shown] == [100, 140, 200, 200]


def test_band_is_the_trimaps_but_for_its_corners():
    alpha = np.hypot(*np.mgrid[-32:32, -32:32]).astype("float32")
    alpha = np.clip((20 - alpha) / 2, 0, 1)
    found = np.array(scenes.unknown_band(alpha[None, ..., None], 3))[0, ..., 0].astype(bool)
    wanted = unknown_band(alpha, 3)
    assert (found | wanted == found).all()
    assert (found & ~wanted).mean() < 0.06
    assert not np.array(scenes.unknown_band(np.ones((1, 16, 16, 1), "float32"), 3)).any()


def a_batch(config, people, behind):
    index = np.arange(len(people.start), dtype="int32")
    key = jax.random.key(7)

    @jax.jit
    def made(people, behind):
        return batches.batch(people, behind, index, np.int32(3), key, (32, 32), config)

    return made(people, behind)


def test_alpha_rides_with_the_photo_through_every_change_of_place():
    arrays = [np.repeat(picture(40, 50, 1, k), 2, -1) for k in range(16)]  # gray is the alpha
    moving = replace(STILL, flip=0.5, zoom=(0.6, 1.6), rotate=30.0, shift=0.2)
    image, alpha = a_batch(moving, photos.upload(arrays, [False] * 16), None)
    np.testing.assert_allclose(image, alpha * 255, atol=0.03)
    assert np.std(np.array(image).reshape(16, -1), axis=0).mean() > 20


def test_batches_have_their_share_of_composites_and_of_empty_scenes():
    white = np.full((40, 40, 2), 255, "uint8")
    white[:, :20, 1] = 0
    people = photos.upload([white] * 400, [False] * 400)
    behind = photos.upload([np.zeros((40, 40, 2), "uint8")], [False])
    config = replace(STILL, composite=0.3, empty=0.1)
    image, alpha = (np.array(part)[:, 16] for part in a_batch(config, people, behind))
    empty = alpha.max((1, 2)) == 0
    replaced = image[:, 0, 0] < 1
    assert 0.05 < empty.mean() < 0.16
    assert 0.3 < replaced.mean() < 0.5
    assert image[empty].max() < 0.1
    kept = image[replaced & ~empty][:, -1, 0]
    assert ((kept > 0.84 * 255) & (kept <= 255)).all()
    np.testing.assert_array_equal(image[~replaced], 255)


def test_a_plan_takes_everybody_in_turn_and_can_be_taken_up():
    wanted = np.array([0] * 30 + [2] * 10)
    places = np.arange(40)
    plan, again = (batches.Plan(wanted, places, 7, seed=1) for _ in range(2))
    groups = [plan.take() for _ in range(60)]
    for shape in (0, 2):
        taken = np.concatenate([photos for bucket, photos in groups if bucket == shape])
        assert (wanted[taken] == shape).all()
        counts = np.bincount(taken, minlength=40)[wanted == shape]
        assert counts.max() - counts.min() <= 1
    again.skip(33)
    shape, found = again.take()
    assert shape == groups[33][0]
    np.testing.assert_array_equal(found, groups[33][1])
