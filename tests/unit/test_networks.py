"""What single architectures promise beyond the contract."""

import keras
import numpy as np
import pytest

from matting_keras import build
from matting_keras.architectures import ARCHITECTURES, fcn, mobilenet_v2
from matting_keras.architectures.modnet import BACKBONE
from matting_keras.complexity import counts, multiply_accumulates
from matting_keras.errors import InputError
from matting_keras.layers import BilinearKernel
from matting_keras.weights.state_dict import assign, extract
from tests.networks import noise


@pytest.mark.parametrize(
    ("name", "options", "trainable"),
    [
        pytest.param("u2net", {"training": True}, 44_009_869, marks=pytest.mark.thorough),
        ("u2netp", {"training": True}, 1_131_181),
        ("modnet", {"training": True}, 6_487_075),
        ("unet", {"original": True}, 7_069_490 - 2 * 512),
    ],
)
def test_published_parameter_counts(name, options, trainable):
    model = build(name, **options)
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == trainable


def test_fcn8s_is_vgg16_with_wide_convolutions():
    model = build("fcn8s")
    by_hand = 14_714_688 + (7 * 7 * 512 + 1) * 4096 + (4096 + 1) * 4096 + (4096 + 512 + 256 + 3)
    assert model.count_params() == by_hand + 16 + 16 + 256
    assert ARCHITECTURES["fcn8s"].counts == counts(model)


@pytest.mark.parametrize(
    ("name", "side", "millions"),
    [("dark-light", 256, 590), ("u2netp", 320, 19_756), ("modnet", 512, 15_466)],
)
def test_multiply_accumulates(name, side, millions):
    """Counted before by other means: u2netp and modnet in PyTorch."""
    assert round(multiply_accumulates(build(name), side, side) / 1e6) == pytest.approx(
        millions, rel=2e-3
    )


def test_u2net_sees_any_size_and_takes_its_checkpoints():
    network, other = build("u2net"), build("u2net")
    assign(other, extract(network), "a test")
    x = noise(network, (1, 37, 50))
    alpha = np.array(network(x))
    assert alpha.shape == (1, 37, 50, 1)
    np.testing.assert_array_equal(np.array(other(x)), alpha)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("dark-light", {"training": True}, "has no option 'training'; it takes asymmetric"),
        ("u2netp", {"input_norm": "max"}, "input_norm must be one of imagenet, half"),
        ("modnet", {"backbone": "resnet"}, "backbone must be 'imagenet' or None"),
        ("fcn8s", {"fully_connected": 0}, "at least 1"),
        ("dark", {"branch_norm": True}, "branch_norm needs asymmetric"),
    ],
)
def test_wrong_options_are_refused(name, options, message):
    with pytest.raises(InputError, match=message):
        build(name, **options)


@pytest.mark.parametrize("name", ["modnet", "fcn8s"])
def test_without_internet_the_backbone_says_so(name, monkeypatch):
    def offline(*arguments, **options):
        raise OSError("URL fetch failure")

    monkeypatch.setattr(keras.applications, "MobileNetV2", offline)
    monkeypatch.setattr(keras.applications, "VGG16", offline)
    with pytest.raises(InputError, match=r"cannot be downloaded \(URL fetch failure\)"):
        build(name, backbone="imagenet", **({"fully_connected": 8} if name == "fcn8s" else {}))


def test_imagenet_backbone_of_modnet_is_keras_applications():
    """At the pixels far from the border, moved by the pixel that its padding differs by."""
    source = keras.applications.MobileNetV2(
        input_shape=(96, 96, 3), include_top=False, weights=None
    )
    for layer in source.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            c = layer.gamma.shape[0]
            rng = np.random.default_rng(c)
            layer.set_weights([*rng.uniform(0.5, 1.5, (3, c)), rng.uniform(1e-4, 2, c)])
    model = build("modnet")
    mobilenet_v2.copy_applications(source, model, BACKBONE)
    theirs = keras.Model(source.input, source.get_layer("block_1_expand").output)
    ours = keras.Model(
        model.get_layer("scale").output, model.get_layer(f"{BACKBONE}.2.conv.0").output
    )
    x = np.random.default_rng(0).uniform(-1, 1, (1, 96, 96, 3)).astype("float32")
    moved = np.roll(x, (-1, -1), axis=(1, 2))
    np.testing.assert_allclose(
        np.array(ours(moved))[:, 2:-2, 2:-2], np.array(theirs(x))[:, 2:-2, 2:-2], atol=1e-4
    )


def test_imagenet_backbone_of_fcn8s_is_keras_applications():
    source = keras.applications.VGG16(include_top=False, weights=None, input_shape=(64, 64, 3))
    model = build("fcn8s", fully_connected=8)
    fcn.copy_applications(source, model)
    x = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)).astype("float32")
    theirs = source(keras.applications.vgg16.preprocess_input(x.copy()))
    ours = keras.Model(model.input, model.get_layer("block5_pool").output)(x)
    np.testing.assert_allclose(np.array(ours), np.array(theirs), rtol=1e-3, atol=1e-5)


def test_bilinear_kernel_enlarges_a_constant_to_itself():
    layer = keras.layers.Conv2DTranspose(
        2, 4, strides=2, padding="same", use_bias=False, kernel_initializer=BilinearKernel()
    )
    x = np.stack([np.full((4, 4), 3.0), np.full((4, 4), -1.0)], -1)[None].astype("float32")
    enlarged = np.array(layer(x))[0, 1:-1, 1:-1]
    np.testing.assert_allclose(enlarged[..., 0], 3)
    np.testing.assert_allclose(enlarged[..., 1], -1)
