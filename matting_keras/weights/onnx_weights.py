"""Weights out of ONNX files that other projects exported from PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import onnx
from keras import layers
from onnx import numpy_helper

from matting_keras.errors import InputError
from matting_keras.graph import producer_of, producers
from matting_keras.layers import AsymmetricConv2D
from matting_keras.weights.state_dict import identity_norm, tensor_names, training_only


def read_onnx(path: Path, model: keras.Model) -> dict[str, np.ndarray]:
    """The weights of an ONNX file under PyTorch's names.

    PyTorch's exporter keeps the names of most weights, but folds a BatchNormalization that
    follows a convolution into it and then numbers both. Numbered convolutions are matched with
    the model's in the order in which they run; their norms become ones that only add a bias.

    Args:
        path: the .onnx file.
        model: the network that the file should hold; only its structure is read.

    Returns:
        Tensors as `state_dict.assign` takes them.

    Raises:
        InputError: not an ONNX file, or one of another network.
    """
    graph = _load(path)
    try:
        return _matched(graph, model, path)
    except (ValueError, IndexError, KeyError) as error:
        raise InputError(
            f"{path}: damaged, or not as PyTorch exports: {error}. Copy it again."
        ) from error


def _matched(graph: onnx.GraphProto, model: keras.Model, path: Path) -> dict[str, np.ndarray]:
    inside = [t for t in graph.initializer if t.data_location == onnx.TensorProto.DEFAULT]
    arrays = {tensor.name: tensor for tensor in inside}
    tensors = {
        name: numpy_helper.to_array(tensor) for name, tensor in arrays.items() if "." in name
    }
    unnamed = [
        (layer, norm)
        for layer, norm in _convolutions(model)
        if tensor_names(layer)[0] not in tensors and not training_only(tensor_names(layer)[0])
    ]
    numbered = list(_numbered(graph, arrays))
    if len(unnamed) != len(numbered):
        raise InputError(
            f"{path}: holds {len(numbered)} convolutions without a name, {model.name!r} has "
            f"{len(unnamed)} of them; it is another network, or was exported in another way."
        )
    for (layer, norm), (kernel, bias) in zip(unnamed, numbered, strict=True):
        names = tensor_names(layer)
        bias = np.zeros(kernel.shape[0], "float32") if bias is None else bias
        tensors[names[0]] = kernel
        if len(names) > 1:
            tensors[names[1]] = bias
            bias = np.zeros_like(bias)
        if norm is not None:
            tensors |= identity_norm(norm, bias)
    return tensors


def _load(path: Path) -> onnx.GraphProto:
    try:
        # External data would be another file of the caller's machine; it is not followed.
        return onnx.load(path, load_external_data=False).graph
    except Exception as error:  # protobuf's DecodeError is right below Exception
        raise InputError(f"{path}: not an ONNX file, or damaged: {error}.") from error


def _numbered(
    graph: onnx.GraphProto, arrays: dict[str, onnx.TensorProto]
) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Kernel and bias of every convolution and matrix product whose kernel has a number."""
    for node in graph.node:
        if node.op_type not in ("Conv", "MatMul") or node.input[1] not in arrays:
            continue
        if "." in node.input[1]:
            continue
        kernel = numpy_helper.to_array(arrays[node.input[1]])
        if node.op_type == "MatMul":
            yield kernel.T, None
        else:
            bias = node.input[2] if len(node.input) > 2 else None
            yield kernel, numpy_helper.to_array(arrays[bias]) if bias else None


def _convolutions(
    model: keras.Model,
) -> Iterator[tuple[layers.Layer, layers.BatchNormalization | None]]:
    """The convolutions in the order in which they run, each with the norm straight after it."""
    norms = {
        producers(layer)[0].name: layer
        for layer in model.layers
        if isinstance(layer, layers.BatchNormalization)
    }
    for layer in running_order(model):
        if isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D, AsymmetricConv2D)):
            yield layer, norms.get(layer.name)


def running_order(model: keras.Model) -> list[layers.Layer]:
    """The layers so that each comes after its inputs, the first input's branch first.

    `model.layers` sorts by depth instead, which mixes the branches.
    """
    order: list[layers.Layer] = []
    done: set[str] = set()
    stack = [(producer_of(tensor), False) for tensor in reversed(model.outputs)]
    while stack:
        layer, ready = stack.pop()
        if layer.name in done:
            continue
        if ready:
            done.add(layer.name)
            order.append(layer)
            continue
        stack.append((layer, True))
        stack += [(producer, False) for producer in reversed(producers(layer))]
    return order
