"""Weights of other projects into our networks, and ours into theirs."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import keras

from matting_keras.architectures.like_unet import SPECS
from matting_keras.architectures.registry import build
from matting_keras.errors import InputError
from matting_keras.reparameterize import fuse
from matting_keras.weights.files import check_finite
from matting_keras.weights.legacy import convert_legacy
from matting_keras.weights.presets import BACKBONE_OF
from matting_keras.weights.state_dict import assign, extract, tensor_names
from matting_keras.weights.tflite import read_tflite

log = logging.getLogger(__name__)

STATE_DICTS = ("u2net", "u2netp", "modnet")
"""Networks with the module names of a PyTorch original."""

SELFIE = "selfie"
"""The network that was published as a .tflite file."""

FOREIGN = (".h5", ".pth", ".pt", ".ckpt", ".onnx", ".tflite")
"""Suffixes of the files that `convert` reads."""


def convert(
    path: str | os.PathLike, architecture: str, *, whole: bool = False, **options
) -> keras.Model:
    """Read another project's weights into our network. No pickle is ever executed.

    Args:
        path: for LikeUnet a Keras 2 .h5 file; for U²-Net, U²-NetP and MODNet a PyTorch
            checkpoint (.pth, .pt, .ckpt; float32 or float16; with or without "module."), a
            MindSpore checkpoint (.ckpt), or an .onnx file that was exported from PyTorch; for
            the selfie network MediaPipe's .tflite file.
        architecture: for example "u2netp".
        whole: refuse a file without what the network needs only in training, as an export has it;
            else that begins at random.
        **options: of `matting_keras.build`: `training=True` keeps MODNet's training-only heads,
            `input_norm="half"` is for weights of u-2-net-portrait.

    Returns:
        A model from raw 0..255 values to alpha.

    Raises:
        InputError: a file that cannot be read, or one of another network.

    Example:
        model = convert("u2netp.pth", "u2netp")
    """
    path = Path(path)
    if path.suffix == ".h5" or architecture in SPECS:
        if unknown := set(options) - {"original"}:
            raise InputError(
                f"weights of {architecture!r} are converted without {', '.join(sorted(unknown))}; "
                "the file itself says whether it has branches."
            )
        return convert_legacy(path, architecture, **options)
    if architecture in BACKBONE_OF:
        raise InputError(
            f"{architecture!r} takes only the backbone of {BACKBONE_OF[architecture]!r} and learns "
            f"the rest: python train/train.py --arch {architecture} --weights {path}."
        )
    if architecture not in (*STATE_DICTS, SELFIE):
        raise InputError(
            f"no published weights of {architecture!r} are known; weights can be converted for "
            f"{', '.join((*SPECS, *STATE_DICTS, SELFIE))}."
        )
    if not path.is_file():
        expected = "a .tflite file" if architecture == SELFIE else "a .pth, .ckpt or .onnx file"
        raise InputError(f"{path}: no such file; expected {expected}.")
    # What is no checkpoint at all is said before a network is built, which takes seconds.
    by_layer = architecture == SELFIE or path.suffix == ".onnx"
    checkpoint = None if by_layer else _read_checkpoint(path)
    model = build(architecture, **options)
    tensors = _read_for(model, path) if by_layer else checkpoint
    assign(model, tensors, str(path), whole=whole)
    check_finite(model, str(path))
    return model


def to_pytorch(model: keras.Model, path: str | os.PathLike) -> None:
    """Write weights as a state dict that the original PyTorch network loads.

    Args:
        model: a U²-Net, U²-NetP or MODNet of ours; asymmetric blocks are fused first.
        path: the .pth file to write. `torch.load(path, weights_only=True)` reads it.

    Raises:
        InputError: the network has no PyTorch original.
    """
    from matting_keras.weights.pytorch import write_state_dict

    if model.name not in STATE_DICTS:
        raise InputError(
            f"{model.name!r} has no PyTorch original whose state dict it could be; there are "
            f"{', '.join(STATE_DICTS)}."
        )
    tensors = extract(fuse(model))
    whole = {name for layer in build(model.name).layers for name in tensor_names(layer)}
    if lacking := sorted(whole - set(tensors)):
        raise InputError(
            f"{path}: this {model.name!r} has no {lacking[0]!r}: it was folded for running. Give "
            "the .keras file that it was exported from."
        )
    if model.name == "modnet" and "lr_branch.conv_lr.layers.0.weight" not in tensors:
        log.warning("without the training-only heads: load it with strict=False")
    write_state_dict(tensors, path)


def _read_for(model: keras.Model, path: Path):
    """Read a file whose tensors are found by the layers of the network that takes them."""
    if model.name == SELFIE:
        return read_tflite(path, model)
    from matting_keras.weights.onnx_weights import read_onnx

    return read_onnx(path, model)


def _read_checkpoint(path: Path):
    """Read a PyTorch or MindSpore file, whose tensors say themselves which they are."""
    from matting_keras.weights.mindspore import read_checkpoint
    from matting_keras.weights.pytorch import looks_like_pytorch, read_state_dict

    if looks_like_pytorch(path):
        return read_state_dict(path)
    try:
        return read_checkpoint(path)
    except InputError as error:
        raise InputError(
            f"{path}: expected a PyTorch or MindSpore checkpoint or an .onnx file ({error})"
        ) from error
