"""From the network that learned to the network that runs: the same function, fewer parts.

`fuse` turns every asymmetric block into one convolution. `fold` goes on: BatchNormalization and
ReLU disappear into the convolution before them, transposed convolutions at stride 1 become plain
ones and a two-class head becomes one sigmoid channel. `inference_form` drops what only training
needs. All return a new float32 model and leave the old one alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import keras
import numpy as np
from keras import layers, ops

from matting_keras.errors import InputError
from matting_keras.graph import producer_of, producers
from matting_keras.layers import AsymmetricConv2D, IBNorm, TwoClassAlpha
from matting_keras.layers.asymmetric import norm_as_affine


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
    _check_flat(model)
    plan = _Plan()
    for layer in model.layers:
        if isinstance(layer, AsymmetricConv2D):
            kernel, bias = layer.fused_weights()
            plan.convolutions[layer.name] = _Convolution.of(layer, kernel, bias)
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
    _check_flat(model)
    plan, readers = _Plan(), _readers(model)
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


def detached(model: keras.Model) -> keras.Model:
    """A float32 copy of a model, without the optimizer that trains it.

    Raises:
        InputError: the model is not functional, or uses a layer twice.
    """
    _check(model)
    return _Plan().apply(model)


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


@dataclass
class _Convolution:
    """A convolution to be: its layer class, its configuration and its weights."""

    kind: type
    config: dict
    kernel: np.ndarray
    bias: np.ndarray

    @classmethod
    def of(cls, layer, kernel: np.ndarray, bias: np.ndarray | None) -> _Convolution:
        config = {
            "name": layer.name,
            "padding": getattr(layer, "padding", "same"),
            "strides": getattr(layer, "strides", 1),
            "dilation_rate": layer.dilation_rate,
            "activation": layer.activation,
        }
        if isinstance(layer, layers.DepthwiseConv2D):
            config |= {"kernel_size": kernel.shape[:2], "depth_multiplier": kernel.shape[3]}
            kind, outputs = layers.DepthwiseConv2D, kernel.shape[2] * kernel.shape[3]
        else:
            config |= {"kernel_size": kernel.shape[:2], "filters": kernel.shape[3]}
            config["groups"] = getattr(layer, "groups", 1)
            kind, outputs = layers.Conv2D, kernel.shape[3]
        return cls(kind, config, kernel, np.zeros(outputs) if bias is None else bias)

    def scale(self, scale: np.ndarray, shift: np.ndarray) -> None:
        """Let the convolution's output be multiplied and shifted, per channel."""
        depthwise = self.kind is layers.DepthwiseConv2D
        self.kernel = self.kernel * (scale.reshape(self.kernel.shape[2:]) if depthwise else scale)
        self.bias = self.bias * scale + shift

    def to_alpha(self) -> None:
        """Turn two class logits into one sigmoid channel: softmax(z)[1] = sigmoid(z1 - z0)."""
        self.kernel = self.kernel[..., 1:] - self.kernel[..., :1]
        self.bias = self.bias[1:] - self.bias[:1]
        self.config |= {"filters": 1, "activation": "sigmoid", "name": "alpha"}


@dataclass
class _Plan:
    """What to change in a functional model, by layer name.

    Attributes:
        convolutions: what takes the place of a layer.
        skipped: layers to leave out.
        halved: IBNorms whose batch half is in the convolution before.
    """

    convolutions: dict[str, _Convolution] = field(default_factory=dict)
    skipped: set[str] = field(default_factory=set)
    halved: set[str] = field(default_factory=set)

    def apply(self, model: keras.Model) -> keras.Model:
        left_out = []

        def clone(layer):
            if layer.name in self.convolutions:
                new = self.convolutions[layer.name]
                return new.kind(**new.config, dtype="float32")
            config = {**layer.get_config(), "dtype": "float32"}
            if layer.name in self.halved:
                config["batch"] = False
            same = layer.__class__.from_config(config)
            if layer.name in self.skipped:
                left_out.append(same)
            return same

        def call(layer, *args, **kwargs):
            if any(layer is one for one in left_out):
                return args[0]
            return layer(*args, **kwargs)

        # The same graph without its compilation, which cloning would copy too.
        graph = keras.Model(model.input, model.output, name=model.name)
        rewritten = keras.models.clone_model(graph, clone_function=clone, call_function=call)
        sources = {layer.name: layer for layer in model.layers}
        renamed = {new.config["name"]: new for new in self.convolutions.values()}
        for layer in rewritten.layers:
            if layer.name in renamed:
                new = renamed[layer.name]
                layer.set_weights([new.kernel.astype("float32"), new.bias.astype("float32")])
            elif layer.weights:
                layer.set_weights(sources[layer.name].get_weights())
            layer.trainable = sources[layer.name].trainable if layer.name in sources else True
        return rewritten


def _weights(layer) -> tuple[np.ndarray, np.ndarray | None]:
    """Kernel and bias of a convolution, transposed or not, as a plain one has them."""
    kernel = ops.convert_to_numpy(layer.kernel)
    if isinstance(layer, layers.Conv2DTranspose):
        # The transposed convolution is the gradient of a convolution: turned by 180 degrees,
        # with input and output channels exchanged, it is that convolution again.
        kernel = kernel[::-1, ::-1].transpose(0, 1, 3, 2)
    return kernel, ops.convert_to_numpy(layer.bias) if layer.use_bias else None


def _fold_after(layer, kernel, bias, plan: _Plan, readers: dict[str, list]) -> None:
    bias = None if bias is None else bias.astype("float64")
    new = _Convolution.of(layer, kernel.astype("float64"), bias)
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


def _fold_scale(layer, plan: _Plan, readers: dict[str, list]) -> None:
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


def _readers(model: keras.Model) -> dict[str, list]:
    """For each layer's name, the layers that read its output, and None where the caller does."""
    readers: dict[str, list] = {layer.name: [] for layer in model.layers}
    for tensor in model.outputs:
        readers[producer_of(tensor).name].append(None)
    for layer in model.layers:
        for producer in producers(layer):
            readers[producer.name].append(layer)
    return readers


def _check(model: keras.Model) -> None:
    if not isinstance(model, keras.Function):
        raise InputError(
            f"only functional models can be rewritten, got {type(model).__name__} {model.name!r}; "
            "build it with matting_keras.build or keras.Model(inputs, outputs)."
        )
    for layer in model.layers:
        if len(layer._inbound_nodes) > 1:
            raise InputError(
                f"layer {layer.name!r} is used {len(layer._inbound_nodes)} times; a shared layer "
                "cannot be folded into one place. Give each use a layer of its own."
            )


def _check_flat(model: keras.Model) -> None:
    _check(model)
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            raise InputError(
                f"{model.name!r} holds the model {layer.name!r} as a layer, whose inside cannot be "
                "rewritten; rewrite that model, or call its layers one by one."
            )
