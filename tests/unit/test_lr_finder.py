import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from matting_keras.errors import InputError
from matting_keras.training.lr_finder import judged, range_test, smooth
from matting_keras.training.schedules import CycledAdam, OneCycle, OneCycleMomentum
from tests.places import ROOT


def quadratic(optimizer=None, **options) -> keras.Model:
    """Least squares: gradient descent diverges above a rate of 1, and is fastest at 0.5."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(optimizer or keras.optimizers.SGD(0.01), "mse", **options)
    model.set_weights([np.array([[5.0]])])
    return model


ONES = [(np.ones((4, 1), "float32"), np.ones((4, 1), "float32"))]


def restless(optimizer, **options) -> keras.Model:
    """Everything that a step changes: weights, moving statistics, generators, metrics."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(1),
        ]
    )
    model.compile(optimizer, "mse", metrics=["mae"], **options)
    return model


def batches(count: int = 4) -> list:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, 16, 6)).astype("float32")
    return [(part, part.sum(-1, keepdims=True)) for part in x]


OPTIMIZERS = {
    "a number": lambda: keras.optimizers.Adam(1e-3, amsgrad=True, use_ema=True),
    "a schedule": lambda: CycledAdam(OneCycle(1e-3, 50), momentum=OneCycleMomentum(50)),
    "a function": lambda: keras.optimizers.SGD(lambda: 1e-2, momentum=0.9),
    "half precision": lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.Adam(OneCycle(1e-3, 50))
    ),
}


def test_a_quadratic_is_judged_as_its_theory_says():
    # Two targets in turn: at the exact optimum of one, no rate would ever make it worse.
    data = [(x, y + shift) for x, y in ONES for shift in (-0.5, 0.5)]
    found = range_test(quadratic(), data, low=1e-4, high=100)
    assert found.ended == "diverged"
    # It overshoots from 0.5 on and grows from 1 on; what the two targets ask apart, a bit earlier.
    assert 0.5 < found.divergence < 2
    assert 0.005 < found.steepest < 0.5
    assert found.conservative == found.divergence / 10
    assert found.suggestion == min(found.steepest, found.conservative)
    weight = quadratic()
    weight.optimizer.learning_rate = found.suggestion
    losses = [weight.train_on_batch(*ONES[0]) for _ in range(60)]
    assert losses[-1] < 0.01 * losses[0]


def test_rates_go_up_the_ramp():
    options = {"low": 1e-4, "high": 1e-2, "steps": 11}
    found = range_test(quadratic(), ONES, **options)
    assert found.ended == "complete"
    assert found.divergence is found.conservative is None
    assert found.rates == pytest.approx(np.geomspace(1e-4, 1e-2, 11))
    linear = range_test(quadratic(), ONES, ramp="linear", **options)
    assert linear.rates == pytest.approx(np.linspace(1e-4, 1e-2, 11))
    scheduled = quadratic(keras.optimizers.SGD(OneCycle(1e-3, 50)))
    assert range_test(scheduled, ONES, **options).rates == pytest.approx(found.rates, rel=1e-5)
    assert range_test(scheduled, ONES, **options).losses == pytest.approx(found.losses, rel=1e-5)


