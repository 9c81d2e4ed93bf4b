"""Published weights whose norms are folded, before and after they may normalise again."""

import keras
import numpy as np
import pytest
from keras import layers

from matting_keras.architectures.registry import ARCHITECTURES
from matting_keras.training.command import overrides, parser, read_config
from matting_keras.training.setup import checked_loss, seeded, set_up
from matting_keras.weights.files import save
from matting_keras.weights.folded_norms import unfold
from matting_keras.weights.state_dict import identity_norm
from tests.places import ROOT
from tests.toy import TOYS, still

RNG = np.random.default_rng(0)


def folded(depth=4):
    """Convolutions whose norms only add a bias, as an .onnx file gives them back."""
    keras.utils.set_random_seed(0)
    image = x = keras.Input((None, None, 3), name="image")
    x = layers.Rescaling(1 / 255, name="scale")(x)
    for step in range(depth):
        x = layers.Conv2D(8, 3, padding="same", use_bias=False, name=f"conv{step}")(x)
        x = layers.ReLU(name=f"relu{step}")(layers.BatchNormalization(name=f"norm{step}")(x))
    alpha = layers.Conv2D(1, 1, activation="sigmoid", dtype="float32", name="alpha")(x)
    model = keras.Model(image, alpha)
    for norm in norms_of(model):
        values = identity_norm(norm, RNG.normal(0, 0.2, 8).astype("float32"))
        norm.set_weights(list(values.values()))
    return model


def norms_of(model):
    return [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]


@pytest.fixture
def images():
    return RNG.uniform(0, 255, (4, 24, 32, 3)).astype("float32")


def test_what_the_network_gives_stays_and_training_begins_there(images):
    model = folded()
    before = np.array(model(images))
    in_training = np.array(model(images, training=True))
    assert np.abs(in_training - before).mean() > 0.05  # folded, norms make it another network
    model = folded()
    before = np.array(model(images))
    assert unfold(model, images) == [f"norm{step}" for step in range(4)]
    np.testing.assert_allclose(np.array(model(images)), before, atol=1e-5)
    np.testing.assert_allclose(np.array(model(images, training=True)), before, atol=1e-4)


def test_norms_that_have_learned_or_not_begun_or_are_frozen_stay(images):
    model = folded()
    learned, fresh, frozen, _ = norms_of(model)
    learned.moving_variance.assign(learned.moving_variance * 2)
    fresh.set_weights([np.ones(8), np.zeros(8), np.zeros(8), np.ones(8)])
    frozen.trainable = False
    before = [np.array(w) for norm in (learned, fresh, frozen) for w in norm.weights]
    assert unfold(model, images) == ["norm3"]
    after = [np.array(w) for norm in (learned, fresh, frozen) for w in norm.weights]
    for now, then in zip(after, before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_a_second_time_changes_nothing(images):
    model = folded()
    unfold(model, images)
    assert unfold(model, images) == []


def test_a_silent_channel_stays_silent(images):
    model = folded()
    kernel = np.array(model.get_layer("conv0").kernel)
    kernel[..., 0] = 0
    model.get_layer("conv0").kernel.assign(kernel)
    before = np.array(model(images))
    unfold(model, images)
    assert all(np.isfinite(w).all() for norm in norms_of(model) for w in norm.get_weights())
    np.testing.assert_allclose(np.array(model(images, training=True)), before, atol=1e-4)


def test_under_half_precision_statistics_are_whole(images):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = folded()
        alpha = np.array(model(images), "float32")
        unfold(model, images)
        np.testing.assert_allclose(np.array(model(images), "float32"), alpha, atol=0.03)
    finally:
        keras.config.set_dtype_policy(before)


def test_a_run_begins_with_norms_that_normalise(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(ARCHITECTURES, "still", TOYS["still"])
    source = still()
    norm = source.get_layer("norm")
    norm.set_weights(list(identity_norm(norm, np.full(6, 0.1, "float32")).values()))
    save(source, tmp_path / "folded.keras")
    line = f"--arch still --weights {tmp_path}/folded.keras data.synthetic=24 data.area=4096"
    words = parser().parse_args(
        [*line.split(), "trainer.batch_size=2", "trainer.precision=float32"]
    )
    config = read_config(ROOT / "train" / "configs", overrides(words))
    with caplog.at_level("INFO"), seeded(config):
        network = set_up(config, checked_loss(config)).learner.network
    assert "folded.keras: norms that are folded in it normalise again, 1 of them" in caplog.text
    image = RNG.uniform(0, 255, (2, 64, 64, 1)).astype("float32")
    np.testing.assert_allclose(np.array(network(image)), np.array(source(image)), atol=1e-5)
    assert np.all(np.array(network.get_layer("norm").moving_mean) != 0)
