"""Weights out of .tflite files, which keep the names of the Keras layers they were made from."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import keras
import numpy as np
from keras import layers

from matting_keras.errors import InputError

PARTS = {"Kernel": "weight", "Bias": "bias"}
"""What such a file and PyTorch call a layer's weights."""


def read_tflite(path: Path, model: keras.Model) -> dict[str, np.ndarray]:
    """The weights of a .tflite file under PyTorch's names and in its layouts.

    Args:
        path: the file; float16 is widened.
        model: the network that the file should hold; its layers carry the names that the file has
            before "/Kernel" and "/Bias".

    Returns:
        Tensors as `state_dict.assign` takes them.

    Raises:
        InputError: LiteRT is not installed, or the file is damaged.
    """
    turned = {
        layer.name
        for layer in model.layers
        if isinstance(layer, (layers.DepthwiseConv2D, layers.Conv2DTranspose))
    }
    tensors = {}
    for name, value in _tensors(path).items():
        layer, _, part = name.rpartition("/")
        if value.ndim == 4:
            # From (out, height, width, in); depthwise ones are (1, height, width, channels).
            value = value.transpose((3, 0, 1, 2) if layer in turned else (0, 3, 1, 2))
        tensors[f"{layer}.{PARTS[part]}"] = value
    return tensors


def _tensors(path: Path) -> dict[str, np.ndarray]:
    """Kernels and biases by their names in the file."""
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
            if row["name"].rpartition("/")[2] in PARTS
        }
    except (ValueError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: not a .tflite file, or damaged ({reason}).") from error
