"""What every architecture must do, whoever adds it."""

import gc
import inspect
import json

import keras
import numpy as np
import onnx
import pytest

from matting_keras import Matter, build, fold, fuse
from matting_keras.architectures import ARCHITECTURES
from matting_keras.architectures.like_unet import SPECS
from matting_keras.complexity import counts
from matting_keras.export import describe, export
from matting_keras.layers import AsymmetricConv2D
from matting_keras.reparameterize import inference_form
from matting_keras.training.losses import AlphaLoss
from matting_keras.weights.files import load, save
from tests.networks import SMALL, alpha_of, awake, lively, noise, small
from tests.under_jax import run_under_jax

NAMES = sorted(ARCHITECTURES)
WITH_TRAINING_FORM = [
    n
    for n in NAMES
    if n != "u2net" and "training" in inspect.signature(ARCHITECTURES[n].build).parameters
]
ALIKE = ("dark", "night-lite", "unet", "fcn8s", "u2net", "u2netp")
"""Their branches with norms are those of the others: the same layer, between the same ones."""
TWINS = ("dark", "night-lite", "u2net")
"""The layers of another one: gray for night's colours, colours for dark-light's gray, and U²-NetP
at forty times its weights."""
FEW_SIZES = ((1, 160, 96), (2, 64, 128))
POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")
HARSHEST = ("float32", "mixed_float16")
"""Of the half ones float16 has the narrower range: what it bears, bfloat16 does."""


def tolerance(name):
    """Instance statistics and a hundred layers multiply the last digit's error."""
    return 1e-5 if name in SPECS else 1e-4


@pytest.fixture(
    scope="module",
    params=[pytest.param(n, marks=pytest.mark.thorough if n in TWINS else ()) for n in NAMES],
)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def plain(name):
    return lively(name)


@pytest.fixture(scope="module")
def asymmetric(name):
    return lively(name, asymmetric=True)


def test_alpha_has_the_images_size(name, plain):
    sizes = [(1, 32, 32), (2, 96, 64), (1, 256, 224)]
    for size in sizes + ([(1, 75, 53)] if ARCHITECTURES[name].multiple == 1 else []):
        alpha = np.array(plain(noise(plain, size)))
        assert alpha.shape == (*size, 1)
        assert alpha.dtype == np.float32
        assert 0 <= alpha.min() <= alpha.max() <= 1
        assert alpha.std() > 1e-4, "a constant output would prove nothing"
        static = keras.Input(batch_shape=(*size, plain.input_shape[-1]))
        assert plain(static).shape == (*size, 1)


@pytest.mark.parametrize("form", ["plain", "asymmetric"])
def test_fuse_and_fold_keep_the_function(name, form, request):
    check_rewriting(request.getfixturevalue(form), name)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ALIKE])
def test_branches_with_norms_fuse_fold_and_save(name, tmp_path):
    model = lively(name, asymmetric=True, branch_norm=True)
    check_rewriting(model, name)
    check_saving(model, tmp_path / "model.keras")


def check_rewriting(model, name):
    before = [np.array(w) for w in model.weights]
    fused, folded = fuse(model), fold(model)
    for size in ((2, 96, 64), (1, 32, 160)):
        x = noise(model, size)
        wanted = np.array(model(x, training=False))
        assert wanted.std() > 1e-4, "a constant output would prove nothing"
        np.testing.assert_allclose(np.array(fused(x)), wanted, atol=tolerance(name))
        np.testing.assert_allclose(np.array(folded(x)), wanted, atol=tolerance(name))
    assert not any(isinstance(layer, AsymmetricConv2D) for layer in folded.layers)
    if ARCHITECTURES[name].counts and name not in SMALL:
        assert fused.count_params() == ARCHITECTURES[name].counts[0]
    for old, weight in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(old, np.array(weight))


@pytest.mark.parametrize("name", sorted(SPECS))
def test_folded_like_unet_is_at_most_33_layers(name):
    assert len(fold(build(name, asymmetric=True)).layers) <= 33


def test_saves_and_loads_to_the_bit(asymmetric, tmp_path):
    check_saving(asymmetric, tmp_path / "model.keras")


def check_saving(model, path):
    save(model, path)
    again = load(path)
    for new, old in zip(again.weights, model.weights, strict=True):
        np.testing.assert_array_equal(np.array(new), np.array(old))
    x = noise(model, (1, 64, 32))
    np.testing.assert_array_equal(np.array(again(x)), np.array(model(x)))


@pytest.mark.parametrize("policy", HARSHEST)
def test_takes_a_training_step(name, policy):
    keras.utils.set_random_seed(1)
    keras.config.set_dtype_policy(policy)
    try:
        model = awake(small(name))
        model.compile(sgd(), AlphaLoss(), run_eagerly=True)
        before = [np.array(w) for w in model.trainable_weights]
        loss = model.train_on_batch(*a_batch(model))
        assert model(noise(model, (1, 32, 32))).dtype == "float32"
    finally:
        keras.config.set_dtype_policy("float32")
    assert np.isfinite(loss)
    after = [np.array(w) for w in model.trainable_weights]
    assert all(np.isfinite(w).all() for w in after)
    changed = [not np.array_equal(a, b) for a, b in zip(after, before, strict=True)]
    assert np.mean(changed) > 0.9


