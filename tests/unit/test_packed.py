"""Packs, and the batches that the device makes of them, against the pipeline's own."""

from __future__ import annotations

import io
from dataclasses import asdict, replace

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from matting_keras.data import augment as slow
from matting_keras.data import compose
from matting_keras.data.packed import colour, draws, jpeg, scenes
from matting_keras.data.packed.augment import Augment
from matting_keras.data.packed.bank import Bank, read
from matting_keras.data.packed.batches import HeldBatches, TrainingBatches
from matting_keras.data.packed.inputs import endless, finite
from matting_keras.data.packed.warp import warp
from matting_keras.data.pipeline import training_batches, validation_batches
from matting_keras.data.placement import Person
from matting_keras.data.sample import Sample
from matting_keras.data.store import Store
from matting_keras.data.strengths import AugmentConfig
from matting_keras.errors import InputError

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


def picture(height: int, width: int, channels: int, seed: int = 0) -> np.ndarray:
    """Smooth noise, so that a hundredth of a pixel does not decide its values."""
    small = np.random.default_rng(seed).integers(0, 256, (8, 8, channels), "uint8")
    return tf.image.resize(small, (height, width)).numpy().astype("uint8")


def stored(arrays: list[np.ndarray], **facts) -> Store:
    """A store of photos as they are, alpha last."""

    def sample(number: int, array: np.ndarray) -> Sample:
        rgb = np.repeat(array[..., :1], 3, -1) if array.shape[-1] == 2 else array[..., :3]
        alpha = array[..., -1] / np.float32(255)
        return Sample(f"photo {number}", lambda: (rgb, alpha), person=str(number), **facts)

    samples = [sample(n, array) for n, array in enumerate(arrays)]
    return Store(samples, arrays[0].shape[-1] - 1, 10**6)


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("name", SETTINGS)
def test_warp_is_that_of_the_pipeline(name, channels):
    config = SETTINGS[name]
    arrays = [picture(48, 64, channels), picture(90, 40, channels, 1)]
    seeds = [tf.constant([3, k]) for k in range(6)]
    draw = np.stack([tf.random.stateless_uniform((5,), seed, -1.0, 1.0) for seed in seeds])
    index = np.arange(6) % 2
    found = warp(Bank(stored(arrays)).take(index), draw, (32, 64), config)
    for one, i, seed in zip(found.numpy(), index, seeds, strict=True):
        wanted = slow.warp(tf.constant(arrays[i]), tf.constant([32, 64]), config, seed)
        # Where the reflection turns, a rounding error of the place shows in full.
        assert np.abs(one - wanted).mean() < 0.02
        assert np.quantile(np.abs(one - wanted), 0.99) < 0.1


@pytest.mark.parametrize("name", SETTINGS)
def test_warp_of_people_is_that_of_the_pipeline(name):
    config = SETTINGS[name]
    arrays = [picture(48, 64, 4), picture(90, 40, 4, 1)]
    arrays[0][0, :, -1] = 0
    seeds, anew = [tf.constant([3, k]) for k in range(8)], np.arange(8) > 3
    index = np.arange(8) % 2
    photos = Bank(stored(arrays)).take(index)
    uniform = tf.random.stateless_uniform
    draw = np.stack([uniform((5,), seed, -1.0, 1.0) for seed in seeds])
    body = np.stack([uniform((2,), seed + 29) for seed in seeds])
    found = warp(photos, draw, (32, 64), config, Person(photos["cut"], anew, body)).numpy()
    for one, i, seed, cut, new in zip(found, index, seeds, photos["cut"], anew, strict=True):
        shape = tf.constant([32, 64])
        wanted = slow.warp(tf.constant(arrays[i]), shape, config, seed, tf.constant(cut), new)
        assert np.abs(one - wanted).mean() < 0.02
        assert np.quantile(np.abs(one - wanted), 0.99) < 0.1


