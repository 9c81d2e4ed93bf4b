"""The quick BatchNormalization of training against Keras' own."""

import keras
import numpy as np
import pytest

from matting_keras import build
from matting_keras.training.norms import normalised, quicken, slow_down

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="only TensorFlow has the operation"
)


def maps(seed=0, shape=(3, 6, 10, 4)):
    """Channels of different means and spreads, so that mixed-up axes show."""
    random = np.random.default_rng(seed)
    spread = np.array([0.1, 1, 5, 30], "float32")
    return (random.normal(0, 1, shape) * spread + 3 * spread).astype("float32")


def norm(**options):
    """A norm whose scale and shift are not those it starts with."""
    layer = keras.layers.BatchNormalization(**options)
    layer.build((None, None, None, 4))
    if layer.gamma is not None:
        layer.gamma.assign([0.5, 1, 2, -1])
        layer.beta.assign([0, 1, -1, 3])
    return layer


def step(layer, inputs):
    """Outputs, gradients of inputs, scale and shift, and the moving statistics after a step."""
    given = tf.constant(inputs)
    with tf.GradientTape() as tape:
        tape.watch(given)
        outputs = layer(given, training=True)
        total = tf.reduce_sum(tf.sin(tf.cast(outputs, "float32")))
    watched = [given, layer.gamma.value, layer.beta.value]
    gradients = tape.gradient(total, watched)
    found = [outputs, *gradients, layer.moving_mean.value, layer.moving_variance.value]
    return [np.asarray(tf.cast(value, "float32")) for value in found]


def quick(layer):
    """A network of one norm, quickened; its norm."""
    inputs = keras.Input((None, None, 4))
    quicken(keras.Model(inputs, layer(inputs)))
    return layer


@pytest.mark.parametrize("options", [{}, {"epsilon": 1e-5, "momentum": 0.9}])
def test_same_outputs_gradients_and_statistics(options):
    inputs = maps()
    expected, found = step(norm(**options), inputs), step(quick(norm(**options)), inputs)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(other, one, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_keeps_statistics_in_float32(policy):
    layer = quick(norm(dtype=policy, momentum=0.0))
    inputs = maps()
    outputs = layer(tf.cast(inputs, policy.removeprefix("mixed_")), training=True)
    assert keras.backend.standardize_dtype(outputs.dtype) == policy.removeprefix("mixed_")
    rounded = np.asarray(tf.cast(tf.cast(inputs, policy.removeprefix("mixed_")), "float32"))
    np.testing.assert_allclose(layer.moving_mean, rounded.mean((0, 1, 2)), rtol=1e-4)
    np.testing.assert_allclose(layer.moving_variance, rounded.var((0, 1, 2)), rtol=1e-4)


def test_without_training_nothing_moves():
    layer, inputs = norm(), maps()
    expected = layer(inputs, training=False)
    quick(layer)
    np.testing.assert_array_equal(layer(inputs, training=False), expected)
    assert not np.asarray(layer.moving_mean).any()


def test_frozen_norms_use_their_moving_statistics():
    layer, inputs = quick(norm()), maps()
    layer.trainable = False
    np.testing.assert_array_equal(layer(inputs, training=True), layer(inputs, training=False))


@pytest.mark.parametrize(
    "options", [{"scale": False}, {"center": False}, {"axis": 1}, {"renorm": True}]
)
def test_other_norms_keep_keras_way(options):
    layer = keras.layers.BatchNormalization(**options)
    inputs = keras.Input((4, 4, 4))
    quicken(keras.Model(inputs, layer(inputs)))
    assert "call" not in vars(layer)


def test_masked_batches_keep_keras_way():
    layer, inputs = norm(), maps()
    mask = tf.constant(np.arange(180).reshape(3, 6, 10) % 2 == 0)
    expected = layer.call(inputs, training=True, mask=mask)
    other = norm()
    found = normalised(other, inputs, training=True, mask=mask)
    np.testing.assert_array_equal(found, expected)


def test_slowing_down_gives_keras_way_back():
    layer = quick(norm())
    assert "call" in vars(layer)
    slow_down(layer)
    assert "call" not in vars(layer)
    slow_down(layer)  # nothing to give back


@pytest.mark.parametrize("name", ["dark-light", "night", "modnet"])
def test_whole_networks_learn_as_before(name):
    images = np.random.default_rng(1).uniform(0, 255, (2, 64, 64, build(name).input_shape[-1]))
    outputs, moved = [], []
    for change in (lambda network: None, quicken):
        keras.utils.set_random_seed(3)
        network = build(name, asymmetric=True, branch_norm=name == "dark-light")
        change(network)
        outputs.append(np.asarray(network(images.astype("float32"), training=True)))
        moved.append([np.asarray(weight) for weight in network.non_trainable_weights])
    np.testing.assert_allclose(outputs[1], outputs[0], atol=2e-4)
    for one, other in zip(*moved, strict=True):
        np.testing.assert_allclose(other, one, rtol=2e-3, atol=2e-4)


def test_a_quickened_network_is_saved_as_what_it_was(tmp_path):
    network = build("dark-light")
    quicken(network)
    network.save(tmp_path / "quick.keras")
    again = keras.saving.load_model(tmp_path / "quick.keras")
    norms = [part for part in again.layers if isinstance(part, keras.layers.BatchNormalization)]
    assert norms
    assert all("call" not in vars(part) for part in norms)
    assert all(type(part) is keras.layers.BatchNormalization for part in norms)