def test_the_rates_are_used_and_the_losses_are_of_each_step_alone():
    found = range_test(quadratic(), ONES, low=1e-2, high=0.1, steps=10, smoothing=0)
    weight, wanted = 5.0, []
    for rate in found.rates:
        wanted.append((weight - 1) ** 2)
        weight -= rate * 2 * (weight - 1)
    assert found.losses == pytest.approx(wanted, rel=1e-4)
    assert found.smoothed == found.losses


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_everything_is_put_back_to_the_bit(kind):
    model, twin = (
        restless(OPTIMIZERS[kind](), jit_compile=kind == "half precision") for _ in range(2)
    )
    data = batches()
    for each in (model, twin):
        for batch in data[:3]:
            each.train_on_batch(*batch)

    def state():
        parts = [*model.variables, *model.metrics_variables, *model.optimizer.variables]
        return [keras.ops.convert_to_numpy(part).copy() for part in parts]

    before, names = state(), [v.path for v in model.optimizer.variables]
    rate = float(model.optimizer.learning_rate)
    found = range_test(model, data, low=1e-5, high=1e3, steps=40)
    assert found.ended != "complete"
    for old, new in zip(before, state(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert [v.path for v in model.optimizer.variables] == names
    assert float(model.optimizer.learning_rate) == rate
    # And it goes on as one that was never tested.
    after = [[float(m.train_on_batch(*b)[0]) for b in data] for m in (model, twin)]
    assert after[0] == after[1]


def test_a_failing_batch_leaves_the_model_as_it_was():
    model = restless(keras.optimizers.Adam(1e-3))
    before = model.get_weights()

    def broken():
        yield from batches()
        raise OSError("photo.jpg")

    with pytest.raises(OSError, match=r"photo\.jpg"):
        range_test(model, broken(), low=1e-3, high=1)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-3)
    assert int(model.optimizer.iterations) == 0


def test_it_finds_the_same_again():
    model, twin = (restless(keras.optimizers.SGD()) for _ in range(2))
    found = range_test(model, batches(), steps=30)
    assert range_test(model, batches(), steps=30) == found
    assert range_test(twin, batches(), steps=30) == found


def test_steps_at_once_are_counted_one_by_one():
    model = quadratic(steps_per_execution=4)
    found = range_test(model, ONES, low=1e-2, high=0.1, steps=10)
    assert found.losses == range_test(quadratic(), ONES, low=1e-2, high=0.1, steps=10).losses
    assert model.steps_per_execution == 4


def test_a_tf_dataset_and_an_endless_generator():
    def endless():
        while True:
            yield ONES[0]

    options = {"low": 1e-2, "high": 0.1, "steps": 10}
    wanted = range_test(quadratic(), ONES, **options)
    dataset = tf.data.Dataset.from_tensors(ONES[0])
    assert range_test(quadratic(), dataset, **options) == wanted
    assert range_test(quadratic(), endless(), **options) == wanted


def test_a_loss_that_is_not_a_number_ends_it():
    def poisoned():
        for step in range(99):
            x, y = ONES[0]
            yield x, y * (np.nan if step == 20 else 1)

    found = range_test(quadratic(), poisoned(), low=1e-3, high=0.1, steps=50)
    assert found.ended == "not finite"
    assert len(found.losses) == 20
    assert found.divergence == pytest.approx(np.geomspace(1e-3, 0.1, 50)[20])
    with pytest.raises(InputError, match="nan at the very first step"):
        range_test(quadratic(), [(ONES[0][0], np.nan * ONES[0][1])])


def test_no_suggestion_where_the_loss_never_falls():
    found = range_test(quadratic(), ONES, low=1e-9, high=1e-8, steps=10)
    assert found.steepest is None
    with pytest.raises(InputError, match="did not fall at any rate from 1e-09 to 1e-08"):
        _ = found.suggestion


def test_the_steepest_rate_does_not_lag():
    # A fall around 1e-3, by construction; a running average would see it later.
    rates = np.geomspace(1e-6, 1, 121)
    losses = 1 / (1 + np.exp(4 * np.log10(rates / 1e-3)))
    noise = np.random.default_rng(0).normal(0, 0.01, 121)
    found = judged(
        rates.tolist(), (losses + 1 + noise).tolist(), "complete", None,
        smoothing=4.0, ramp="exponential",
    )  # fmt: skip
    assert found.steepest == pytest.approx(1e-3, rel=0.6)


def test_one_spike_is_no_divergence_and_does_not_hide_the_fall():
    rates = np.geomspace(1e-4, 1, 60)
    losses = 2 - 1 / (1 + np.exp(-np.arange(-30, 30) / 3))
    losses[-1] = 1e9
    found = judged(rates.tolist(), losses.tolist(), "diverged", 1.0, smoothing=2.0, ramp="linear")
    assert found.steepest == pytest.approx(rates[30], rel=0.5)


def test_a_fall_to_a_hundredth_is_seen_where_it_is():
    rates = np.geomspace(1e-6, 1, 121)
    losses = 0.01 + 1 / (1 + (rates / 1e-3) ** 2)
    found = judged(
        rates.tolist(), losses.tolist(), "complete", None, smoothing=2.0, ramp="exponential"
    )
    assert found.smoothed[0] == pytest.approx(1.01, rel=1e-3)
    assert found.steepest == pytest.approx(1e-3, rel=0.3)


def test_noise_before_the_fall_is_not_taken_for_it():
    rates = np.geomspace(1e-6, 1, 121)
    losses = 4 - 2 / (1 + (rates / 1e-2) ** -1)
    losses[:4] += 3
    found = judged(
        rates.tolist(), losses.tolist(), "complete", None, smoothing=1.0, ramp="exponential"
    )
    assert found.steepest == pytest.approx(1e-2, rel=0.3)


def test_smoothing_keeps_a_constant_and_a_total():
    np.testing.assert_allclose(smooth(np.full(20, 3.0), 2.0), 3.0)
    np.testing.assert_allclose(smooth(np.full(3, 3.0), 5.0), 3.0)
    spike = np.zeros(41)
    spike[20] = 1
    smoothed = smooth(spike, 2.0)
    assert smoothed.sum() == pytest.approx(1)
    assert smoothed[20] == smoothed.max()
    np.testing.assert_allclose(smoothed, smoothed[::-1], atol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"low": 1.0, "high": 0.1}, "rise from low"),
        ({"low": 0.0}, "rise from low"),
        ({"high": float("inf")}, "rise from low"),
        ({"steps": 3}, "10 steps at least"),
        ({"ramp": "cubic"}, "exponential, linear"),
        ({"smoothing": -1.0}, "0 or more"),
    ],
)
def test_settings_that_make_no_test(options, message):
    with pytest.raises(InputError, match=message):
        range_test(quadratic(), ONES, **options)