@pytest.mark.parametrize("channels", [1, 3])
def test_recolour_is_that_of_the_pipeline(channels):
    config = AugmentConfig(blur=0.6, noise=0.6, jpeg=0.0, grayscale=0.5)
    images = np.stack([picture(32, 48, channels, k) for k in range(8)]).astype("float32")
    seeds = [tf.constant([5, k]) for k in range(8)]
    uniform = tf.random.stateless_uniform
    found = colour.recolour(
        tf.constant(images),
        tf.stack([uniform((12,), seed, -1.0, 1.0) for seed in seeds]),
        tf.stack([uniform((2,), seed + 1, -1.0, 1.0) for seed in seeds]),
        tf.stack([tf.random.stateless_normal(images.shape[1:], seed + 3) for seed in seeds]),
        tf.fill(8, 50.0),
        config,
    )
    wanted = [slow.recolour(tf.constant(i), config, s) for i, s in zip(images, seeds, strict=True)]
    np.testing.assert_allclose(found, np.stack(wanted), atol=0.02)


@pytest.mark.parametrize("channels", [1, 3])
def test_light_of_their_own_is_that_of_the_pipeline(channels):
    config = AugmentConfig(relight=0.6)
    images = np.stack([picture(32, 48, channels, k) for k in range(8)]).astype("float32")
    alphas = np.random.default_rng(0).uniform(0, 1, (8, 32, 48, 1)).astype("float32")
    seeds = [tf.constant([5, k]) for k in range(8)]
    draw = tf.stack([tf.random.stateless_uniform((9,), seed, -1.0, 1.0) for seed in seeds])
    found = colour.relight(tf.constant(images), tf.constant(alphas), draw, config)
    each = zip(images, alphas, seeds, strict=True)
    wanted = [slow.relight(tf.constant(i), tf.constant(a), config, s) for i, a, s in each]
    np.testing.assert_allclose(found, np.stack(wanted), atol=0.02)
    assert 0 < np.any(found != images, axis=(1, 2, 3)).mean() < 1


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("quality", [30, 60, 94])
def test_jpeg_is_what_a_file_would_do(channels, quality):
    image = picture(64, 96, channels)
    noisy = np.clip(image + np.random.default_rng(0).normal(0, 6, image.shape), 0, 255)
    image = np.round(noisy).astype("uint8")
    buffer = io.BytesIO()
    Image.fromarray(image.squeeze()).save(buffer, "JPEG", quality=quality)
    wanted = np.asarray(Image.open(buffer), "float32").reshape(image.shape)
    found = jpeg.compressed(tf.constant(image[None], tf.float32), tf.constant([float(quality)]))[0]
    assert np.abs(found - wanted).mean() < 0.3 * np.abs(wanted - image).mean()


def test_composites_are_those_of_the_pipeline():
    rng = np.random.default_rng(0)
    image, scene = rng.uniform(0, 255, (2, 1, 20, 24, 3)).astype("float32")
    alpha = np.zeros((1, 20, 24, 1), "float32")
    alpha[:, 5:15, 6:18] = 1
    seed = tf.constant([1, 2])
    light = tf.random.stateless_uniform((), seed, -1.0, 1.0)[None]
    for rough in (False, True):
        wanted = compose.over(image[0], alpha[0], scene[0], tf.constant(rough), seed)
        found = scenes.over(image, alpha, scene, tf.constant([rough]), light)
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(one[0], other, atol=1e-3)


def test_composites_get_harder_as_in_the_pipeline():
    store = stored([picture(32, 32, 2, k) for k in range(8)])
    batches = TrainingBatches(store, [(32, 32)] * 8, [(32, 32)], 2, seed=0, scenes=store, ramp=5)
    for step in (0, 4, 5, 24, 50, 99):
        wanted = [float(compose.hardness(tf.constant(2 * step + i), 10)) for i in range(2)]
        np.testing.assert_allclose(batches[step]["hard"], wanted, atol=1e-7)
    scene, flat = np.full((2, 4, 4, 1), 200.0, "float32"), np.full((2, 1), 100.0, "float32")
    shown = scenes.eased(scene, np.array([0.0, 0.4], "float32"), flat)
    np.testing.assert_allclose(np.array(shown).mean((1, 2, 3)), [100, 140], rtol=1e-6)


