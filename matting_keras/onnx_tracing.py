"""Writing ONNX by tracing, for models with layers that `onnx_nodes` does not know."""

from __future__ import annotations

import warnings
from pathlib import Path

import keras
import onnx


def traced(model: keras.Model, path: Path) -> onnx.GraphProto:
    """A model's graph as tf2onnx sees it, under the names that our files have.

    Args:
        model: takes RGB 0..255 (batch, height, width, 3); has been called once.
        path: where tf2onnx may write.
    """
    from matting_keras.onnx_graph import OPSET, drop_unread, picture

    signature = [keras.InputSpec(shape=(None, None, None, 3), dtype="float32", name="image")]
    with warnings.catch_warnings():
        # tf2onnx still looks for `np.object`, and NumPy warns about it.
        warnings.simplefilter("ignore", FutureWarning)
        model.export(
            path, format="onnx", input_signature=signature, opset_version=OPSET, verbose=False
        )
    graph = onnx.load(path).graph
    old = {graph.input[0].name: "image", graph.output[0].name: "alpha"}
    for node in graph.node:
        node.input[:] = [old.get(name, name) for name in node.input]
        node.output[:] = [old.get(name, name) for name in node.output]
    del graph.input[:], graph.output[:], graph.value_info[:]
    graph.input.append(picture("image", 3))
    graph.output.append(picture("alpha", 1))
    return drop_unread(graph)
