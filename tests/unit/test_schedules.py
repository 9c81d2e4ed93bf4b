import json
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from matting_keras.errors import InputError
from matting_keras.training.cycled_adam import CycledAdam
from matting_keras.training.schedules import (
    ConstantThenExponential,
    OneCycle,
    OneCycleMomentum,
    Triangular,
    stepped,
    warmup_cosine,
)

ALL = {
    "one-cycle": OneCycle(1e-3, 200),
    "one-cycle with a tail": OneCycle(1e-3, 200, annihilation=0.1),
    "momentum": OneCycleMomentum(200, annihilation=0.1),
    "triangular": Triangular(1e-4, 1e-3, 20, decay=0.5),
    "exponential": ConstantThenExponential(1e-3, 100, 10),
    "stepped": stepped(0.01, 41),
    "cosine": warmup_cosine(1e-3, 200, 20),
}


def rates(schedule, steps) -> np.ndarray:
    return np.array([float(schedule(int(step))) for step in steps])


def torch_one_cycle(step, steps, peak=1e-3, rise=0.3, start=25.0, final=1e4):
    """OneCycleLR's two phases, written from its documentation."""
    low = peak / start
    turn, end = rise * steps - 1, steps - 1

    def between(a, b, share):
        return b + (a - b) / 2 * (1 + math.cos(math.pi * share))

    if step <= turn:
        return between(low, peak, step / turn)
    return between(peak, low / final, (step - turn) / (end - turn))


def test_one_cycle_against_torchs_formula():
    steps = [0, 1, 17, 59, 60, 120, 198, 199]
    expected = [torch_one_cycle(step, 200) for step in steps]
    # The last rates are a million times lower than the peak, which is where float32 ends.
    np.testing.assert_allclose(rates(ALL["one-cycle"], steps), expected, rtol=1e-4, atol=1e-11)
    assert expected[0] == pytest.approx(4e-5)
    assert expected[3] == pytest.approx(1e-3)
    assert expected[-1] == pytest.approx(4e-9)


def test_one_cycle_stays_at_its_end():
    assert rates(ALL["one-cycle"], [199, 200, 10**6]) == pytest.approx([4e-9] * 3)


def test_annihilation_begins_at_the_first_rate():
    found = rates(ALL["one-cycle with a tail"], range(200))
    assert found[[0, 59, 179, 199]] == pytest.approx([4e-5, 1e-3, 4e-5, 4e-9])
    assert found.argmax() == 59
    assert (np.diff(found[59:]) < 0).all()
    middle = float(ALL["one-cycle with a tail"](189))
    assert middle == pytest.approx((4e-5 + 4e-9) / 2)


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 8])
def test_one_cycle_of_a_few_steps(steps):
    found = rates(OneCycle(1.0, steps, annihilation=0.2), range(20))
    assert np.isfinite(found).all()
    assert found[0] == pytest.approx(0.04)
    assert found[-1] == pytest.approx(4e-6)


def test_momentum_is_low_where_the_rate_is_high():
    found = rates(ALL["momentum"], [0, 59, 119, 179, 185, 199, 300])
    assert found == pytest.approx([0.95, 0.85, 0.90, 0.95, 0.95, 0.95, 0.95])


def test_triangular_by_hand():
    schedule = Triangular(1.0, 3.0, half=4, decay=0.5)
    expected = [1, 1.5, 2, 2.5, 3, 2.5, 2, 1.5, 1, 1.25, 1.5, 1.75, 2, 1.75, 1.5, 1.25, 1]
    assert rates(schedule, range(17)).tolist() == expected
    assert rates(Triangular(1.0, 3.0, half=4), [4, 12, 4 + 8 * 1000]).tolist() == [3, 3, 3]


def test_constant_then_exponential_by_hand():
    schedule = ConstantThenExponential(1e-3, hold=10 * 7, every=7)
    for epoch, steps in ((0, (0, 6)), (10, (70, 76)), (11, (77, 83)), (30, (210, 216))):
        wanted = 1e-3 * 0.95 ** max(0, epoch - 10)
        assert rates(schedule, steps) == pytest.approx([wanted] * 2, rel=1e-5)


def test_stepped_by_hand():
    assert rates(stepped(0.01, 10), [0, 9, 10, 19, 20, 39]) == pytest.approx(
        [0.01, 0.01, 1e-3, 1e-3, 1e-4, 1e-5]
    )
    # MindSpore's port halves, from epoch 9 on, by counting from one.
    assert rates(stepped(0.01, 10, 0.5), [10, 20]) == pytest.approx([0.005, 0.0025])


@pytest.mark.parametrize("every", [3, 7, 41, 49, 441, 1750])
def test_stairs_fall_at_the_same_step_when_compiled(every):
    steps = tf.constant([n * every + d for n in range(1, 12) for d in (-1, 0)])
    schedule = stepped(1.0, every, 0.5)
    wanted = [0.5 ** (n - 1 + d) for n in range(1, 12) for d in (0, 1)]
    compiled = tf.function(schedule, jit_compile=True)(steps)
    np.testing.assert_allclose(compiled, wanted, rtol=1e-5)


