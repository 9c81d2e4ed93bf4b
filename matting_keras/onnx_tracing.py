"""Writing ONNX by tracing, for models with layers that `onnx_nodes` does not know."""

from __future__ import annotations

import warnings
from pathlib import Path

import keras
import onnx


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
    return graph
