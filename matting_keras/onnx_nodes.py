"""Each Keras layer that our networks are made of, as ONNX nodes (NCHW)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np
import onnx
from keras import layers
from onnx import helper, numpy_helper

from matting_keras.layers import (
    Grayscale,
    IBNorm,
    ImageMaximum,
    MinMaxStretch,
    ResizeLike,
    TwoClassAlpha,
    Upsample2x,
)
from matting_keras.layers.colour import LUMA


class Nodes:
    """The nodes and constants of a graph that is being written.

    Args:
        taken: names that belong to the file's own input and output.

    Attributes:
        nodes: in the order in which they run.
        constants: initializers by name.
        padding: what `ZeroPadding2D` layers add, by the name of their output: (top, left, bottom,
            right) and the name of their input. The convolution that reads them pads itself.
    """

    def __init__(self, taken: Sequence[str]):
        self._taken = set(taken)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self.padding: dict[str, tuple[tuple[int, ...], str]] = {}

    def add(self, kind: str, inputs: Sequence[str], name: str, outputs: int = 1, **attributes):
        """Append a node; returns the name of its output, or a list of several."""
        while name in self._taken:
            name += "_"  # a layer may have the name of the file's output
        self._taken.add(name)
        names = [name] if outputs == 1 else [f"{name}.{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=name, **attributes))
        return name if outputs == 1 else names

    def constant(self, name: str, values) -> str:
        """Add a constant, once for each name; returns the name."""
        tensor = numpy_helper.from_array(np.asarray(values, order="C"), f"constant/{name}")
        known = self.constants.setdefault(tensor.name, tensor)
        if known.raw_data != tensor.raw_data or known.dims != tensor.dims:
            raise NotImplementedError(f"two layers called {name!r}")
        return tensor.name


ACTIVATIONS = {"relu": "Relu", "sigmoid": "Sigmoid", "hard_silu": "HardSwish"}


def activated(graph: Nodes, x: str, activation, name: str) -> str:
    """The activation that ends a layer, if it has one."""
    kind = keras.activations.serialize(activation)
    if kind == "linear":
        return x
    if kind == "relu6":
        low = graph.constant("zero", np.float32(0))
        return graph.add("Clip", [x, low, graph.constant("six", np.float32(6))], name)
    if kind not in ACTIVATIONS:
        raise NotImplementedError(kind)
    return graph.add(ACTIVATIONS[kind], [x], name)


def _convolution(graph: Nodes, layer, inputs: list[str]) -> str:
    kernel = _array(layer.kernel)
    depthwise = isinstance(layer, layers.DepthwiseConv2D)
    if depthwise:
        height, width, channels, multiplier = kernel.shape
        kernel = kernel.transpose(2, 3, 0, 1).reshape(channels * multiplier, 1, height, width)
    else:
        kernel = kernel.transpose(3, 2, 0, 1)
    attributes = {
        "strides": _pair(layer.strides),
        "dilations": _pair(layer.dilation_rate),
        "kernel_shape": list(kernel.shape[2:]),
        "group": layer.input.shape[-1] if depthwise else layer.groups,
    }
    x = inputs[0]
    if layer.padding == "same" and max(_pair(layer.strides)) > 1:
        attributes["auto_pad"] = "SAME_UPPER"
    elif layer.padding == "same":
        attributes["pads"] = _same(kernel.shape[2:], _pair(layer.dilation_rate))
    elif x in graph.padding:
        attributes["pads"], x = graph.padding[x]
    names = [x, graph.constant(f"{layer.name}.kernel", kernel)]
    if layer.use_bias:
        names.append(graph.constant(f"{layer.name}.bias", _array(layer.bias)))
    x = graph.add("Conv", names, layer.name, **attributes)
    return activated(graph, x, layer.activation, f"{layer.name}.activation")


def _transposed(graph: Nodes, layer, inputs: list[str]) -> str:
    plain = layer.padding == "same" and layer.output_padding is None
    if not plain or _pair(layer.dilation_rate) != [1, 1]:
        raise NotImplementedError("a transposed convolution that is not 'same'")
    kernel = _array(layer.kernel).transpose(3, 2, 0, 1)
    strides = _pair(layer.strides)
    extra = [max(k - s, 0) for k, s in zip(kernel.shape[2:], strides, strict=True)]
    names = [inputs[0], graph.constant(f"{layer.name}.kernel", kernel)]
    if layer.use_bias:
        names.append(graph.constant(f"{layer.name}.bias", _array(layer.bias)))
    x = graph.add(
        "ConvTranspose",
        names,
        layer.name,
        strides=strides,
        pads=[e // 2 for e in extra] + [e - e // 2 for e in extra],
        output_padding=[max(s - k, 0) for k, s in zip(kernel.shape[2:], strides, strict=True)],
    )
    return activated(graph, x, layer.activation, f"{layer.name}.activation")


def _batch_norm(graph: Nodes, layer, inputs: list[str]) -> str:
    _need_channels(layer)
    mean, variance = _array(layer.moving_mean), _array(layer.moving_variance)
    scale = _array(layer.gamma) if layer.scale else np.ones_like(mean)
    shift = _array(layer.beta) if layer.center else np.zeros_like(mean)
    parts = {"gamma": scale, "beta": shift, "mean": mean, "variance": variance}
    names = [graph.constant(f"{layer.name}.{part}", value) for part, value in parts.items()]
    return graph.add("BatchNormalization", [*inputs, *names], layer.name, epsilon=layer.epsilon)


def _ib_norm(graph: Nodes, layer, inputs: list[str]) -> str:
    half, rest = layer.half, layer.input.shape[-1] - layer.half
    sizes = graph.constant(f"split.{half}.{rest}", np.array([half, rest], "int64"))
    first, second = graph.add("Split", [inputs[0], sizes], f"{layer.name}.split", outputs=2, axis=1)
    if layer.batch:
        norm = layer.batch_norm
        parts = {
            "gamma": norm.gamma,
            "beta": norm.beta,
            "mean": norm.moving_mean,
            "variance": norm.moving_variance,
        }
        names = [graph.constant(f"{layer.name}.{p}", _array(v)) for p, v in parts.items()]
        first = graph.add(
            "BatchNormalization", [first, *names], f"{layer.name}.batch", epsilon=layer.epsilon
        )
    # onnxruntime computes x * scale - mean * scale, which loses digits where the mean is large.
    mean = graph.add("GlobalAveragePool", [second], f"{layer.name}.mean")
    second = graph.add("Sub", [second, mean], f"{layer.name}.centred")
    ones = graph.constant(f"ones.{rest}", np.ones(rest, "float32"))
    zeros = graph.constant(f"zeros.{rest}", np.zeros(rest, "float32"))
    second = graph.add(
        "InstanceNormalization",
        [second, ones, zeros],
        f"{layer.name}.instance",
        epsilon=layer.epsilon,
    )
    return graph.add("Concat", [first, second], layer.name, axis=1)


def _pool(graph: Nodes, layer, inputs: list[str]) -> str:
    kind = "MaxPool" if isinstance(layer, layers.MaxPooling2D) else "AveragePool"
    attributes = {"kernel_shape": _pair(layer.pool_size), "strides": _pair(layer.strides)}
    if layer.padding == "same":
        attributes["auto_pad"] = "SAME_UPPER"
    return graph.add(kind, inputs, layer.name, **attributes)


def _zero_padding(graph: Nodes, layer, inputs: list[str]) -> str:
    (top, bottom), (left, right) = layer.padding
    pads = graph.constant(
        f"{layer.name}.pads", np.array([0, 0, top, left, 0, 0, bottom, right], "int64")
    )
    graph.padding[layer.name] = ([top, left, bottom, right], inputs[0])
    return graph.add("Pad", [inputs[0], pads], layer.name)


def _cropping(graph: Nodes, layer, inputs: list[str]) -> str:
    (top, bottom), (left, right) = layer.cropping
    far = np.iinfo("int64").max
    ends = [-bottom or far, -right or far]
    parts = {"starts": [top, left], "ends": ends, "axes": [2, 3]}
    names = [
        graph.constant(f"{layer.name}.{part}", np.array(value, "int64"))
        for part, value in parts.items()
    ]
    return graph.add("Slice", [*inputs, *names], layer.name)


def _rescaling(graph: Nodes, layer, inputs: list[str]) -> str:
    x = inputs[0]
    for kind, part, neutral in (("Mul", "scale", 1), ("Add", "offset", 0)):
        values = np.asarray(getattr(layer, part), "float32").reshape(1, -1, 1, 1)
        if np.any(values != neutral):
            constant = graph.constant(f"{layer.name}.{part}", values)
            x = graph.add(kind, [x, constant], f"{layer.name}.{kind.lower()}")
    return x


def _doubled(graph: Nodes, layer, inputs: list[str]) -> str:
    factor = graph.constant("double", np.array([1, 1, 2, 2], "float32"))
    return graph.add("Resize", [inputs[0], "", factor], layer.name, mode="linear")


def _resize_like(graph: Nodes, layer, inputs: list[str]) -> str:
    values, like = inputs
    size = graph.add("Shape", [like], f"{layer.name}.size", start=2, end=4)
    return graph.add("Resize", [values, "", "", size], layer.name, mode="linear", axes=[2, 3])


def _two_class(graph: Nodes, layer, inputs: list[str]) -> str:
    x = graph.add("Softmax", inputs, f"{layer.name}.softmax", axis=1)
    channel = graph.constant("person", np.array([1], "int64"))
    return graph.add("Gather", [x, channel], layer.name, axis=1)


def _image_maximum(graph: Nodes, layer, inputs: list[str]) -> str:
    largest = _extreme(graph, "ReduceMax", inputs[0], f"{layer.name}.largest")
    tiny = graph.constant("tiny", np.float32(1e-6))
    largest = graph.add("Max", [largest, tiny], f"{layer.name}.guarded")
    return graph.add("Div", [inputs[0], largest], layer.name)


def _min_max(graph: Nodes, layer, inputs: list[str]) -> str:
    smallest = _extreme(graph, "ReduceMin", inputs[0], f"{layer.name}.smallest")
    largest = _extreme(graph, "ReduceMax", inputs[0], f"{layer.name}.largest")
    span = graph.add("Sub", [largest, smallest], f"{layer.name}.span")
    tiny = graph.constant("tiny", np.float32(1e-6))
    span = graph.add("Max", [span, tiny], f"{layer.name}.guarded")
    above = graph.add("Sub", [inputs[0], smallest], f"{layer.name}.above")
    return graph.add("Div", [above, span], layer.name)


def _extreme(graph: Nodes, kind: str, x: str, name: str) -> str:
    axes = graph.constant("all", np.array([1, 2, 3], "int64"))
    return graph.add(kind, [x, axes], name, keepdims=1)


def _grayscale(graph: Nodes, layer, inputs: list[str]) -> str:
    kernel = graph.constant("luma", LUMA.reshape(1, 3, 1, 1))
    return graph.add("Conv", [inputs[0], kernel], layer.name)


def _concatenated(graph: Nodes, layer, inputs: list[str]) -> str:
    _need_channels(layer)
    return graph.add("Concat", inputs, layer.name, axis=1)


def _multiplied(graph: Nodes, layer, inputs: list[str]) -> str:
    if len(inputs) != 2:
        raise NotImplementedError("a product of more than two")
    return graph.add("Mul", inputs, layer.name)


def _need_channels(layer) -> None:
    if layer.axis not in (-1, 3):
        raise NotImplementedError(f"axis {layer.axis}")


def _relu(graph: Nodes, layer, inputs: list[str]) -> str:
    if layer.negative_slope or layer.threshold or layer.max_value not in (None, 6.0):
        raise NotImplementedError("a ReLU with a slope or another limit")
    kind = keras.activations.relu6 if layer.max_value else keras.activations.relu
    return activated(graph, inputs[0], kind, layer.name)


def _same(kernel: Sequence[int], dilation: Sequence[int]) -> list[int]:
    total = [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)]
    return [t // 2 for t in total] + [t - t // 2 for t in total]


def _pair(value: int | Sequence[int]) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)


def _array(variable) -> np.ndarray:
    return keras.ops.convert_to_numpy(variable).astype("float32")


WRITERS: dict[type, Callable[[Nodes, layers.Layer, list[str]], str]] = {
    layers.Activation: lambda graph, layer, x: activated(graph, x[0], layer.activation, layer.name),
    layers.Add: lambda graph, layer, x: graph.add("Add" if len(x) == 2 else "Sum", x, layer.name),
    layers.AveragePooling2D: _pool,
    layers.BatchNormalization: _batch_norm,
    layers.Concatenate: _concatenated,
    layers.Conv2D: _convolution,
    layers.Conv2DTranspose: _transposed,
    layers.Cropping2D: _cropping,
    layers.DepthwiseConv2D: _convolution,
    layers.Dropout: lambda graph, layer, x: x[0],
    layers.GlobalAveragePooling2D: lambda graph, layer, x: graph.add(
        "GlobalAveragePool", x, layer.name
    ),
    layers.MaxPooling2D: _pool,
    layers.Multiply: _multiplied,
    layers.ReLU: _relu,
    layers.Rescaling: _rescaling,
    layers.ZeroPadding2D: _zero_padding,
    Grayscale: _grayscale,
    IBNorm: _ib_norm,
    ImageMaximum: _image_maximum,
    MinMaxStretch: _min_max,
    ResizeLike: _resize_like,
    TwoClassAlpha: _two_class,
    Upsample2x: _doubled,
}
"""How each kind of layer is written; its inputs and its output are names of tensors."""
