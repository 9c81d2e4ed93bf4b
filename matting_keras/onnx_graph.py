"""Writing ONNX: straight from the layers where we know them all, else by tracing with tf2onnx.

A graph written layer by layer has the layers' own names, native dilated convolutions and resizes
by a constant factor; tracing turns each of those into a dozen nodes that compute sizes.
"""

from __future__ import annotations

from pathlib import Path

import keras
import onnx
from onnx import TensorProto, helper

import matting_keras
from matting_keras.graph import producer_of, producers
from matting_keras.onnx_nodes import WRITERS, Nodes

OPSET = 18
"""The first with resizes of chosen axes, which every runtime of the last years reads."""


def write_onnx(
    model: keras.Model,
    path: Path,
    metadata: dict[str, str],
    sides: str = "sides multiples of 32",
) -> None:
    """Write a model with dynamic batch, height and width.

    Args:
        model: takes RGB 0..255 (batch, height, width, 3) and gives alpha; has been called once.
        path: the file to write.
        metadata: stored as the file's metadata properties.
        sides: which heights and widths it takes, in words, for the file's description.

    Raises:
        onnx.checker.ValidationError: the graph breaks ONNX's rules, which is a bug of ours.
    """
    graph = written(model)
    if graph is None:
        from matting_keras.onnx_tracing import traced

        graph = tidied(traced(model, path, OPSET))
    proto = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=8,
        producer_name="matting_keras",
        producer_version=matting_keras.__version__,
        doc_string=f"image: RGB 0..255, {sides}; alpha: 0..1",
    )
    helper.set_model_props(proto, metadata)
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, path)


def written(model: keras.Model) -> onnx.GraphProto | None:
    """A model's graph, layer by layer; None where it has a layer or a setting we do not know."""
    nodes = Nodes(taken=("image", "alpha"))
    x = nodes.add("Transpose", ["image"], "channels_first", perm=[0, 3, 1, 2])
    try:
        x = _layers(nodes, model, x)
    except NotImplementedError:
        return None
    last = helper.make_node("Transpose", [x], ["alpha"], name="channels_last", perm=[0, 2, 3, 1])
    nodes.nodes.append(last)
    return drop_unread(
        helper.make_graph(
            nodes.nodes,
            model.name,
            [picture("image", 3)],
            [picture("alpha", 1)],
            list(nodes.constants.values()),
        )
    )


def tidied(graph: onnx.GraphProto) -> onnx.GraphProto:
    """Give a traced graph, in place, the inputs and outputs of our files; returns the graph."""
    del graph.input[:], graph.output[:], graph.value_info[:]
    graph.input.append(picture("image", 3))
    graph.output.append(picture("alpha", 1))
    return drop_unread(graph)


def picture(name: str, channels: int) -> onnx.ValueInfoProto:
    """An input or output of the file."""
    return helper.make_tensor_value_info(
        name, TensorProto.FLOAT, ["batch", "height", "width", channels]
    )


def drop_unread(graph: onnx.GraphProto) -> onnx.GraphProto:
    """Remove, in place, what nothing reads; returns the graph."""
    read: set[str] = {output.name for output in graph.output}
    kept = []
    for node in reversed(graph.node):
        if read & set(node.output):
            kept.append(node)
            read.update(node.input)
    constants = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(reversed(kept))
    graph.initializer.extend(constants)
    return graph


def _layers(nodes: Nodes, model: keras.Model, image: str) -> str:
    """Write the layers of a model; returns the name of its output."""
    names = {}
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            names[layer.name] = image
        elif isinstance(layer, keras.Model):
            # Inside, tensors have other producers; outside, the call that put the model here.
            inner = producer_of(layer._inbound_nodes[-1].input_tensors[0])
            names[layer.name] = _layers(nodes, layer, names[inner.name])
        elif getattr(layer, "data_format", "channels_last") != "channels_last":
            raise NotImplementedError("channels first")
        elif type(layer) in WRITERS:
            read = [names[producer.name] for producer in producers(layer)]
            names[layer.name] = WRITERS[type(layer)](nodes, layer, read)
        else:
            raise NotImplementedError(type(layer).__name__)
    return names[producer_of(model.output).name]
