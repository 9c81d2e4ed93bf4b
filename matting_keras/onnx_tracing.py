"""Writing ONNX by tracing, for models with layers that `onnx_nodes` does not know."""

from __future__ import annotations

import warnings
from pathlib import Path

import keras
import onnx
from onnx import helper, numpy_helper

AXES = 4
"""Of a picture of alphas: batch, height, width, channels."""


def traced(model: keras.Model, path: Path, opset: int) -> onnx.GraphProto:
    """A model's graph as tf2onnx sees it, its input called `image` and its output `alpha`.

    Args:
        model: takes RGB 0..255 (batch, height, width, 3); has been called once.
        path: where tf2onnx may write.
        opset: version of ONNX's operators.
    """
    signature = [keras.InputSpec(shape=(None, None, None, 3), dtype="float32", name="image")]
    with warnings.catch_warnings():
        # tf2onnx still looks for `np.object`, and NumPy warns about it.
        warnings.simplefilter("ignore", FutureWarning)
        model.export(
            path, format="onnx", input_signature=signature, opset_version=opset, verbose=False
        )
    graph = onnx.load(path).graph
    old = {graph.input[0].name: "image", graph.output[0].name: "alpha"}
    for node in graph.node:
        node.input[:] = [old.get(name, name) for name in node.input]
        node.output[:] = [old.get(name, name) for name in node.output]
    graph.input[0].name, graph.output[0].name = "image", "alpha"
    restore_axes(graph)
    return graph


def restore_axes(graph: onnx.GraphProto) -> None:
    """Take the leading axes of length one from alpha, in place, where tf2onnx forgot to.

    Its reshapes keep lengths they do not know by standing on the same axis, for which they put ones
    in front and a Squeeze behind. Where such a reshape makes the output itself, the Squeeze is
    lost; whether it does hangs on the order in which a set is walked, so one export in twenty.
    """
    last = next(node for node in graph.node if "alpha" in node.output)
    if last.op_type != "Reshape":
        return
    constants = {tensor.name: tensor for tensor in graph.initializer}
    if last.input[1] not in constants:
        return
    shape = numpy_helper.to_array(constants[last.input[1]])
    extra = len(shape) - AXES
    if extra <= 0 or any(shape[:extra] != 1):
        return
    last.output[0], axes = "alpha_unsqueezed", "alpha_leading_axes"
    graph.initializer.append(
        helper.make_tensor(axes, onnx.TensorProto.INT64, [extra], range(extra))
    )
    graph.node.append(helper.make_node("Squeeze", [last.output[0], axes], ["alpha"]))
