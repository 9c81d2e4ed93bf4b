"""Steps that turn every direction of a kernel equally far."""

import json

import keras
import numpy as np
import pytest

from matting_keras.training.convolution_muon import ConvolutionMuon

RATE = 1e-2


def step(shape, optimizer, seed=0):
    """How far one step moves a variable under a random gradient, and that gradient."""
    variable = keras.Variable(np.zeros(shape, "float32"))
    gradient = np.random.default_rng(seed).normal(size=shape).astype("float32")
    gradient *= np.linspace(0.2, 1, shape[-1], dtype="float32")
    optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
    return keras.ops.convert_to_numpy(variable), gradient


@pytest.mark.parametrize("shape", [(3, 3, 16, 24), (3, 1, 8, 64), (1, 1, 32, 32)])
def test_a_step_goes_equally_far_in_every_direction_of_a_kernel(shape):
    moved, gradient = step(shape, ConvolutionMuon(RATE))
    reached = np.linalg.svd(moved.reshape(-1, shape[-1]), compute_uv=False)
    asked = np.linalg.svd(gradient.reshape(-1, shape[-1]), compute_uv=False)
    # Five rounds of Newton-Schulz bring every singular value between 0.7 and 1.2.
    assert reached.max() / reached.min() < 1.8
    assert asked.max() / asked.min() > 3
    assert (moved * gradient).sum() < 0


@pytest.mark.parametrize("shape", [(3, 3, 16, 24), (3, 3, 64, 8), (1, 3, 8, 32)])
def test_a_step_is_as_large_as_one_of_adam(shape):
    moved, _ = step(shape, ConvolutionMuon(RATE))
    assert np.sqrt(np.square(moved).mean()) == pytest.approx(0.2 * RATE, rel=0.3)


@pytest.mark.parametrize("shape", [(16,), (1, 1, 8, 1), (3, 3, 1, 4)])
def test_what_has_no_directions_to_even_out_is_left_to_adam(shape):
    moved, _ = step(shape, ConvolutionMuon(RATE))
    adam, _ = step(shape, keras.optimizers.Adam(RATE))
    np.testing.assert_allclose(moved, adam, rtol=1e-5)


def test_weights_shrink_only_where_that_is_asked_for():
    optimizers = ConvolutionMuon(RATE), ConvolutionMuon(RATE, weight_decay=0.1)
    kept, shrunk = (keras.Variable(np.ones((3, 3, 8, 8), "float32")) for _ in range(2))
    for optimizer, variable in zip(optimizers, (kept, shrunk), strict=True):
        optimizer.apply([variable * 0], [variable])
    np.testing.assert_array_equal(kept, 1)
    np.testing.assert_allclose(shrunk, 1 - 0.1 * RATE, rtol=1e-6)


def test_it_comes_back_out_of_its_configuration():
    optimizer = ConvolutionMuon(RATE, momentum=0.9, use_ema=True)
    stored = json.loads(json.dumps(keras.saving.serialize_keras_object(optimizer)))
    assert keras.saving.deserialize_keras_object(stored).get_config() == optimizer.get_config()


def test_it_learns_in_half_precision():
    keras.utils.set_random_seed(0)
    layers = [keras.Input((16, 16, 3)), keras.layers.Conv2D(8, 3), keras.layers.Conv2D(1, 3)]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.LossScaleOptimizer(ConvolutionMuon(RATE)), "mse")
    x = np.random.default_rng(0).normal(size=(4, 16, 16, 3)).astype("float32")
    y = x[:, 2:-2, 2:-2, :1]
    losses = [model.train_on_batch(x, y) for _ in range(30)]
    assert losses[-1] < losses[0] / 4
