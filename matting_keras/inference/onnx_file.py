"""What an .onnx file must be before anything runs it: our inputs and outputs, sound weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from matting_keras.errors import InputError

if TYPE_CHECKING:
    import onnx

CONTRACT = (
    "expected one input 'image' (batch, height, width, 3) and one output 'alpha' (batch, height, "
    "width, 1), both float32 with batch, height and width free"
)
BITS_KEY = "matting_keras.bits"
"""Under this name a file says how many bits its weights have, where they have fewer than 32."""

WAY_OUT = "make one with 'matting-keras export WEIGHTS --format onnx'"
DEEPEST = 8  # levels of graphs within graphs; our exports have one


def read_onnx(path: Path) -> tuple[bytes, dict[str, str]]:
    """Read an .onnx file and make sure that it is one of ours and sound.

    Weights are checked, not outputs: a ReLU turns NaN weights into finite, wrong pictures.

    Args:
        path: the file.

    Returns:
        The bytes that were checked (run these, not the file, which may change), and what the
        file says about itself.

    Raises:
        InputError: not ONNX, other inputs or outputs, weights kept in another file, or weights
            that are NaN or infinite.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise InputError(f"{path}: reading it needs the onnx package; pip install onnx.") from error
    data = path.read_bytes()
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError as error:
        raise InputError(
            f"{path}: not a whole ONNX file ({len(data)} bytes); copy it again, or {WAY_OUT}."
        ) from error
    _check_contract(model, path)
    for tensor in _tensors(model.graph):
        _check_tensor(tensor, path)
    return data, {entry.key: entry.value for entry in model.metadata_props}


def _check_contract(model: onnx.ModelProto, path: Path) -> None:
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [_describe(value) for value in model.graph.input if value.name not in weights]
    outputs = [_describe(value) for value in model.graph.output]
    if inputs != ["image float32 (?, ?, ?, 3)"] or outputs != ["alpha float32 (?, ?, ?, 1)"]:
        found = f"{', '.join(inputs) or 'no input'} -> {', '.join(outputs) or 'no output'}"
        raise InputError(f"{path}: has {found}; {CONTRACT}. To get such a file, {WAY_OUT}.")


def _describe(value: onnx.ValueInfoProto) -> str:
    import onnx

    tensor = value.type.tensor_type
    kind = "float32"
    if tensor.elem_type != onnx.TensorProto.FLOAT:
        kind = f"type {tensor.elem_type}"
    sides = [
        str(side.dim_value) if side.HasField("dim_value") else "?" for side in tensor.shape.dim
    ]
    return f"{value.name} {kind} ({', '.join(sides)})"


def _tensors(graph: onnx.GraphProto, depth: int = 0) -> Iterator[onnx.TensorProto]:
    """Every constant of a graph: its initializers, and those inside its nodes."""
    if depth > DEEPEST:
        raise InputError(f"an ONNX graph nested more than {DEEPEST} deep is not run; {WAY_OUT}.")
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                # A Constant's tensor has no name of its own; its node's output does.
                attribute.t.name = attribute.t.name or next(iter(node.output), node.name)
                yield attribute.t
            yield from attribute.tensors
            for inner in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                yield from _tensors(inner, depth + 1)


def _check_tensor(tensor: onnx.TensorProto, path: Path) -> None:
    import onnx
    from onnx import numpy_helper

    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise InputError(
            f"{path}: keeps {tensor.name!r} in another file, which is not followed; {WAY_OUT}."
        )
    if tensor.data_type not in _floats():
        return
    values = np.asarray(numpy_helper.to_array(tensor), dtype=np.float32)
    # A lone infinity may be the open end of a Clip; among weights it never is.
    wrong = np.isnan(values) if values.size == 1 else ~np.isfinite(values)
    if wrong.any():
        raise InputError(
            f"{path}: weights {tensor.name!r} hold {int(wrong.sum())} NaN or infinite values of "
            f"{values.size}; the training diverged or the file is damaged. Export an earlier "
            "checkpoint, or copy the file again."
        )


def _floats() -> tuple[int, ...]:
    from onnx import TensorProto

    return TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16
