"""Files in the form in which others publish their networks, small enough to be made afresh."""

from pathlib import Path

import onnx
from onnx import TensorProto, helper


def write_peer(path: Path, shape: list, outputs: int) -> Path:
    """An .onnx file in a published network's form; its first output is the input's red channel."""
    nodes = [helper.make_node("Split", ["x"], ["r", "g", "b"], axis=1, num_outputs=3)]
    names = [f"d{i}" for i in range(outputs)]
    nodes += [
        helper.make_node("Identity", ["r" if i == 0 else "g"], [n]) for i, n in enumerate(names)
    ]
    out = [shape[0], 1, *shape[2:]]
    graph = helper.make_graph(
        nodes,
        "peer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, out) for name in names],
    )
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return path
