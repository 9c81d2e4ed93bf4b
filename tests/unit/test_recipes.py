"""Each recipe's loss against a formula of its own, and what all of them have in common."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from matting_keras.errors import InputError
from matting_keras.training.losses import AlphaLoss
from matting_keras.training.recipes.cyclical import CyclicalLoss
from matting_keras.training.recipes.easy_to_hard import EasyToHardLoss
from matting_keras.training.recipes.likeunet import LikeUnetLoss
from matting_keras.training.recipes.modnet import ModnetLoss
from matting_keras.training.recipes.modnet_soc import ModnetSocLoss, band
from matting_keras.training.recipes.portrait import PortraitLoss
from matting_keras.training.recipes.registry import RECIPES
from tests.places import ROOT
from tests.recipe_batches import (
    LOSSES,
    batch,
    entropy,
    numbers,
    pair,
    smoothed,
    soc_outputs,
    trusted,
    within,
)


def check(loss, target, outputs, expected: dict[str, float]):
    assert numbers(loss(target, outputs)) == pytest.approx(expected, rel=2e-5, abs=1e-6)


def test_portrait_against_numpy():
    target, outputs = batch()
    m, u, r = target["alpha"], target["unknown"], target["refined"].reshape(-1, 1, 1, 1)

    def terms(o):
        return (
            2 * within(abs(o - m), np.where(r == 1, 1, 1 - u)),
            3 * within(abs(o - m), u * r),
            ((o - smoothed(m, 9, 2.5)) ** 2).mean(),
        )

    expected = dict(zip(("known", "unknown", "smooth"), terms(outputs["alpha"]), strict=True))
    expected |= {side: sum(terms(outputs[side])) for side in ("side1", "side2")}
    check(PortraitLoss(), target, outputs, expected)


def test_portrait_by_hand():
    # Two samples of one row: the first rough, the second refined; the band is the last pixel.
    alpha = np.array([[0, 1, 1, 1], [0, 0.5, 1, 1]], "float32").reshape(2, 1, 4, 1)
    guess = alpha + np.array([[0.1, 0, 0, -0.4], [0, 0.2, 0, -0.6]]).reshape(2, 1, 4, 1)
    unknown = np.tile([0, 0, 0, 1], (2, 1)).reshape(2, 1, 4, 1)
    target = {"alpha": alpha, "unknown": unknown, "refined": np.array([0, 1])}
    parts = numbers(PortraitLoss(smooth=0)(target, {"alpha": guess}))
    # Known: three pixels of the first, four of the second, of which two and two are wrong.
    assert parts["known"] == pytest.approx(2 * (0.1 + 0.2 + 0.6) / 7)
    assert parts["unknown"] == pytest.approx(3 * 0.6)
    assert parts["smooth"] == 0


def test_cyclical_against_numpy():
    target, outputs = batch()
    m = target["alpha"]
    window = np.ones((1, 7, 7, 1))
    edge = ndimage.grey_dilation(m, footprint=window, mode="nearest")
    edge = edge - ndimage.grey_erosion(m, footprint=window, mode="nearest") > 0.5 / 255
    assert 0 < edge.mean() < 1

    def terms(o):
        pairs = [((s - t) ** 2, e) for s, t, e in zip(o, m, edge, strict=True)]
        return (
            np.mean([np.sqrt(d.mean() + 1e-6) - 1e-3 for d, _ in pairs]),
            4 * np.mean([np.sqrt(within(d, e) + 1e-6) - 1e-3 for d, e in pairs]),
        )

    everywhere, boundary = terms(outputs["alpha"])
    expected = {"everywhere": everywhere / 3, "boundary": boundary / 3}
    expected |= {side: sum(terms(outputs[side])) / 3 for side in ("side1", "side2")}
    check(CyclicalLoss(), target, outputs, expected)


def test_cyclical_by_hand():
    alpha = np.zeros((1, 1, 20, 1))
    alpha[0, 0, 10:] = 1
    guess = alpha.copy()
    guess[0, 0, 7:13] = 0.5  # exactly the boundary: three pixels on either side
    parts = numbers(CyclicalLoss(boundary=2.0)({"alpha": alpha}, {"alpha": guess}))
    assert parts["everywhere"] == pytest.approx(np.sqrt(0.25 * 6 / 20), abs=1e-3)
    assert parts["boundary"] == pytest.approx(2 * 0.5, abs=2e-3)


@pytest.mark.parametrize("form", ["difference", "crossentropy"])
def test_easy_to_hard_against_numpy(form):
    target, outputs = batch()
    m = target["alpha"]
    pixel = {"difference": lambda a, p: abs(a - p), "crossentropy": entropy}[form]
    expected = {"everywhere": pixel(m, outputs["alpha"]).mean()}
    expected |= {side: pixel(m, outputs[side]).mean() for side in ("side1", "side2")}
    check(EasyToHardLoss(1, form), target, outputs, expected)
    # Only the fused alpha is asked twice.
    expected["unknown"] = 3 * within(pixel(m, outputs["alpha"]), trusted(target))
    check(EasyToHardLoss(2, form), target, outputs, expected)


def test_modnet_against_numpy():
    target, outputs = batch()
    m, u = target["alpha"], trusted(target)
    coarse = smoothed(m.reshape(3, 2, 16, 3, 16, 1).mean((2, 4)), 3, 0.8)
    image = target["image"] / 127.5 - 1
    d = abs(outputs["alpha"] - m)
    seen = abs(image * outputs["alpha"] - image * m).mean(-1, keepdims=True)
    expected = {
        "semantic": 10 * ((outputs["semantic"] - coarse) ** 2).mean(),
        "detail": 10 * within(abs(outputs["detail"] - m), u),
        "matte": d.mean() + 4 * within(d, u),
        "composition": seen.mean() + 4 * within(seen, u),
    }
    check(ModnetLoss(), target, outputs, expected)


def test_modnet_of_a_gray_image_is_that_of_its_copies():
    target, outputs = batch()
    gray = target | {"image": target["image"][..., :1]}
    copies = target | {"image": np.repeat(gray["image"], 3, -1)}
    assert numbers(ModnetLoss()(gray, outputs)) == pytest.approx(
        numbers(ModnetLoss()(copies, outputs))
    )


def test_modnet_soc_against_numpy():
    student, backup = soc_outputs(1), soc_outputs(2)
    o, s = student["alpha"], student["semantic"]
    coarse = smoothed(o.reshape(3, 2, 16, 3, 16, 1).mean((2, 4)), 3, 0.8)
    person = ((o > 0.1) & (s.repeat(16, 1).repeat(16, 2) > 0.1)).astype("float32")
    window = np.ones((1, 3, 3, 1))  # 0.05 of the mean side of 40 pixels, made odd, 3 at least
    area = ndimage.grey_dilation(person, footprint=window, mode="nearest")
    area = area - ndimage.grey_erosion(person, footprint=window, mode="nearest")
    np.testing.assert_array_equal(band(tf.constant(o), tf.constant(s)), area)
    assert 0 < area.mean() < 0.5
    mutual = ((s - coarse * (coarse > 0.01)) ** 2).mean() + ((coarse - s * (s > 0.01)) ** 2).mean()
    expected = {
        "semantic": 100 * mutual,
        "detail": within(abs(student["detail"] - backup["detail"]), area),
        "matte": within(abs(o - backup["alpha"]), area),
    }
    check(ModnetSocLoss(), backup, student, expected)


def test_modnet_soc_teaches_each_output_by_the_other_and_never_the_backup():
    student = {name: tf.Variable(value) for name, value in soc_outputs(1).items()}
    backup = {name: tf.Variable(value) for name, value in soc_outputs(2).items()}
    names = ("alpha", "detail", "semantic")
    with tf.GradientTape() as tape:
        parts = ModnetSocLoss()(backup, student)
        total = sum(parts.values())
    grads = tape.gradient(total, [*(student[n] for n in names), *backup.values()])
    assert all(np.abs(g.numpy()).max() > 0 for g in grads[:3])
    assert grads[3:] == [None] * len(backup)


@pytest.mark.parametrize("size", [(32, 48), (160, 96)])
def test_modnet_soc_band_is_dilation_minus_erosion(size):
    rng = np.random.default_rng(0)
    alpha = ndimage.gaussian_filter(rng.normal(size=(2, *size, 1)), (0, 4, 4, 0)) > 0.05
    semantic = np.ones((2, size[0] // 16, size[1] // 16, 1), "float32")
    side = max(3, int(0.05 * sum(size) / 2) | 1)
    window = np.ones((1, side, side, 1))
    wanted = ndimage.grey_dilation(alpha.astype("uint8"), footprint=window, mode="nearest")
    wanted = wanted - ndimage.grey_erosion(alpha.astype("uint8"), footprint=window, mode="nearest")
    found = band(tf.constant(alpha.astype("float32")), tf.constant(semantic))
    np.testing.assert_array_equal(found, wanted)


def test_likeunet_is_the_loss_of_today():
    target, outputs = batch()
    loss = AlphaLoss(1.0, 0.5)
    parts = numbers(LikeUnetLoss(1.0, 0.5)({"alpha": target["alpha"]}, {"alpha": outputs["alpha"]}))
    assert list(parts) == ["crossentropy", "difference"]
    assert sum(parts.values()) == pytest.approx(float(loss(target["alpha"], outputs["alpha"])))


def test_likeunet_with_band_and_sides_against_numpy():
    target, outputs = batch()
    m = target["alpha"]

    def terms(p):
        h, d = entropy(m, p), 0.5 * abs(m - p)
        return h.mean(), d.mean(), 2 * within(h + d, trusted(target))

    expected = dict(
        zip(("crossentropy", "difference", "unknown"), terms(outputs["alpha"]), strict=True)
    )
    expected |= {side: 0.25 * sum(terms(outputs[side])) for side in ("side1", "side2")}
    check(LikeUnetLoss(1.0, 0.5, unknown=2.0, sides=0.25), target, outputs, expected)
    assert set(numbers(LikeUnetLoss(sides=0.0)(target, outputs))) == {"crossentropy"}


def test_likeunet_that_asks_nothing():
    with pytest.raises(InputError, match="both 0"):
        LikeUnetLoss(0.0, 0.0)


@pytest.mark.parametrize("name", LOSSES)
def test_half_precision_outputs_give_float32(name):
    target, outputs = pair(name)
    halves = {key: tf.cast(value, "float16") for key, value in outputs.items()}
    parts = LOSSES[name](target, halves)
    assert {part.dtype for part in parts.values()} == {tf.float32}
    exact = LOSSES[name](target, {key: tf.cast(v, "float32") for key, v in halves.items()})
    assert numbers(parts) == numbers(exact)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_and_gradients_under_xla(name):
    target, outputs = pair(name)
    loss = LOSSES[name]
    target, outputs = ({k: tf.constant(v) for k, v in d.items()} for d in (target, outputs))

    def step(target, outputs):
        with tf.GradientTape() as tape:
            tape.watch(outputs)
            parts = loss(target, outputs)
            total = sum(parts.values())
        return parts, tape.gradient(total, outputs["alpha"])

    plain, slope = step(target, outputs)
    assert np.isfinite(slope.numpy()).all()
    assert np.abs(slope.numpy()).max() > 0
    parts, again = tf.function(step, jit_compile=True)(target, outputs)
    assert numbers(parts) == pytest.approx(numbers(plain), rel=1e-5, abs=1e-7)
    np.testing.assert_allclose(again, slope, rtol=1e-3, atol=1e-7)


def _cut(values, top: int, left: int):
    """Without its first rows and columns; the semantic output has one for each sixteen."""
    step = 16 if values.ndim == 4 and values.shape[1] == 2 else 1
    return values[:, top // step :, left // step :] if values.ndim == 4 else values


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_traced_with_unknown_sizes(name):
    # As Keras' own step is from the second shape on.
    target, outputs = pair(name)

    def spec(values):
        open_shapes = {k: (None,) * min(v.ndim, 3) + v.shape[3:] for k, v in values.items()}
        return {k: tf.TensorSpec(shape) for k, shape in open_shapes.items()}

    step = tf.function(LOSSES[name], input_signature=(spec(target), spec(outputs)))
    for size in ((0, 0), (16, 32)):
        given = [{k: _cut(v, *size) for k, v in part.items()} for part in (target, outputs)]
        assert numbers(step(*given)) == pytest.approx(numbers(LOSSES[name](*given)), rel=1e-5)


@pytest.mark.parametrize("name", ["portrait", "cyclical", "easy-to-hard 1", "modnet"])
def test_a_perfect_answer_costs_next_to_nothing(name):
    target, _ = batch()
    target["alpha"][:] = 1
    outputs = dict.fromkeys(("alpha", "detail", "side1"), target["alpha"])
    outputs["semantic"] = np.ones((3, 2, 3, 1), "float32")
    assert abs(sum(numbers(LOSSES[name](target, outputs)).values())) < 1e-6


@pytest.mark.parametrize("name", LOSSES)
def test_losses_come_back_from_their_configuration(name):
    loss = LOSSES[name]
    stored = json.loads(json.dumps(keras.saving.serialize_keras_object(loss)))
    again = keras.saving.deserialize_keras_object(stored)
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()
    assert again.reads == loss.reads
    assert numbers(again(*pair(name))) == numbers(loss(*pair(name)))


class Trained(keras.Model):
    """How a run may use a recipe: the whole target goes to the loss."""

    def __init__(self, network, recipe):
        super().__init__()
        self.network = network
        self.recipe = recipe

    def call(self, image, training=None):
        return self.network(image, training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return sum(self.recipe({"image": x, **y}, y_pred).values())


def small(loss) -> Trained:
    """A network with the outputs that a loss uses, in the midst of a run."""
    keras.utils.set_random_seed(0)
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(image / 255)
    outputs = {
        key: keras.layers.Conv2D(1, 3, padding="same", activation="sigmoid")(x)
        for key in ("alpha", *(["side1"] if loss.sides else []), *loss.needs[2:])
    }
    if "semantic" in loss.needs:
        outputs["semantic"] = keras.layers.AveragePooling2D(16)(outputs["alpha"])
    return Trained(keras.Model(image, outputs), loss)


@pytest.mark.parametrize("name", ["portrait", "cyclical", "easy-to-hard 2", "modnet"])
def test_a_network_learns_by_it(name):
    target, _ = batch(size=(32, 32))
    image = np.repeat(255 * target.pop("alpha"), 3, -1)
    y = {"alpha": image[..., :1] / 255, "unknown": target["unknown"], "refined": target["refined"]}
    model = small(LOSSES[name])
    model.compile(keras.optimizers.Adam(0.02), jit_compile=name == "cyclical")
    losses = [model.train_on_batch(image, y) for _ in range(25)]
    assert losses[-1] < 0.6 * losses[0]


def test_what_does_not_fit_is_refused_in_the_midst_of_a_compiled_step():
    target, _ = batch(size=(32, 32))
    model = small(LOSSES["cyclical"])
    model.compile("sgd")
    with pytest.raises(InputError, match="'alpha' must have one channel"):
        model.train_on_batch(target["image"], {"alpha": target["image"]})


UNDER_JAX = """
import json, sys
import jax, keras, numpy as np
from matting_keras.training.recipes.registry import RECIPES
assert keras.backend.backend() == "jax"
found = {}
for name in RECIPES:
    stored = np.load(f"{sys.argv[1]}/{name}.npz")
    sides = [{k[2:]: stored[k] for k in stored if k[0] == side} for side in "to"]
    def total(outputs, target):
        parts = RECIPES[name]()(target, outputs)
        return sum(parts.values()), parts
    slopes, parts = jax.jit(jax.grad(total, has_aux=True))(*sides[::-1])
    assert all(np.isfinite(slope).all() for slope in jax.tree.leaves(slopes)), name
    found[name] = {k: float(v) for k, v in parts.items()}
print(json.dumps(found))
"""


def test_jax_gives_the_same(tmp_path):
    pytest.importorskip("jax")
    expected = {}
    for name in RECIPES:
        target, outputs = pair(name)
        stored = {f"t_{k}": v for k, v in target.items()} | {
            f"o_{k}": v for k, v in outputs.items()
        }
        np.savez(tmp_path / f"{name}.npz", **stored)
        expected[name] = numbers(RECIPES[name]()(target, outputs))
    found = subprocess.run(
        [sys.executable, "-c", UNDER_JAX, str(tmp_path)],
        env=os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    for name, parts in json.loads(found.stdout).items():
        assert parts == pytest.approx(expected[name], rel=1e-5, abs=1e-6), name
