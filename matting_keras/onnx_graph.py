"""Writing ONNX: names people expect, and resizes by a constant factor instead of computed sizes."""

from __future__ import annotations

import warnings
from pathlib import Path

import keras
import numpy as np
import onnx
from onnx import helper, numpy_helper

OPSET = 18


def write_onnx(model: keras.Model, path: Path, metadata: dict[str, str]) -> None:
    """Write a model whose only resizes are doublings, with dynamic batch, height and width.

    Args:
        model: takes `image`, RGB 0..255 (batch, height, width, 3); has been called once.
        path: the file to write.
        metadata: stored as the file's metadata properties.
    """
    signature = [keras.InputSpec(shape=(None, None, None, 3), dtype="float32", name="image")]
    with warnings.catch_warnings():
        # tf2onnx still looks for `np.object`, and NumPy warns about it.
        warnings.simplefilter("ignore", FutureWarning)
        model.export(
            path, format="onnx", input_signature=signature, opset_version=OPSET, verbose=False
        )
    proto = onnx.load(path)
    _double_by_constant(proto.graph)
    _drop_unread(proto.graph)
    _rename(proto.graph)
    proto.producer_name = "matting_keras"
    proto.doc_string = "image: RGB 0..255, sides multiples of 32; alpha: 0..1"
    helper.set_model_props(proto, metadata)
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, path)


def _double_by_constant(graph: onnx.GraphProto) -> None:
    # tf2onnx computes each resize's output size from the input's shape, some fifteen nodes a
    # resize. Every resize here doubles (Upsample2x), and a constant factor runs faster.
    graph.initializer.append(
        numpy_helper.from_array(np.array([1, 1, 2, 2], "float32"), name="double")  # NCHW
    )
    for node in graph.node:
        if node.op_type == "Resize":
            del node.input[2:]
            node.input.extend(["double"])


def _drop_unread(graph: onnx.GraphProto) -> None:
    while True:
        read = {name for node in graph.node for name in node.input}
        read |= {output.name for output in graph.output}
        unread = [node for node in graph.node if not read & set(node.output)]
        if not unread:
            break
        for node in unread:
            graph.node.remove(node)
    for tensor in [t for t in graph.initializer if t.name not in read]:
        graph.initializer.remove(tensor)


def _rename(graph: onnx.GraphProto) -> None:
    old = graph.output[0].name
    for node in graph.node:
        node.output[:] = ["alpha" if name == old else name for name in node.output]
        node.input[:] = ["alpha" if name == old else name for name in node.input]
    graph.output[0].name = "alpha"
    for value, channels in ((graph.input[0], 3), (graph.output[0], 1)):
        dims = value.type.tensor_type.shape.dim
        for dim, name in zip(dims, ("batch", "height", "width"), strict=False):
            dim.dim_param = name
        dims[3].dim_value = channels
    del graph.value_info[:]
