"""Weights of an ONNX file kept in half precision: half the file, computed in float32 as before.

Each large weight is stored as float16 and followed by a cast, which runtimes do once when they
load the file; OpenVINO's own files keep weights the same way. So nothing runs slower, and nothing
but the weights is rounded, each to one part in two thousand.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from matting_keras.errors import InputError
from matting_keras.inference.onnx_file import BITS_KEY

LEAST = 64
"""Smaller weights, such as biases and the last kernel, stay as they are: they weigh nothing."""

SUFFIX = "_half"


def in_half(values: np.ndarray, name: str) -> np.ndarray:
    """Weights as float16.

    Args:
        values: float32, of any shape.
        name: of the weights, for the message.

    Raises:
        InputError: a weight is too large for float16.
    """
    largest = np.abs(values).max()
    if largest > np.finfo(np.float16).max:
        raise InputError(
            f"weights {name!r} reach {largest:.0f}, and half precision ends at 65504; leave out "
            "--half."
        )
    return values.astype(np.float16)


def halve(model: onnx.ModelProto) -> None:
    """Keep a file's large float32 weights in float16, in place; the file says so of itself.

    Args:
        model: its graph's initializers are replaced.

    Raises:
        InputError: a weight is too large for float16.
    """
    graph, casts = model.graph, []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < LEAST:
            continue
        name, values = tensor.name, numpy_helper.to_array(tensor)
        tensor.CopyFrom(numpy_helper.from_array(in_half(values, name), name + SUFFIX))
        cast = helper.make_node("Cast", [name + SUFFIX], [name], f"{name}_whole", to=1)
        casts.append(cast)
    _put_first(graph, casts)
    told = {entry.key: entry.value for entry in model.metadata_props}
    helper.set_model_props(model, {**told, BITS_KEY: "16"})


def widen(model: onnx.ModelProto) -> None:
    """Make the weights that `halve` put into float16 float32 again, in place."""
    graph = model.graph
    halves = {t.name: t for t in graph.initializer if t.data_type == TensorProto.FLOAT16}
    kept = []
    for node in graph.node:
        tensor = halves.get(node.input[0]) if node.op_type == "Cast" else None
        if tensor is None:
            kept.append(node)
        else:
            values = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, node.output[0]))
    del graph.node[:]
    graph.node.extend(kept)


def _put_first(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *rest])
