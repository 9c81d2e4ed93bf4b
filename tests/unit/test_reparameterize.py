import keras
import numpy as np
import pytest
from keras import layers

from matting_keras import build, fold, fuse
from matting_keras.errors import InputError
from matting_keras.reparameterize import take_rgb, with_rgb_input
from tests.networks import lively, noise


@pytest.mark.parametrize(
    ("name", "original", "ours"),
    [
        ("night", 1_769_314, 1_769_305),
        ("dark", 1_769_026, 1_769_017),
        ("dark-light", 221_626, 221_617),
    ],
)
def test_parameter_counts(name, original, ours):
    assert build(name, original=True).count_params() == original
    assert build(name).count_params() == ours


def test_two_class_head_folds_to_one_channel():
    model = lively("dark-light", original=True, asymmetric=True)
    folded = fold(model)
    assert folded.output_shape[-1] == 1
    assert folded.count_params() == 219_505
    x = noise(model, (1, 64, 96)) / 255
    np.testing.assert_allclose(np.array(folded(x)), np.array(model(x)), atol=1e-5)


def test_folded_keeps_no_normalisation_but_nights():
    kinds = {type(layer).__name__ for layer in fold(lively("dark-light")).layers}
    assert kinds == {"InputLayer", "Conv2D", "MaxPooling2D", "Upsample2x", "Concatenate"}
    norms = [
        layer.name
        for layer in fold(lively("night")).layers
        if isinstance(layer, layers.BatchNormalization)
    ]
    assert norms == ["middle_norm"]


def test_half_precision_model_folds_to_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build("dark-light", asymmetric=True)
    finally:
        keras.config.set_dtype_policy("float32")
    folded = fold(model)
    assert {layer.compute_dtype for layer in folded.layers} == {"float32"}


def test_a_layer_with_two_readers_is_not_folded():
    image = keras.Input((8, 8, 2))
    convolved = layers.Conv2D(4, 3, padding="same", name="shared")(image)
    normed = layers.BatchNormalization(name="norm")(convolved)
    model = keras.Model(image, layers.Add()([convolved, normed]))
    model.get_layer("norm").set_weights([np.full(4, v) for v in (2.0, 1.0, 0.5, 4.0)])
    folded = fold(model)
    x = np.random.default_rng(0).normal(size=(1, 8, 8, 2)).astype("float32")
    np.testing.assert_allclose(np.array(folded(x)), np.array(model(x)), atol=1e-5)


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("depthwise", [False, True])
def test_other_convolutions_fold_too(strides, depthwise):
    image = keras.Input((9, 8, 4))
    kind = (
        layers.DepthwiseConv2D(3, strides=strides, padding="same", use_bias=False)
        if depthwise
        else layers.Conv2D(6, 3, strides=strides, padding="valid", use_bias=False)
    )
    x = layers.BatchNormalization(name="norm")(kind(image))
    model = keras.Model(image, layers.ReLU(6.0)(layers.ReLU()(x)))
    c = x.shape[-1]
    rng = np.random.default_rng(0)
    model.get_layer("norm").set_weights([rng.uniform(0.5, 2, c) for _ in range(4)])
    folded = fold(model)
    images = rng.normal(size=(2, 9, 8, 4)).astype("float32")
    np.testing.assert_allclose(np.array(folded(images)), np.array(model(images)), atol=1e-5)
    assert len(folded.layers) == 3


def test_what_cannot_be_rewritten_is_said():
    with pytest.raises(InputError, match="only functional models"):
        fuse(keras.Sequential([layers.Dense(1)]))
    image = keras.Input((8, 8, 2))
    shared = layers.Conv2D(2, 3, padding="same", name="twice")
    with pytest.raises(InputError, match="'twice' is used 2 times"):
        fold(keras.Model(image, shared(shared(image))))


@pytest.mark.parametrize("name", ["dark-light", "dark"])
def test_a_gray_network_takes_rgb_without_a_layer_more(name):
    model = lively(name)
    folded = fold(model)
    rgb = take_rgb(folded)
    assert rgb.input_shape == (None, None, None, 3)
    assert len(rgb.layers) == len(folded.layers)
    x = np.random.default_rng(0).uniform(0, 255, (2, 64, 96, 3)).astype("float32")
    np.testing.assert_allclose(np.array(rgb(x)), np.array(with_rgb_input(model)(x)), atol=1e-5)
    np.testing.assert_array_equal(np.array(folded(x[..., :1])), np.array(fold(model)(x[..., :1])))


def test_taking_rgb_leaves_colour_networks_and_odd_starts_alone():
    night = build("night")
    assert take_rgb(night) is night
    image = keras.Input((None, None, 1))
    pooled = layers.MaxPooling2D(2)(image)
    model = keras.Model(image, layers.Conv2D(1, 1)(pooled))
    rgb = take_rgb(model)
    x = np.random.default_rng(0).uniform(0, 255, (1, 8, 8, 3)).astype("float32")
    gray = x @ np.array([0.299, 0.587, 0.114], "float32")[:, None]
    np.testing.assert_allclose(np.array(rgb(x)), np.array(model(gray)), rtol=1e-5)