def test_warmup_cosine_is_the_rate_of_todays_runs():
    def cosine(step):
        return 1e-3 * (0.01 + 0.99 * (1 + math.cos(math.pi * (step - 20) / 180)) / 2)

    found = rates(ALL["cosine"], [0, 10, 20, 110, 199, 200, 999])
    wanted = [0, 5e-4, 1e-3, cosine(110), cosine(199), 1e-5, 1e-5]
    assert found == pytest.approx(wanted, rel=1e-5)
    assert float(warmup_cosine(0.5, 100)(0)) == 0.5


@pytest.mark.parametrize(
    ("name", "largest"),
    [
        ("one-cycle", 2.7e-5),
        ("one-cycle with a tail", 2.7e-5),
        ("momentum", 3e-3),
        ("triangular", 4.6e-5),
        ("cosine", 5.1e-5),
    ],
)
def test_smooth_schedules_do_not_jump(name, largest):
    assert np.abs(np.diff(rates(ALL[name], range(220)))).max() < largest


@pytest.mark.parametrize("name", ALL)
def test_schedules_come_back_and_run_compiled(name):
    schedule = ALL[name]
    stored = json.loads(json.dumps(keras.saving.serialize_keras_object(schedule)))
    again = keras.saving.deserialize_keras_object(stored)
    assert again.get_config() == schedule.get_config()
    steps = tf.constant([0, 19, 60, 82, 123, 199, 250], "int64")
    found = tf.function(lambda s: tf.map_fn(again, s, fn_output_signature=tf.float32))(steps)
    np.testing.assert_allclose(found, rates(schedule, steps), rtol=1e-5, atol=1e-10)


@pytest.mark.parametrize(
    "make",
    [
        lambda: OneCycle(0.0, 100),
        lambda: OneCycle(1e-3, 0),
        lambda: OneCycle(1e-3, 100, rise=0.7, annihilation=0.3),
        lambda: OneCycleMomentum(100, rise=0.0),
        lambda: Triangular(1e-3, 1e-4, 10),
        lambda: Triangular(1e-4, 1e-3, 0),
        lambda: ConstantThenExponential(1e-3, -1, 10),
        lambda: stepped(1e-3, 0),
        lambda: warmup_cosine(0.0, 10),
    ],
)
def test_numbers_that_make_no_schedule(make):
    with pytest.raises(InputError):
        make()


def small(optimizer, **options) -> keras.Model:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizer, "mse", **options)
    return model


def adam_by_hand(gradient, weight, betas, rate):
    """Adam in float64 with a beta for each step, corrected by the beta of the moment."""
    m = v = 0.0
    for step, beta in enumerate(betas, 1):
        g = gradient(weight)
        m = beta * m + (1 - beta) * g
        v = 0.999 * v + 0.001 * g * g
        weight -= rate * (m / (1 - beta**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-7)
    return weight


@pytest.mark.parametrize("compiled", [False, True])
def test_momentum_is_cycled_inside_the_compiled_step(compiled):
    momentum = OneCycleMomentum(8)
    adam = CycledAdam(0.1, momentum=momentum)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(adam, "mse", jit_compile=compiled)
    model.set_weights([np.array([[3.0]])])
    for _ in range(8):
        model.train_on_batch(np.ones((1, 1)), np.ones((1, 1)))

    def gradient(weight):
        return 2 * (weight - 1)

    wanted = adam_by_hand(gradient, 3.0, rates(momentum, range(8)), 0.1)
    assert model.get_weights()[0].item() == pytest.approx(wanted, rel=1e-5)
    constant = adam_by_hand(gradient, 3.0, [0.95] * 8, 0.1)
    assert abs(wanted - constant) > 1e-3


def test_cycled_adam_comes_back_and_is_adam_without_a_schedule():
    adam = CycledAdam(OneCycle(1e-3, 10), momentum=OneCycleMomentum(10), amsgrad=True)
    stored = json.loads(json.dumps(keras.saving.serialize_keras_object(adam)))
    again = keras.saving.deserialize_keras_object(stored)
    assert again.get_config() == adam.get_config()
    assert float(again.beta_1) == pytest.approx(0.95)
    x = np.random.default_rng(0).normal(size=(8, 2)).astype("float32")
    pair = []
    for optimizer in (CycledAdam(0.01, beta_1=0.8), keras.optimizers.Adam(0.01, beta_1=0.8)):
        model = small(optimizer)
        for _ in range(3):
            model.train_on_batch(x, x[:, :1])
        pair.append(model.get_weights()[0])
    np.testing.assert_array_equal(*pair)


def test_cycled_adam_scales_losses_in_half_precision():
    scaled = keras.optimizers.LossScaleOptimizer(CycledAdam(0.1, momentum=OneCycleMomentum(4)))
    model = small(scaled)
    x = np.ones((4, 2), "float32")
    losses = [model.train_on_batch(x, x[:, :1]) for _ in range(4)]
    assert np.isfinite(losses).all()
    assert losses[-1] != losses[0]
