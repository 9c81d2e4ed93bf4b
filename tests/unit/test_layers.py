import keras
import numpy as np
import pytest

from matting_keras.errors import InputError
from matting_keras.layers import (
    AsymmetricConv2D,
    Grayscale,
    IBNorm,
    ImageMaximum,
    MinMaxStretch,
    ResizeLike,
    TwoClassAlpha,
    Upsample2x,
)


def three_branches(layer: AsymmetricConv2D, x: np.ndarray) -> np.ndarray:
    """The block as the paper draws it: three convolutions, summed."""
    total = 0
    for branch in ("square", "horizontal", "vertical"):
        convolved = keras.ops.conv(
            x, layer.kernels[branch], padding="same", dilation_rate=layer.dilation_rate
        )
        total = total + np.array(convolved) + np.array(layer.biases[branch])
    return total


@pytest.mark.parametrize(
    ("kernel_size", "dilation"), [(2, 1), (3, 1), (4, 1), (5, 1), (3, 2), (5, 3)]
)
@pytest.mark.parametrize("size", [(8, 8), (7, 5), (1, 1), (1, 9)])
def test_weight_space_equals_three_branches(kernel_size, dilation, size):
    x = np.random.default_rng(0).normal(size=(2, *size, 3)).astype("float32")
    layer = AsymmetricConv2D(4, kernel_size, dilation_rate=dilation)
    layer.build(x.shape)
    layer.set_weights([np.random.default_rng(1).normal(size=w.shape) for w in layer.weights])
    np.testing.assert_allclose(np.array(layer(x)), three_branches(layer, x), atol=2e-5)


@pytest.mark.parametrize("branch_norm", [False, True])
@pytest.mark.parametrize("kernel_size", [2, 3, 5])
def test_fused_weights_convolve_to_the_same(branch_norm, kernel_size):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(2, 9, 7, 3)).astype("float32")
    layer = AsymmetricConv2D(4, kernel_size, branch_norm=branch_norm)
    layer.build(x.shape)
    layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.weights])
    kernel, bias = layer.fused_weights()
    plain = np.array(keras.ops.conv(x, kernel, padding="same")) + bias
    np.testing.assert_allclose(np.array(layer(x, training=False)), plain, atol=5e-5)


def test_branch_norm_starts_at_a_third_and_has_no_bias():
    layer = AsymmetricConv2D(4, branch_norm=True)
    layer.build((None, None, None, 3))
    assert not layer.biases
    for norm in layer.norms.values():
        np.testing.assert_allclose(np.array(norm.gamma), 1 / 3)


def test_gradients_reach_all_branches():
    import tensorflow as tf

    layer = AsymmetricConv2D(4)
    x = tf.random.stateless_normal((2, 8, 8, 3), (0, 1))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x) ** 2)
    gradients = tape.gradient(loss, layer.trainable_variables)
    assert len(gradients) == 6
    assert all(float(tf.reduce_max(tf.abs(g))) > 0 for g in gradients)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strides": 2}, "only with strides=1"),
        ({"padding": "valid"}, "padding='same'"),
        ({"kernel_size": 1}, "at least 2"),
        ({"kernel_size": (3, 5)}, "one integer"),
        ({"kernel_size": 4, "dilation_rate": 2}, "no tap at its centre"),
        ({"filters": 0}, "at least 1"),
    ],
)
def test_what_cannot_be_fused_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        AsymmetricConv2D(**{"filters": 4} | arguments)


def test_plain_weights_become_the_square_branch():
    rng = np.random.default_rng(3)
    kernel, bias = rng.normal(size=(3, 3, 2, 4)), rng.normal(size=4)
    layer = AsymmetricConv2D(4)
    layer.build((None, None, None, 2))
    layer.assign_plain(kernel, bias)
    fused_kernel, fused_bias = layer.fused_weights()
    np.testing.assert_array_equal(fused_kernel, kernel.astype("float32"))
    np.testing.assert_array_equal(fused_bias, bias.astype("float32"))


def test_branch_norm_cannot_start_from_plain_weights():
    layer = AsymmetricConv2D(4, branch_norm=True)
    layer.build((None, None, None, 2))
    with pytest.raises(InputError, match="branch_norm=False"):
        layer.assign_plain(np.zeros((3, 3, 2, 4)), None)