def test_rows_follow_from_seed_and_number_alone_and_are_even():
    numbers = np.arange(20_000)
    found = draws.rows(1, numbers)
    np.testing.assert_array_equal(found[[7, 19_000]], draws.rows(1, np.array([7, 19_000])))
    assert not np.isclose(found, draws.rows(2, numbers)).mean() > 1e-3
    assert found.min() >= 0
    assert found.max() < 1
    counts = np.stack([np.bincount((c * 10).astype(int), minlength=10) for c in found.T])
    assert (np.abs(counts - 2000) < 6 * np.sqrt(2000)).all()
    off = np.corrcoef(found.T) - np.eye(draws.WIDTH)
    assert np.abs(off).max() < 0.04
    assert np.abs(np.corrcoef(found[:-1, 0], found[1:, 0])[0, 1]) < 0.03
    keys = draws.keys(1, numbers)
    assert keys.dtype == np.int32
    assert len(np.unique(keys)) > 19_990


def test_grain_is_noise_of_deviation_one():
    found = np.array(colour.grain(tf.constant([5, -7, 6]), (64, 48, 3)))
    assert found.shape == (3, 64, 48, 3)
    np.testing.assert_allclose(found.mean((1, 2, 3)), 0, atol=0.05)
    np.testing.assert_allclose(found.std((1, 2, 3)), 1, atol=0.02)
    flat = found.reshape(3, -1)
    assert np.abs(np.corrcoef(flat) - np.eye(3)).max() < 0.04
    assert abs(np.corrcoef(flat[0, :-1], flat[0, 1:])[0, 1]) < 0.04


def test_a_bank_gives_every_pixel_back():
    arrays = [picture(7, 5, 4), picture(3, 9, 4, 1)]
    bank = Bank(stored(arrays))
    photos = bank.take(np.array([1, 0]))
    for place, (number, array) in enumerate(((1, arrays[1]), (0, arrays[0]))):
        rows, columns = np.mgrid[: array.shape[0], : array.shape[1]].astype("int32")
        both = [np.stack([part] * 2) for part in (rows, columns)]
        found = np.array(read(photos, *both))[place]
        np.testing.assert_array_equal(found, arrays[number])
    twice = stored(arrays)
    twice.samples = [twice.samples[i] for i in (0, 1, 0)]
    assert Bank(twice).nbytes == bank.nbytes
    assert len(Bank(twice)) == 3


def made(config: AugmentConfig, people: Store, behind: Store | None, batch_size: int) -> tuple:
    sizes = [people[i].shape[:2] for i in range(len(people))]
    batches = TrainingBatches(people, sizes, [(32, 32)], batch_size, seed=7, scenes=behind)
    image, target = Augment(config)(batches[3])
    return np.array(image), {name: np.array(part) for name, part in target.items()}


def test_alpha_rides_with_the_photo_through_every_change_of_place():
    arrays = [np.repeat(picture(40, 50, 1, k), 2, -1) for k in range(16)]  # gray is the alpha
    moving = replace(STILL, flip=0.5, zoom=(0.6, 1.6), rotate=30.0, shift=0.2)
    image, target = made(moving, stored(arrays), None, 16)
    np.testing.assert_allclose(image, target["alpha"] * 255, atol=0.03)
    assert np.std(image.reshape(16, -1), axis=0).mean() > 20


