"""PyTorch's names and layouts for the weights of networks whose layers carry its module names."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping

import keras
import numpy as np
from keras import layers

from matting_keras.errors import InputError
from matting_keras.layers import AsymmetricConv2D, IBNorm

log = logging.getLogger(__name__)

_MINDSPORE = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
_NORM = ("weight", "bias", "running_mean", "running_var")
_SECOND_NAME = ("backbone.", "lr_branch.backbone.")
"""MODNet registers its backbone twice; both names are the same tensors."""


def assign(
    model: keras.Model, tensors: Mapping[str, np.ndarray], where: str, *, whole: bool = False
) -> None:
    """Give a model the weights of a state dict.

    Args:
        model: its layers carry the original's module names; asymmetric blocks take the square
            kernel and add nothing to it.
        tensors: by PyTorch's names, or MindSpore's (gamma, beta, moving_mean, moving_variance),
            with or without "module." in front; float16 is widened.
        where: for messages.
        whole: refuse tensors without those that only training needs; else such layers of the model
            keep their random weights.

    Raises:
        InputError: a tensor is missing, has another shape, or belongs to another network.
    """
    found = _plain_names(tensors)
    used: set[str] = set()
    for layer in model.layers:
        names = tensor_names(layer)
        missing = [name for name in names if name not in found]
        if missing and all(training_only(name) for name in missing):
            if whole:
                raise InputError(
                    f"{where}: has no {missing[0]!r}, so it was exported to run and not to learn; "
                    "name the checkpoint that it was exported from."
                )
            log.info("%s starts anew: %s has no training-only outputs", layer.name, where)
            continue
        if missing:
            raise InputError(
                f"{where}: has no tensor {missing[0]!r}, so it is not a checkpoint of "
                f"{model.name!r}. It holds {len(found)} tensors, the first of them "
                f"{', '.join(list(found)[:3])}."
            )
        values = [_to_keras(layer, found[name]) for name in names]
        _set(layer, values, names, where)
        used.update(names)
    unknown = [name for name in found if name not in used and not training_only(name)]
    if unknown:
        raise InputError(
            f"{where}: holds {len(unknown)} tensors that {model.name!r} has no place for, "
            f"{unknown[0]!r} among them; it is a checkpoint of another network."
        )


def extract(model: keras.Model) -> dict[str, np.ndarray]:
    """A model's weights under PyTorch's names and in its layouts, ready for `load_state_dict`.

    Args:
        model: as for `assign`; asymmetric blocks must have been fused.

    Returns:
        float32 tensors; each BatchNormalization also has its int64 `num_batches_tracked`, 0,
        which PyTorch reads only where momentum is None.

    Raises:
        InputError: the model still has asymmetric blocks.
    """
    tensors: dict[str, np.ndarray] = {}
    for layer in model.layers:
        if isinstance(layer, AsymmetricConv2D):
            raise InputError(
                f"layer {layer.name!r} is an asymmetric block, which PyTorch's network does not "
                "have; fuse the model first."
            )
        for name, value in zip(tensor_names(layer), layer.get_weights(), strict=True):
            tensors[name] = _to_torch(layer, value)
        names = tensor_names(layer)
        if isinstance(layer, (layers.BatchNormalization, IBNorm)) and names:
            prefix = names[0].rpartition(".")[0]
            tensors[f"{prefix}.num_batches_tracked"] = np.zeros((), "int64")
    first, second = _SECOND_NAME
    for name in [name for name in tensors if name.startswith(first)]:
        tensors[second + name.removeprefix(first)] = tensors[name]
    return tensors


def tensor_names(layer: keras.layers.Layer) -> list[str]:
    """PyTorch's names for a layer's weights, in the order of `layer.get_weights()`."""
    if isinstance(layer, IBNorm):
        return [f"{layer.name}.bnorm.{part}" for part in _NORM] if layer.batch else []
    if isinstance(layer, layers.BatchNormalization):
        return [f"{layer.name}.{part}" for part in _NORM]
    if isinstance(layer, AsymmetricConv2D):
        return [f"{layer.name}.weight", f"{layer.name}.bias"]
    if isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D, layers.Conv2DTranspose)):
        return [f"{layer.name}.weight"] + ([f"{layer.name}.bias"] if layer.use_bias else [])
    return []


def _plain_names(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """PyTorch's names whichever dialect the file speaks, without what is not a weight."""
    return dict(_translated(tensors))


def _translated(tensors: Mapping[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    for name, value in tensors.items():
        plain = name.removeprefix("module.").removeprefix("network.")
        # Counters, the backbone's second name, optimizer slots and scalars of MindSpore.
        if plain.endswith("num_batches_tracked") or plain.startswith(_SECOND_NAME[1]):
            continue
        if plain.startswith(("moments.", "accum.", "moment1.", "moment2.")) or "." not in plain:
            continue
        head, _, last = plain.rpartition(".")
        yield f"{head}.{_MINDSPORE.get(last, last)}", value


def training_only(name: str) -> bool:
    """MODNet's heads for semantic and detail, which its exported files lack."""
    return re.match(r"lr_branch\.conv_lr\.|hr_branch\.conv_hr\.", name) is not None


def _to_keras(layer: keras.layers.Layer, value: np.ndarray) -> np.ndarray:
    value = np.asarray(value, "float32")
    if value.ndim == 2:  # a Linear layer, which here is a 1×1 convolution
        value = value[:, :, None, None]
    if value.ndim != 4:
        return value
    depthwise = isinstance(layer, layers.DepthwiseConv2D)
    return value.transpose(2, 3, 0, 1) if depthwise else value.transpose(2, 3, 1, 0)


def _to_torch(layer: keras.layers.Layer, value: np.ndarray) -> np.ndarray:
    value = np.asarray(value, "float32")
    if value.ndim == 4:
        depthwise = isinstance(layer, layers.DepthwiseConv2D)
        value = value.transpose(2, 3, 0, 1) if depthwise else value.transpose(3, 2, 0, 1)
        if ".se_block." in layer.name:
            value = value[:, :, 0, 0]
    return np.ascontiguousarray(value)


def _set(layer: keras.layers.Layer, values: list, names: list[str], where: str) -> None:
    if isinstance(layer, AsymmetricConv2D):
        shapes = [tuple(layer.kernels["square"].shape), (layer.filters,)]
    else:
        shapes = [tuple(weight.shape) for weight in layer.weights]
    for name, value, shape in zip(names, values, shapes, strict=True):
        if value.shape != shape:
            raise InputError(
                f"{where}: {name} has shape {value.shape} (height, width, in, out), expected "
                f"{shape}; it is a checkpoint of another network."
            )
    if isinstance(layer, AsymmetricConv2D):
        layer.assign_plain(*values)
    elif values:
        layer.set_weights(values)


def identity_norm(layer: layers.BatchNormalization, bias: np.ndarray) -> dict[str, np.ndarray]:
    """Statistics with which a norm only adds a bias: for files whose norms are folded already."""
    ones, zeros = np.ones_like(bias), np.zeros_like(bias)
    values = (ones, bias, zeros, ones - np.float32(layer.epsilon))
    return dict(zip(tensor_names(layer), values, strict=True))
