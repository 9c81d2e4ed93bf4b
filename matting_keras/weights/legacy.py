"""LikeUnet's published weights: .h5 files written by Keras 2."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import keras
import numpy as np

from matting_keras.architectures.registry import ARCHITECTURES, build
from matting_keras.errors import InputError
from matting_keras.weights.files import check_finite, transfer

LARGEST = 2**22
"""Values in an array; the largest of Night has 1.2 million."""


def convert_legacy(
    path: str | os.PathLike, architecture: str, *, original: bool = False
) -> keras.Model:
    """Read a LikeUnet weights file (.h5, written by Keras 2) into our network.

    The three-branch files become networks with asymmetric blocks, the merged ones plain networks.
    Networks in colour were trained on BGR; their first kernel is turned round to take RGB.

    Args:
        path: the .h5 file.
        architecture: "night", "dark" or "dark-light".
        original: keep the published form, every array as it is in the file. Otherwise the
            weights move into our form: the first kernel takes up the 1/255 inside the network,
            and the head is the difference of the file's two channels.

    Returns:
        A model from raw 0..255 values to alpha.

    Raises:
        InputError: not an .h5 weights file, or one of another architecture.

    Source of the format: toytag/humanMatting, MIT licence.
    """
    arrays = _read_arrays(Path(path))
    branched = any(array.ndim == 4 and array.shape[:2] == (1, 3) for array in arrays)
    model = build(architecture, asymmetric=branched, original=True)
    expected = [tuple(weight.shape) for weight in model.weights]
    found = [array.shape for array in arrays]
    if expected != found:
        raise InputError(
            f"{path}: holds {len(found)} arrays that do not fit {architecture!r} "
            f"({len(expected)} arrays){_first_difference(found, expected)}. "
            f"Known architectures: {', '.join(ARCHITECTURES)}."
        )
    if ARCHITECTURES[architecture].channels == 3:
        # Only the first convolution, or its three branches, reads three channels.
        arrays = [a[:, :, ::-1] if a.ndim == 4 and a.shape[2] == 3 else a for a in arrays]
    model.set_weights(arrays)
    check_finite(model, str(path))
    if original:
        return model
    ours = build(architecture, asymmetric=branched)
    transfer(model, ours)
    return ours


def _read_arrays(path: Path) -> list[np.ndarray]:
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a Keras 2 weights file (.h5).")
    try:
        with h5py.File(path, "r") as file:
            root = file.get("model_weights", file)
            arrays = []
            for layer in root.attrs["layer_names"]:
                group = root[layer]
                datasets = [group[name] for name in group.attrs["weight_names"]]
                # A small file may declare arrays of any size.
                if any(dataset.size > LARGEST for dataset in datasets):
                    raise ValueError(f"layer {layer!r} is larger than any of LikeUnet's")
                arrays += [np.asarray(dataset) for dataset in datasets]
            return arrays
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not a Keras 2 weights file (.h5): {error}.") from error


def _first_difference(found: list, expected: list) -> str:
    for index, (have, want) in enumerate(zip(found, expected, strict=False)):
        if have != want:
            return f": array {index} has shape {have}, expected {want}"
    return ""
