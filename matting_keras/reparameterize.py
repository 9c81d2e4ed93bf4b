"""From the network that learned to the network that runs: the same function, fewer parts.

`fuse` turns every asymmetric block into one convolution. `fold` goes on: BatchNormalization and
ReLU disappear into the convolution before them, transposed convolutions at stride 1 become plain
ones and a two-class head becomes one sigmoid channel. `inference_form` drops what only training
needs. All return a new float32 model and leave the old one alone.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops

from matting_keras.errors import InputError
from matting_keras.graph import producer_of
from matting_keras.layers import AsymmetricConv2D, IBNorm, TwoClassAlpha
from matting_keras.layers.asymmetric import norm_as_affine
from matting_keras.layers.colour import LUMA, Grayscale
from matting_keras.surgery import Convolution, Plan, check, check_flat, readers_of


def fuse(model: keras.Model) -> keras.Model:
    """Replace every asymmetric block by the one convolution that it amounts to.

    Args:
        model: a functional model. Its weights and precision are not touched.

    Returns:
        A float32 model with the same layer names and the same function.

    Raises:
        InputError: the model is not functional, uses a layer twice, or holds another model.

    Example:
        >>> from matting_keras import build
        >>> fuse(build("dark-light", asymmetric=True)).count_params()
        221617
    """
    check_flat(model)
    plan = Plan()
    for layer in model.layers:
        if isinstance(layer, AsymmetricConv2D):
            kernel, bias = layer.fused_weights()
            plan.convolutions[layer.name] = Convolution.of(layer, kernel, bias)
    return plan.apply(model)


def fold(model: keras.Model) -> keras.Model:
    """Fuse, then fold all that follows a convolution into it.

    Input scaling without an offset goes into the convolution after it, and Dropout, which does
    nothing at inference, disappears.

    A BatchNormalization is folded only where it comes straight after a convolution that nothing
    else reads. One that comes before a zero-padded convolution (Night's) is left as it is: at the
    border the padding would have to be shifted too, so folding it would not be exact.

    Args:
        model: a functional model. It is not touched.

    Returns:
        A float32 model with the same function, to about 1e-6.

    Raises:
        InputError: the model is not functional, uses a layer twice, or holds another model.

    Example:
        >>> from matting_keras import build
        >>> len(fold(build("dark-light", asymmetric=True)).layers)
        33
    """
    check_flat(model)
    plan, readers = Plan(), readers_of(model)
    for layer in model.layers:
        if isinstance(layer, AsymmetricConv2D):
            _fold_after(layer, *layer.fused_weights(), plan, readers)
        elif type(layer) in (layers.Conv2D, layers.DepthwiseConv2D) or _is_plain_transposed(layer):
            _fold_after(layer, *_weights(layer), plan, readers)
    for layer in model.layers:
        if isinstance(layer, layers.Rescaling) and not np.any(layer.offset):
            _fold_scale(layer, plan, readers)
        elif isinstance(layer, layers.Dropout):
            plan.skipped.add(layer.name)
    return plan.apply(model)


def take_rgb(model: keras.Model) -> keras.Model:
    """Let a gray network take RGB, by folding the luma weights into its first convolution.

    Exact although the convolution pads: the luma of three zeros is zero.

    Args:
        model: a folded functional model; one that takes RGB already is returned as it is.

    Returns:
        A float32 model from RGB 0..255 (batch, height, width, 3) to the same alpha. Where
        something else than one convolution reads the input, luma is computed before that.

    Raises:
        InputError: the model is not functional, or uses a layer twice.

    Example:
        >>> from matting_keras import build
        >>> take_rgb(fold(build("dark-light"))).input_shape
        (None, None, None, 3)
    """
    check(model)
    if model.input_shape[-1] == 3:
        return model
    first = readers_of(model)[producer_of(model.input).name]
    if len(first) > 1 or type(first[0]) is not layers.Conv2D:
        return with_rgb_input(model)
    kernel, bias = _weights(first[0])
    plan = Plan({first[0].name: Convolution.of(first[0], kernel * LUMA.reshape(3, 1), bias)})
    return plan.apply(model, keras.Input((None, None, 3), name="image"))


def with_rgb_input(model: keras.Model) -> keras.Model:
    """The same network, unchanged inside, taking RGB 0..255 whatever it takes itself."""
    if model.input_shape[-1] == 3:
        return model
    image = keras.Input((None, None, 3), name="image")
    gray = Grayscale(dtype="float32", name="grayscale")(image)
    return keras.Model(image, model(gray), name=model.name)


def detached(model: keras.Model) -> keras.Model:
    """A float32 copy of a model, without the optimizer that trains it.

    Raises:
        InputError: the model is not functional, or uses a layer twice.
    """
    check(model)
    return Plan().apply(model)


def inference_form(model: keras.Model) -> keras.Model:
    """The part of a network that makes its alpha, without the outputs that only training needs.

    Args:
        model: in training form (a dictionary of outputs) or in inference form (one output).

    Returns:
        A float32 model with alpha as its only output.

    Raises:
        InputError: the model is not functional, has no output "alpha", or uses a layer twice.

    Example:
        >>> from matting_keras import build
        >>> inference_form(build("u2netp", training=True)).output_shape
        (None, None, None, 1)
    """
    return detached(alpha_part(model))


def alpha_part(model: keras.Model) -> keras.Model:
    """The same as `inference_form`, of the model's own layers and in its own precision.

    Raises:
        InputError: the model has several outputs and none is "alpha".
    """
    if not isinstance(model.output, dict):
        return model
    if "alpha" not in model.output:
        raise InputError(
            f"{model.name!r} gives {', '.join(model.output)}; one of its outputs must be 'alpha'."
        )
    return keras.Model(model.input, model.output["alpha"], name=model.name)


def _weights(layer) -> tuple[np.ndarray, np.ndarray | None]:
    """Kernel and bias of a convolution, transposed or not, as a plain one has them."""
    kernel = ops.convert_to_numpy(layer.kernel)
    if isinstance(layer, layers.Conv2DTranspose):
        # The transposed convolution is the gradient of a convolution: turned by 180 degrees,
        # with input and output channels exchanged, it is that convolution again.
        kernel = kernel[::-1, ::-1].transpose(0, 1, 3, 2)
    return kernel, ops.convert_to_numpy(layer.bias) if layer.use_bias else None


def _fold_after(layer, kernel, bias, plan: Plan, readers: dict[str, list]) -> None:
    bias = None if bias is None else bias.astype("float64")
    new = Convolution.of(layer, kernel.astype("float64"), bias)
    current = layer
    while len(readers[current.name]) == 1 and _is_linear(new.config["activation"]):
        following = readers[current.name][0]
        if isinstance(following, layers.BatchNormalization):
            new.scale(*norm_as_affine(following))
        elif isinstance(following, IBNorm) and following.batch:
            new.scale(*_batch_half(following, len(new.bias)))
            plan.halved.add(following.name)
            break
        elif relu := _relu_name(following):
            new.config["activation"] = relu
        elif isinstance(following, TwoClassAlpha) and new.kind is layers.Conv2D:
            new.to_alpha()
        else:
            break
        plan.skipped.add(following.name)
        current = following
    plan.convolutions[layer.name] = new


def _fold_scale(layer, plan: Plan, readers: dict[str, list]) -> None:
    # Exact although the convolution pads: zero times the scale is still zero.
    following = readers[layer.name]
    if len(following) == 1 and following[0] and following[0].name in plan.convolutions:
        convolution = plan.convolutions[following[0].name]
        if convolution.config.get("groups", 1) > 1:
            return
        convolution.kernel = convolution.kernel * np.reshape(layer.scale, (-1, 1))
        plan.skipped.add(layer.name)


def _is_plain_transposed(layer) -> bool:
    return (
        isinstance(layer, layers.Conv2DTranspose)
        and tuple(layer.strides) == (1, 1)
        and tuple(layer.dilation_rate) == (1, 1)
        and layer.padding == "same"
        and all(side % 2 for side in layer.kernel_size)
    )


def _is_linear(activation) -> bool:
    return keras.activations.get(activation) is keras.activations.linear


def _relu_name(layer) -> str | None:
    """ "relu" or "relu6" for a layer that is just that."""
    if isinstance(layer, layers.ReLU) and not layer.negative_slope and not layer.threshold:
        return {None: "relu", 6.0: "relu6"}.get(layer.max_value)
    if isinstance(layer, layers.Activation) and layer.activation is keras.activations.relu:
        return "relu"
    return None


def _batch_half(norm: IBNorm, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """An IBNorm's batch half as scale and shift of all channels; the others stay as they are."""
    scale, shift = norm_as_affine(norm.batch_norm)
    rest = channels - len(scale)
    return np.append(scale, np.ones(rest)), np.append(shift, np.zeros(rest))
