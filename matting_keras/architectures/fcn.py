"""FCN-8s: VGG16 without its classifier's end, and scores from three depths added up.

Source: Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic Segmentation",
CVPR 2015. The original pads its input by 100 pixels and crops the result; here every layer keeps
its size ("same" padding), which sees the same picture but for the border.
"""

from __future__ import annotations

import keras
from keras import layers

from matting_keras.architectures.blocks import Blocks, imagenet
from matting_keras.errors import InputError
from matting_keras.layers import BilinearKernel, TwoClassAlpha

VGG16 = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
"""Convolutions and filters of each block (configuration D of the VGG paper)."""

MEAN = (123.68, 116.779, 103.939)
"""Mean RGB of ImageNet as VGG16 subtracts it, without further scaling."""


def fcn8s(
    *,
    asymmetric: bool = False,
    branch_norm: bool = False,
    original: bool = False,
    backbone: str | None = None,
    fully_connected: int = 4096,
) -> keras.Model:
    """Build FCN-8s for one class, the person.

    Args:
        asymmetric: learn VGG16's 3×3 convolutions as asymmetric blocks.
        branch_norm: give each branch of those blocks a BatchNormalization.
        original: two classes at the end instead of one sigmoid channel.
        backbone: "imagenet" for the VGG16 weights of `keras.applications`, which are downloaded
            once; None for random ones.
        fully_connected: filters of the two convolutions that were VGG16's dense layers. Nearly
            all of the network's half gigabyte is there; 1024 is a usual smaller choice. At
            least 1.

    Returns:
        A functional model from raw 0..255 values (batch, height, width, 3), sides multiples of 32,
        to alpha (batch, height, width, 1) in 0..1, float32 under any policy.

    Raises:
        InputError: unknown backbone, or its weights cannot be downloaded, or the blocks cannot
            take them; fully_connected below 1.
    """
    if backbone not in (None, "imagenet"):
        raise InputError(f"backbone must be 'imagenet' or None, got {backbone!r}.")
    if fully_connected < 1:
        raise InputError(f"fully_connected must be at least 1, got {fully_connected}.")
    image = keras.Input((None, None, 3), name="image")
    x = layers.Rescaling(1.0, [-m for m in MEAN], dtype="float32", name="scale")(image)
    pools = _vgg16(x, Blocks(asymmetric, branch_norm))
    x = _wide(pools[5], fully_connected, 7, "fc6")
    x = _wide(x, fully_connected, 1, "fc7")
    classes = 2 if original else 1
    x = _score(x, classes, "score_fr")
    x = _doubled(x, classes, 2, "upscore2")
    # The factors of the all-at-once training: the skips start small beside the deep score.
    for number, factor, step in ((4, 0.01, 2), (3, 0.0001, 8)):
        skip = layers.Rescaling(factor, name=f"scale_pool{number}")(pools[number])
        x = layers.Add(name=f"fuse_pool{number}")([x, _score(skip, classes, f"score_pool{number}")])
        x = _doubled(x, classes, step, f"upscore_pool{number}")
    if original:
        alpha = TwoClassAlpha(dtype="float32", name="alpha")(x)
    else:
        alpha = layers.Activation("sigmoid", dtype="float32", name="alpha")(x)
    model = keras.Model(image, alpha, name="fcn8s")
    if backbone:
        load_imagenet(model)
    return model


def _vgg16(x, blocks: Blocks) -> dict[int, object]:
    """The pooled maps by number; pool 3 is at 1/8 of the size, pool 5 at 1/32."""
    pools = {}
    for block, (convolutions, filters) in enumerate(VGG16, 1):
        for number in range(1, convolutions + 1):
            name = f"block{block}_conv{number}"
            x = blocks.convolution(x, filters, name, kernel_initializer="he_uniform")
            x = layers.ReLU(name=f"{name}_relu")(x)
        pools[block] = x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    return pools


def _wide(x, filters: int, kernel_size: int, name: str):
    x = layers.Conv2D(
        filters, kernel_size, padding="same", kernel_initializer="he_uniform", name=name
    )(x)
    x = layers.ReLU(name=f"{name}_relu")(x)
    return layers.Dropout(0.5, name=f"{name}_dropout")(x)


def _score(x, classes: int, name: str):
    """Starts at zero, as in the paper (section 4.3).

    VGG's values are in the hundreds: random scores of them leave the sigmoid no slope.
    """
    return layers.Conv2D(classes, 1, kernel_initializer="zeros", name=name)(x)


def _doubled(x, classes: int, step: int, name: str):
    """A transposed convolution that starts as bilinear enlargement by `step`."""
    return layers.Conv2DTranspose(
        classes,
        2 * step,
        strides=step,
        padding="same",
        use_bias=False,
        kernel_initializer=BilinearKernel(),
        dtype="float32",
        name=name,
    )(x)


def load_imagenet(model: keras.Model) -> None:
    """Give the VGG16 inside FCN-8s the ImageNet weights of `keras.applications`.

    Raises:
        InputError: they cannot be downloaded, or the network has asymmetric blocks with norms.
    """
    copy_applications(imagenet("VGG16"), model)


def copy_applications(source: keras.Model, model: keras.Model) -> None:
    """Copy `keras.applications.VGG16` into FCN-8s; the first kernel is turned from BGR to RGB."""
    for layer in source.layers:
        if not layer.weights:
            continue
        kernel, bias = layer.get_weights()
        if kernel.shape[2] == 3:
            kernel = kernel[:, :, ::-1]
        target = model.get_layer(layer.name)
        if isinstance(target, layers.Conv2D):
            target.set_weights([kernel, bias])
        else:
            target.assign_plain(kernel, bias)
