"""Weights out of .tflite files, which keep the names of the Keras layers they were made from."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import keras
import numpy as np
from keras import layers

from matting_keras.errors import InputError


def assign_tflite(model: keras.Model, path: Path) -> None:
    """Give a model the weights of a .tflite file.

    Args:
        model: its layers carry the names that the file has before "/Kernel" and "/Bias".
        path: the file; float16 is widened.

    Raises:
        InputError: LiteRT is not installed, the file is damaged, or it is of another network.
    """
    tensors = _read(path)
    used = set()
    for layer in model.layers:
        if not layer.weights:
            continue
        names = (f"{layer.name}/Kernel", f"{layer.name}/Bias")
        for name in names:
            if name not in tensors:
                raise InputError(
                    f"{path}: has no tensor {name!r}, so it is not a file of {model.name!r}; it "
                    f"holds {', '.join(list(tensors)[:3]) or 'no weights'}."
                )
        values = [_to_keras(layer, tensors[names[0]]), tensors[names[1]]]
        shapes = [tuple(weight.shape) for weight in layer.weights]
        if [value.shape for value in values] != shapes:
            raise InputError(
                f"{path}: {layer.name} has weights of shapes {[v.shape for v in values]}, expected "
                f"{shapes}; it is a file of another network."
            )
        layer.set_weights(values)
        used.update(names)
    if unknown := sorted(set(tensors) - used):
        raise InputError(
            f"{path}: holds {len(unknown)} tensors that {model.name!r} has no place for, "
            f"{unknown[0]!r} among them; it is a file of another network."
        )


def _read(path: Path) -> dict[str, np.ndarray]:
    """Kernels and biases by name."""
    try:
        engine = import_module("ai_edge_litert.interpreter")
    except ImportError as error:
        raise InputError(
            f"{path}: reading it needs LiteRT ({error}); pip install ai-edge-litert."
        ) from error
    try:
        network = engine.Interpreter(str(path))
        return {
            row["name"]: np.asarray(network.get_tensor(row["index"]), "float32")
            for row in network.get_tensor_details()
            if row["name"].endswith(("/Kernel", "/Bias"))
        }
    except (ValueError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: not a .tflite file, or damaged ({reason}).") from error


def _to_keras(layer: keras.layers.Layer, kernel: np.ndarray) -> np.ndarray:
    """From (out, height, width, in), and (1, height, width, channels) of a depthwise kernel."""
    if isinstance(layer, layers.Conv2DTranspose):
        return kernel.transpose(1, 2, 0, 3)
    return kernel.transpose(1, 2, 3, 0)
