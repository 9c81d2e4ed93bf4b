"""What the published codes got wrong: each test fails on the faulty form."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from matting_keras.errors import InputError
from matting_keras.training.recipes import areas
from matting_keras.training.recipes.cyclical import CyclicalLoss
from matting_keras.training.recipes.modnet import ModnetLoss
from matting_keras.training.recipes.modnet_soc import ModnetSocLoss
from matting_keras.training.recipes.portrait import PortraitLoss
from matting_keras.training.recipes.target import check_target
from tests.recipe_batches import LOSSES, batch, numbers, smoothed, soc_outputs


@pytest.mark.parametrize("name", ["likeunet", "portrait", "easy-to-hard 2", "modnet"])
@pytest.mark.parametrize("lack", ["unknown", "refined"])
def test_without_band_or_refined_sample_the_part_is_0(name, lack):
    target, outputs = batch()
    target = target | {lack: np.zeros_like(target[lack])}
    variable = tf.Variable(outputs["alpha"])
    with tf.GradientTape() as tape:
        parts = LOSSES[name](target, outputs | {"alpha": variable})
        total = sum(parts.values())
    values = numbers(parts)
    assert values["detail" if name == "modnet" else "unknown"] == 0
    assert np.isfinite(list(values.values())).all()
    assert np.isfinite(tape.gradient(total, variable).numpy()).all()


def test_the_original_mean_over_an_empty_band_is_nan():
    values, area = tf.ones((1, 2, 2, 1)), tf.zeros((1, 2, 2, 1))
    assert np.isnan(float(tf.reduce_sum(values * area) / tf.reduce_sum(area)))
    assert float(areas.mean_within(values, area)) == 0


def test_adaptation_to_a_scene_without_people_is_finite():
    student = {name: tf.Variable(0 * value) for name, value in soc_outputs(1).items()}
    with tf.GradientTape() as tape:
        parts = ModnetSocLoss()(soc_outputs(2), student)
        total = sum(parts.values())
    assert numbers(parts) == {"semantic": 0, "detail": 0, "matte": 0}
    assert np.isfinite(tape.gradient(total, student["alpha"]).numpy()).all()


def test_a_person_cut_by_the_border_stays_whole_in_the_blur():
    alpha = np.ones((1, 12, 12, 1), "float32")
    faulty = ndimage.gaussian_filter(alpha, (0, 2.5, 2.5, 0), mode="constant", radius=(0, 4, 4, 0))
    assert faulty[0, 0, 0, 0] < 0.4
    np.testing.assert_allclose(areas.blurred(tf.constant(alpha), 9, 2.5), alpha, atol=1e-6)
    target = {"alpha": alpha, "unknown": 0 * alpha, "refined": np.ones(1)}
    assert sum(numbers(PortraitLoss()(target, {"alpha": alpha})).values()) < 1e-9


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (20, 9)])
def test_blur_of_any_size_against_scipy(size):
    alpha = np.random.default_rng(0).uniform(0, 1, (2, *size, 1)).astype("float32")
    np.testing.assert_allclose(
        areas.blurred(tf.constant(alpha), 9, 2.5), smoothed(alpha, 9, 2.5), atol=1e-6
    )


def test_a_small_subjects_outline_weighs_as_much_as_a_large_ones():
    parts = []
    for side in (8, 32):
        alpha = np.zeros((1, 64, 64, 1), "float32")
        alpha[0, :side, :side] = 1
        parts.append(numbers(CyclicalLoss()({"alpha": alpha}, {"alpha": np.full_like(alpha, 0.5)})))
    assert parts[0]["boundary"] == pytest.approx(parts[1]["boundary"])


def test_one_samples_error_does_not_change_anothers_gradient():
    target, outputs = batch(count=2)
    grads = []
    for other in (0.2, 0.9):
        guess = outputs["alpha"].copy()
        guess[1] = other
        variable = tf.Variable(guess)
        with tf.GradientTape() as tape:
            total = sum(CyclicalLoss()(target, {"alpha": variable}).values())
        grads.append(tape.gradient(total, variable)[0].numpy())
    np.testing.assert_allclose(*grads, rtol=1e-5, atol=1e-9)


def test_rounding_is_no_boundary_and_a_flat_alpha_has_none():
    alpha = 0.5 + 1e-4 * np.random.default_rng(0).normal(size=(1, 16, 16, 1))
    assert numbers(CyclicalLoss()({"alpha": alpha}, {"alpha": 0 * alpha}))["boundary"] == 0


def test_a_thin_bands_detail_does_not_vanish():
    target, outputs = batch(size=(64, 64), count=1)
    target["refined"][:] = 1
    for width in (1, 16):
        target["unknown"][:] = 0
        target["unknown"][:, :width] = 1
        wrong = outputs | {"detail": 1 - 0.75 * (target["alpha"] * 0 + 1)}
        fixed = target | {"alpha": np.zeros_like(target["alpha"])}
        assert numbers(ModnetLoss()(fixed, wrong))["detail"] == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("alpha", lambda t: 255 * t["alpha"], r"'alpha' must be 0\.\.1, got 0\.\.255"),
        ("unknown", lambda t: 128 * t["unknown"], "pass trimap == 128"),
        ("unknown", lambda t: 0.5 * t["unknown"], "threshold a band"),
        ("unknown", lambda t: t["unknown"][:, :, ::-1], "every flip and crop"),
        ("refined", lambda t: 255 * t["refined"], "'refined' must be 1"),
        ("image", lambda t: t["image"] / 255, r"'image' must be 0\.\.255"),
        ("image", lambda t: t["image"] / 127.5 - 1, r"'image' must be 0\.\.255"),
        ("image", lambda t: t["image"] * np.nan, "not finite"),
    ],
)
def test_first_batch_of_wrong_values_is_refused(name, change, message):
    target, _ = batch(seed=5)
    check_target(target)
    with pytest.raises(InputError, match=message):
        check_target(target | {name: change(target)})


def test_first_batch_may_be_dark_and_without_people():
    check_target({"image": np.zeros((1, 4, 4, 3)), "alpha": np.zeros((1, 4, 4, 1))})
    check_target({"image": tf.ones((1, 4, 4, 3)), "unknown": tf.zeros((1, 4, 4, 1))})


@pytest.mark.parametrize(
    ("where", "name", "change", "message"),
    [
        ("target", "alpha", lambda v: np.repeat(v, 3, -1), "one channel"),
        ("target", "alpha", lambda v: v[..., 0], "must be .batch, height, width, channels"),
        ("target", "refined", lambda v: v[:, None], r"must be \(batch,\)"),
        ("outputs", "alpha", lambda v: v[:, ::2], "both must be of one size"),
        ("outputs", "semantic", lambda v: v[:, :1], "a sixteenth"),
        ("outputs", "detail", None, "needs the output 'detail'"),
        ("target", "unknown", None, "needs the target 'unknown'"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_shape(where, name, change, message):
    target, outputs = batch()
    given = target if where == "target" else outputs
    if change:
        given[name] = change(given[name])
    else:
        del given[name]
    with pytest.raises(InputError, match=message):
        ModnetLoss()(target, outputs)