def test_upsample_equals_keras_where_keras_works():
    x = np.random.default_rng(4).normal(size=(2, 5, 7, 3)).astype("float32")
    stock = keras.layers.UpSampling2D(2, interpolation="bilinear")
    np.testing.assert_array_equal(np.array(Upsample2x()(x)), np.array(stock(x)))


def test_upsample_knows_its_shape():
    assert Upsample2x().compute_output_shape((None, None, 4, 8)) == (None, None, 8, 8)
    assert Upsample2x()(keras.Input((6, None, 2))).shape == (None, 12, None, 2)


def test_grayscale_is_bt601():
    red, green, blue = np.eye(3, dtype="float32") * 255
    pixels = np.stack([red, green, blue])[None, None]
    np.testing.assert_allclose(np.array(Grayscale()(pixels)).ravel(), [76.245, 149.685, 29.07])


def test_two_class_alpha_is_the_sigmoid_of_the_difference():
    logits = np.random.default_rng(5).normal(size=(1, 4, 4, 2)).astype("float32")
    expected = 1 / (1 + np.exp(logits[..., :1] - logits[..., 1:]))
    np.testing.assert_allclose(np.array(TwoClassAlpha()(logits)), expected, atol=1e-6)


@pytest.mark.parametrize("like", [(7, 5), (14, 10), (13, 9), (3, 2)])
def test_resize_like_takes_the_other_maps_size(like):
    x = np.random.default_rng(0).normal(size=(2, 7, 5, 3)).astype("float32")
    resized = ResizeLike()([x, np.zeros((2, *like, 1), "float32")])
    wanted = keras.ops.image.resize(x, like, interpolation="bilinear", antialias=False)
    assert tuple(resized.shape) == (2, *like, 3)
    np.testing.assert_allclose(np.array(resized), np.array(wanted), atol=1e-6)
    symbolic = ResizeLike()([keras.Input((None, None, 3)), keras.Input((*like, 1))])
    assert symbolic.shape == (None, *like, 3)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_ib_norm_is_batch_then_instance_statistics(policy):
    rng = np.random.default_rng(0)
    x = rng.normal(rng.uniform(-3, 3, 5), 2, (3, 24, 16, 5)).astype("float32")
    layer = IBNorm(dtype=policy, momentum=0.0)
    trained = np.array(layer(x, training=True), "float32")
    batch = (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + 1e-5)
    instance = (x - x.mean((1, 2), keepdims=True)) / np.sqrt(x.var((1, 2), keepdims=True) + 1e-5)
    wanted = np.concatenate([batch[..., :2], instance[..., 2:]], -1)
    tolerance = 1e-5 if policy == "float32" else 1e-2
    np.testing.assert_allclose(trained, wanted, atol=tolerance)
    np.testing.assert_allclose(np.array(layer(x), "float32"), wanted, atol=tolerance)


def test_ib_norm_survives_what_half_precision_cannot_square():
    x = np.random.default_rng(0).normal(300, 50, (1, 64, 64, 4)).astype("float16")
    normed = np.array(IBNorm(dtype="mixed_float16")(x), "float32")[..., 2:]
    np.testing.assert_allclose(normed.mean((0, 1, 2)), 0, atol=1e-2)
    np.testing.assert_allclose(normed.std((0, 1, 2)), 1, atol=1e-2)


def test_ib_norm_keeps_its_digits_where_the_mean_is_large():
    x = np.random.default_rng(0).normal(10, 0.05, (1, 288, 512, 4)).astype("float32")
    exact = x[..., 2:].astype("float64")
    exact = (exact - exact.mean((1, 2))) / np.sqrt(exact.var((1, 2)) + 1e-5)
    np.testing.assert_allclose(np.array(IBNorm()(x))[..., 2:], exact, atol=1e-3)


def test_image_maximum_and_stretch_keep_dark_scenes_finite():
    x = np.zeros((2, 4, 4, 3), "float32")
    x[1, 2, 2] = (10, 20, 50)
    np.testing.assert_allclose(np.array(ImageMaximum()(x)), x / 50)
    stretched = np.array(MinMaxStretch()(x + 7))
    np.testing.assert_array_equal(stretched[0], 0)
    np.testing.assert_allclose(stretched[1], x[1] / 50, atol=1e-6)