def test_batches_have_their_share_of_composites_and_of_empty_scenes():
    white = np.full((40, 40, 2), 255, "uint8")
    white[:, :20, 1] = 0
    behind = stored([np.zeros((40, 40, 2), "uint8")])
    config = replace(STILL, composite=0.3, empty=0.1)
    image, target = made(config, stored([white] * 400, rough=True), behind, 400)
    image, alpha = image[:, 16], target["alpha"][:, 16]
    empty = alpha.max((1, 2)) == 0
    replaced = image[:, 0, 0] < 1
    assert 0.05 < empty.mean() < 0.16
    assert 0.3 < replaced.mean() < 0.5
    assert image[empty].max() < 0.1
    kept = image[replaced & ~empty][:, -1, 0]
    assert ((kept > 0.84 * 255) & (kept <= 255)).all()
    np.testing.assert_array_equal(image[~replaced], 255)
    np.testing.assert_array_equal(target["refined"], replaced)


def test_empty_scenes_are_seen_in_any_light():
    config = replace(STILL, empty=1.0)
    people = stored([np.full((40, 40, 2), 255, "uint8")] * 100)
    scene = stored([np.full((40, 40, 2), 200, "uint8")])
    options = {"seed": 0, "config": config, "scenes": scene, "targets": True}
    piped = training_batches(people, [(40, 40)] * 100, [(40, 40)], 100, **options)
    for image, target in (made(config, people, scene, 100), next(iter(piped))):
        assert not np.any(target["alpha"])
        levels = np.mean(image, (1, 2, 3))
        assert levels.min() < 20 and levels.max() > 180 and 80 < levels.mean() < 120


def test_cut_outs_are_always_put_in_front_of_a_scene():
    white = np.full((40, 40, 2), 255, "uint8")
    people = stored([white] * 16, cutout=True)
    people.samples = [
        replace(s, read=lambda: (np.full((40, 40, 3), 255, "uint8"), np.zeros((40, 40), "float32")))
        for s in people.samples
    ]
    image, _ = made(STILL, people, stored([np.zeros((40, 40, 2), "uint8")]), 16)
    assert image.max() < 1
    with pytest.raises(InputError, match="--backgrounds"):
        made(STILL, people, None, 16)


def test_still_batches_are_those_of_the_pipeline():
    """Order, shapes, targets and rough masks: all but the random numbers."""
    shapes = [(64, 32), (32, 64)]
    arrays = [picture(70, 40, 4, k) if k % 3 else picture(36, 66, 4, k) for k in range(12)]
    store, sizes = stored(arrays, rough=True), [array.shape[:2] for array in arrays]
    options = {"seed": 5, "config": STILL, "targets": True, "first_step": 1}
    theirs = training_batches(store, sizes, shapes, 3, **options)
    batches = TrainingBatches(store, sizes, shapes, 3, seed=5)
    layer = Augment(STILL)
    for (image, target), (ours,), _ in zip(theirs, endless(batches, 1), range(5), strict=False):
        found, truth = layer(ours)
        assert np.abs(found - image).mean() < 0.02
        assert set(truth) == set(target)
        np.testing.assert_array_equal(truth["refined"], target["refined"])
        assert np.abs(truth["alpha"] - target["alpha"]).mean() < 1e-4
        assert (truth["unknown"] != target["unknown"]).numpy().mean() < 1e-3


def test_validation_is_that_of_the_pipeline():
    shapes = [(64, 32), (32, 64)]
    arrays = [picture(70, 40, 2, k) if k % 3 else picture(36, 66, 2, k) for k in range(7)]
    store, sizes = stored(arrays), [array.shape[:2] for array in arrays]
    theirs = list(validation_batches(store, sizes, shapes, 2, targets=True))
    ours = list(finite(HeldBatches(store, sizes, shapes, 2)))
    assert len(ours) == len(theirs) == 4
    for (batch,), (image, target) in zip(ours, theirs, strict=True):
        found, truth = Augment(AugmentConfig())(batch)
        np.testing.assert_array_equal(found, image)
        for name, wanted in target.items():
            np.testing.assert_allclose(truth[name], wanted, atol=1e-6)
