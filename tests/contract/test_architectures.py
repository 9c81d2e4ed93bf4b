"""What every architecture must do, whoever adds it."""

import json

import keras
import numpy as np
import onnx
import pytest

from matting_keras import build, fold, fuse
from matting_keras.architectures import ARCHITECTURES
from matting_keras.export import SIZES, describe, export
from matting_keras.layers import AsymmetricConv2D
from matting_keras.training.losses import AlphaLoss
from matting_keras.weights.files import load, save
from tests.networks import lively, noise

NAMES = sorted(ARCHITECTURES)
FORMS = {
    "plain": {},
    "asymmetric": {"asymmetric": True},
    "branch_norm": {"asymmetric": True, "branch_norm": True},
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(1, 32, 32), (2, 96, 64), (1, 256, 224)])
def test_alpha_has_the_images_size(name, size):
    model = build(name)
    alpha = np.array(model(noise(model, size)))
    assert alpha.shape == (*size, 1)
    assert alpha.dtype == np.float32
    assert 0 <= alpha.min() <= alpha.max() <= 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", FORMS)
def test_fuse_and_fold_keep_the_function(name, form):
    model = lively(name, **FORMS[form])
    before = [np.array(w) for w in model.weights]
    fused, folded = fuse(model), fold(model)
    for size in ((2, 96, 64), (1, 32, 160)):
        x = noise(model, size)
        wanted = np.array(model(x, training=False))
        assert wanted.std() > 1e-3, "a constant output would prove nothing"
        np.testing.assert_allclose(np.array(fused(x)), wanted, atol=1e-5)
        np.testing.assert_allclose(np.array(folded(x)), wanted, atol=1e-5)
    assert not any(isinstance(layer, AsymmetricConv2D) for layer in folded.layers)
    assert fused.count_params() == build(name).count_params()
    for old, weight in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(old, np.array(weight))


@pytest.mark.parametrize("name", NAMES)
def test_folded_is_at_most_33_layers(name):
    assert len(fold(build(name, asymmetric=True)).layers) <= 33


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", FORMS)
def test_saves_and_loads_to_the_bit(name, form, tmp_path):
    model = lively(name, **FORMS[form])
    save(model, tmp_path / "model.keras")
    again = load(tmp_path / "model.keras")
    x = noise(model, (1, 64, 32))
    np.testing.assert_array_equal(np.array(again(x)), np.array(model(x)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_learns(name, policy):
    keras.utils.set_random_seed(1)
    keras.config.set_dtype_policy(policy)
    try:
        model = build(name, asymmetric=True)
        model.compile(keras.optimizers.Adam(3e-3), AlphaLoss(), run_eagerly=True)
        x = noise(model, (4, 32, 32))
        x[:2] /= 8
        y = np.zeros((4, 32, 32, 1), "float32")
        y[:2] = 1
        losses = [float(model.train_on_batch(x, y)) for _ in range(15)]
        assert model(x).dtype == "float32"
    finally:
        keras.config.set_dtype_policy("float32")
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("name", NAMES)
def test_onnx_is_the_trained_network(name, tmp_path):
    model = lively(name, asymmetric=True)
    report = export(model, tmp_path / "model.onnx", tolerance=1e-5)
    assert set(report.differences) == set(SIZES)
    graph = onnx.load(tmp_path / "model.onnx").graph
    assert len(graph.node) <= 130
    assert [(v.name, dims(v)) for v in (*graph.input, *graph.output)] == [
        ("image", ["batch", "height", "width", 3]),
        ("alpha", ["batch", "height", "width", 1]),
    ]


@pytest.mark.parametrize("name", NAMES)
def test_description_is_json_with_every_layer(name):
    model = build(name, asymmetric=True)
    facts = json.loads(describe(model))
    assert facts["parameters"] == model.count_params()
    assert [row["name"] for row in facts["layers"]] == [layer.name for layer in model.layers]


def dims(value) -> list:
    return [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