@pytest.mark.thorough
@pytest.mark.parametrize("jit", [False, True], ids=["traced", "xla"])
@pytest.mark.parametrize("policy", POLICIES)
def test_takes_a_compiled_training_step(name, policy, jit):
    keras.config.set_dtype_policy(policy)
    try:
        model = awake(small(name))
        model.compile(sgd(), AlphaLoss(), jit_compile=jit)
        losses = [model.train_on_batch(*a_batch(model)) for _ in range(2)]
    finally:
        keras.config.set_dtype_policy("float32")
        # Compiled steps of fifty networks would need more memory than machines have.
        keras.backend.clear_session()
        gc.collect()
    assert np.isfinite(losses).all()
    assert losses[0] != losses[1]


def test_learns():
    keras.utils.set_random_seed(1)
    model = build("night-lite", asymmetric=True)
    model.compile(keras.optimizers.Adam(3e-3), AlphaLoss(), run_eagerly=True)
    x = noise(model, (4, 32, 32))
    x[:2] /= 8
    y = np.zeros((4, 32, 32, 1), "float32")
    y[:2] = 1
    losses = [float(model.train_on_batch(x, y)) for _ in range(15)]
    assert losses[-1] < 0.7 * losses[0]


def test_onnx_is_the_trained_network(name, asymmetric, tmp_path):
    sizes = (*FEW_SIZES, (1, 75, 53)) if ARCHITECTURES[name].multiple == 1 else FEW_SIZES
    export(asymmetric, tmp_path / "model.onnx", tolerance=tolerance(name), sizes=sizes)
    graph = onnx.load(tmp_path / "model.onnx").graph
    assert len(graph.node) <= 1.8 * len(fold(asymmetric).layers)
    assert [(v.name, dims(v)) for v in (*graph.input, *graph.output)] == [
        ("image", ["batch", "height", "width", 3]),
        ("alpha", ["batch", "height", "width", 1]),
    ]
    photo = np.random.default_rng(0).integers(0, 255, (50, 70, 3), "uint8")
    alpha = Matter(tmp_path / "model.onnx", area=64 * 64)(photo)
    assert alpha.shape == (50, 70)
    np.testing.assert_allclose(Matter(asymmetric, area=64 * 64)(photo), alpha, atol=1e-4)


def test_litert_is_the_trained_network(name, plain, tmp_path):
    pytest.importorskip("ai_edge_litert", reason="LiteRT is an extra: pip install '.[litert]'")
    report = export(plain, tmp_path / "model.tflite", "litert", sizes=FEW_SIZES)
    assert report.largest <= 1e-4


@pytest.mark.parametrize("name", WITH_TRAINING_FORM)
def test_training_form_contains_the_inference_form(name, tmp_path):
    model = lively(name, training=True)
    assert all(v.dtype == "float32" for v in model.output.values())
    x = noise(model, (1, 64, 96))
    outputs = model(x, training=False)
    for key, value in fold(model)(x).items():
        np.testing.assert_allclose(value, outputs[key], atol=1e-4)
    inference = inference_form(model)
    np.testing.assert_allclose(np.array(inference(x)), alpha_of(outputs), atol=1e-5)
    assert inference.count_params() == build(name).count_params()
    if name == "modnet":
        save(model, tmp_path / "model.keras")
        again = load(tmp_path / "model.keras")
        np.testing.assert_array_equal(alpha_of(again(x)), alpha_of(outputs))
        assert export(again, tmp_path / "model.onnx", sizes=FEW_SIZES).largest <= 1e-4


@pytest.mark.parametrize(
    "names",
    [
        ["dark-light", "modnet", "dawn"],
        pytest.param(["u2netp", "fcn8s"], marks=pytest.mark.thorough),
    ],
)
def test_runs_under_jax(names, tmp_path):
    """Several in one process, which costs ten seconds to start; all others are built as these."""
    for name in names:
        model = lively(name)
        x = noise(model, (1, 64, 96))
        save(model, tmp_path / f"{name}.keras")
        np.savez(tmp_path / f"{name}.npz", x=x, alpha=np.array(model(x, training=False)))
    program = """
        import sys
        import jax, numpy as np, keras
        from matting_keras.weights.files import load
        assert keras.backend.backend() == "jax"
        for name in sys.argv[2:]:
            known = np.load(f"{sys.argv[1]}/{name}.npz")
            model = load(f"{sys.argv[1]}/{name}.keras")
            state = [[v.value for v in part] for part in
                     (model.trainable_variables, model.non_trainable_variables)]
            run = jax.jit(lambda x: model.stateless_call(*state, x, training=False)[0])
            alpha = np.array(run(known["x"]))
            difference = np.abs(alpha - known["alpha"]).max()
            assert difference <= 1e-4, (name, difference)
        print(len(sys.argv[2:]))
    """
    assert run_under_jax(program, str(tmp_path), *names).split() == [str(len(names))]


def test_registry_knows_what_it_costs(name, plain):
    if name not in SMALL:
        assert ARCHITECTURES[name].counts in (None, counts(plain))


def test_description_is_json_with_every_layer(name, asymmetric):
    facts = json.loads(describe(asymmetric))
    assert facts["parameters"] == asymmetric.count_params()
    assert [row["name"] for row in facts["layers"]] == [layer.name for layer in asymmetric.layers]


def sgd():
    """Under mixed_float16 with a loss scale that needs no steps to settle."""
    return keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(1e-2), initial_scale=1.0)


def a_batch(model):
    # At 32, batch statistics at 1/32 would be of two values. At 64, FCN-8s' kernel of 7 has taps
    # that never meet its map of 2 x 2, and TensorFlow's bfloat16 kernels (oneDNN) leave whatever
    # lay in memory in the gradient of such taps.
    side = 128 if model.name == "fcn8s" else 64
    x = noise(model, (2, side, side))
    return x, (x[..., :1] > 128).astype("float32")


def dims(value) -> list:
    return [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
