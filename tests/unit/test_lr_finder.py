import json
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

from matting_keras.errors import InputError
from matting_keras.training.config import RecipeConfig, TrainerConfig
from matting_keras.training.cycled_adam import CycledAdam
from matting_keras.training.lr_finder import found_rate, range_test
from matting_keras.training.optimizers import OPTIMIZERS as NAMES
from matting_keras.training.optimizers import optimizer
from matting_keras.training.schedules import OneCycle, OneCycleMomentum
from tests.under_jax import run_under_jax


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


def configured(name: str, **trainer) -> keras.optimizers.Optimizer:
    """An optimizer as a run has it."""
    schedule = {"name": "one-cycle" if name == "cycled-adam" else "cosine"}
    recipe = RecipeConfig(optimizer={"name": name}, schedule=schedule)
    return optimizer(recipe, TrainerConfig(**trainer), 50)


OPTIMIZERS = {
    **{name: partial(configured, name, average=0.9) for name in NAMES},
    "accumulated": partial(configured, "adam", accumulate=3),
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


def test_a_step_takes_as_many_batches_as_it_accumulates():
    x, y = ONES[0]
    data = [(x, y + shift) for shift in (-1, 0, 1)]
    options = {"low": 1e-2, "high": 0.1, "steps": 10, "smoothing": 0}
    sgd = keras.optimizers.SGD
    for rate in (1e-3, OneCycle(1e-3, 50)):
        found = range_test(quadratic(sgd(rate, gradient_accumulation_steps=3)), data, **options)
        assert found.rates == pytest.approx(np.geomspace(1e-2, 0.1, 10), rel=1e-5)
        # Three targets around 1 pull as their mean does, and cost their variance on top.
        alone = range_test(quadratic(), ONES, **options)
        assert found.losses == pytest.approx(np.array(alone.losses) + 2 / 3, rel=1e-4)


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


def test_a_run_that_goes_on_keeps_its_rate(tmp_path):
    data, model = [(x, y + shift) for x, y in ONES for shift in (-0.5, 0.5)], quadratic()
    rate = found_rate(model, data, tmp_path)
    path = tmp_path / "lr-find.json"
    assert json.loads(path.read_text())["suggestion"] == rate
    assert (tmp_path / "lr-find.png").is_file()
    path.write_text(json.dumps({"suggestion": 0.125}))
    assert found_rate(model, data, tmp_path, resume=True) == 0.125
    assert found_rate(model, data, tmp_path) == rate, "a new run does not believe an old file"
    path.unlink()
    assert found_rate(model, data, tmp_path, resume=True) == rate, "it was killed before"
    path.unlink()
    (tmp_path / "state.npz").write_bytes(b"")
    with pytest.raises(InputError, match="it began with another rate; leave --lr out"):
        found_rate(model, data, tmp_path, resume=True)


def test_what_was_found_and_cannot_be_used(tmp_path):
    path = tmp_path / "lr-find.json"
    with pytest.raises(InputError, match="did not fall"):
        found_rate(quadratic(), [(x, y + 4) for x, y in ONES], tmp_path)
    assert json.loads(path.read_text())["suggestion"] is None, "the curve is there to look at"
    with pytest.raises(InputError, match="holds no suggestion"):
        found_rate(quadratic(), ONES, tmp_path, resume=True)
    path.write_text('{"suggestion": 0.1')
    with pytest.raises(InputError, match=r"lr-find\.json: cannot be read"):
        found_rate(quadratic(), ONES, tmp_path, resume=True)


UNDER_JAX = """
import keras, numpy as np
from matting_keras.training.lr_finder import range_test
from matting_keras.training.cycled_adam import CycledAdam
from matting_keras.training.schedules import OneCycle, OneCycleMomentum
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
    run_under_jax(UNDER_JAX)