def test_models_and_batches_that_are_not_ready():
    with pytest.raises(InputError, match="built and compiled"):
        range_test(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]), ONES)
    with pytest.raises(InputError, match=r"ended after 1, and 20 steps"):
        range_test(quadratic(), iter(ONES), steps=20)
    with pytest.raises(InputError, match=r"ended after 0"):
        range_test(quadratic(), [], steps=20)


def test_plot_and_json(tmp_path):
    found = range_test(quadratic(), ONES, low=1e-4, high=100, steps=40)
    found.plot(tmp_path / "rates.png")
    with Image.open(tmp_path / "rates.png") as picture:
        assert picture.format == "PNG"
        assert picture.size == (960, 600)
    found.save(tmp_path / "rates.json")
    facts = json.loads((tmp_path / "rates.json").read_text())
    assert facts["steepest"] == found.steepest
    assert len(facts["rates"]) == len(facts["losses"]) == len(facts["smoothed"])
    flat = judged([1.0, 2.0], [1.0, 1.0], "complete", None, smoothing=0, ramp="linear")
    flat.plot(tmp_path / "flat.png")


def test_plot_without_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    found = range_test(quadratic(), ONES, low=1e-4, high=100, steps=10)
    with pytest.raises(InputError, match=r"\.\[plots\]"):
        found.plot(tmp_path / "rates.png")
    assert not list(tmp_path.iterdir())


UNDER_JAX = """
import keras, numpy as np
from matting_keras.training.lr_finder import range_test
from matting_keras.training.schedules import CycledAdam, OneCycle, OneCycleMomentum
assert keras.backend.backend() == "jax"
keras.utils.set_random_seed(0)
x = np.ones((4, 1), "float32")
for rate in (0.01, OneCycle(0.01, 50)):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1), keras.layers.Dropout(0.2)])
    model.compile(CycledAdam(rate, momentum=OneCycleMomentum(50)), "mse")
    model.train_on_batch(x, 5 * x)
    parts = [*model.variables, *model.optimizer.variables]
    before = [np.array(part) for part in parts]
    found = range_test(model, [(x, 5 * x)], low=1e-3, high=100, steps=40)
    assert found.steepest and abs(found.rates[0] - 1e-3) < 1e-8, found
    assert all((a == np.array(b)).all() for a, b in zip(before, parts, strict=True))
    model.train_on_batch(x, 5 * x)
"""


def test_under_jax():
    pytest.importorskip("jax")
    found = subprocess.run(
        [sys.executable, "-c", UNDER_JAX],
        env=os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
