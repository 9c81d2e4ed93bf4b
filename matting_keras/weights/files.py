"""Reading and writing .keras files, with every way they can be wrong said aloud."""

from __future__ import annotations

import logging
import os
import zipfile
import zlib
from pathlib import Path

import keras
import numpy as np

import matting_keras.layers  # noqa: F401  registers what the files refer to
from matting_keras.atomic import atomic_path
from matting_keras.errors import InputError
from matting_keras.layers import AsymmetricConv2D, ImageMaximum
from matting_keras.layers.colour import LUMA
from matting_keras.onnx_half import in_half
from matting_keras.reparameterize import detached, fuse
from matting_keras.weights.growth import grow
from matting_keras.weights.presets import BACKBONE_OF, GRAY_TWINS, SMALLER, find

log = logging.getLogger(__name__)

DAMAGE = (ValueError, TypeError, KeyError, OSError, EOFError, zipfile.BadZipFile, zlib.error)
"""What reading a damaged .keras file raises."""


def load(source: str | os.PathLike) -> keras.Model:
    """Load a model from a .keras file or a preset's name, and check that it is sound.

    Args:
        source: a path, or the name of shipped weights such as "dark-light".

    Returns:
        The model, not compiled.

    Raises:
        InputError: no such file or preset, a damaged file, or weights that are NaN or infinite.
    """
    path = Path(source)
    if not path.suffix and not path.exists():
        path = find(str(source), ".keras")
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a .keras file or a preset's name.")
    if not zipfile.is_zipfile(path):
        raise InputError(
            f"{path}: not a whole .keras file ({path.stat().st_size} bytes); it was cut off, or "
            "is another format. Copy it again, or convert it with 'matting-keras convert'."
        )
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except DAMAGE as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: cannot be loaded as a Keras model: {reason}") from error
    check_finite(model, str(path))
    return model


def save(model: keras.Model, path: str | os.PathLike, *, half: bool = False) -> None:
    """Write a model to a .keras file atomically, in float32, compressed, without its optimizer.

    What was frozen while it learned is not in the file: whoever goes on from it decides anew.

    Keras 3.15 writes the optimizer's slots whatever `include_optimizer` says; they are three
    times the weights.

    Args:
        model: it is not touched.
        path: the .keras file.
        half: round kernels to half precision's eleven bits. They stay float32, but the file is a
            third smaller, as zeros weigh nothing in it.

    Raises:
        InputError: a kernel that half precision cannot hold.
    """
    plain = detached(model)
    for layer in plain.layers:
        layer.trainable = True
    if half:
        _round(plain)
    with atomic_path(path) as temporary:
        plain.save(temporary)
        compress(temporary)


def _round(model: keras.Model) -> None:
    """Round kernels to half precision; biases and norms, which weigh nothing, stay as they are."""
    for weight in model.weights:
        if len(weight.shape) > 1:
            weight.assign(in_half(np.asarray(weight), weight.path).astype("float32"))


def compress(path: Path) -> None:
    """Deflate a zip file's members, which Keras stores as they are: a fifth less.

    Higher levels than this gain another hundredth, for twice the time.
    """
    with (
        atomic_path(path) as smaller,
        zipfile.ZipFile(path) as stored,
        zipfile.ZipFile(smaller, "w") as archive,
    ):
        for member in stored.infolist():
            archive.writestr(member, stored.read(member), zipfile.ZIP_DEFLATED, 3)


def check_finite(model: keras.Model, where: str) -> None:
    """Refuse weights that are NaN or infinite; a ReLU can hide them from the output.

    Raises:
        InputError: naming the first such tensor.
    """
    for weight in model.weights:
        if not np.isfinite(np.asarray(weight, "float32")).all():
            raise InputError(
                f"{where}: {weight.path} holds NaN or infinite values; the training diverged or "
                "the file is damaged. Use an earlier checkpoint."
            )


def transfer(source: keras.Model, target: keras.Model) -> None:
    """Copy weights between two forms of one architecture, layer by layer.

    The forms may differ in their blocks (a plain convolution becomes the square branch of an
    asymmetric block; blocks are fused for a plain target), in their head (two-class logits become
    their difference), in whether they scale their input themselves, and in what only training
    needs: such parts of the target keep their random weights where the source lacks them.

    A network whose backbone is another's takes that (`presets.BACKBONE_OF`); the rest begins anew.

    A colour network also takes the weights of its gray twin and is the same function then: it
    makes its input gray in its first kernels, until it learns better. A large network of a family
    begins near a small one (see `growth`).

    Args:
        source: where the weights come from; not changed.
        target: a model of the same architecture, the gray one's colour twin, or the large one of
            its family (`presets.SMALLER`); its weights are overwritten.

    Raises:
        InputError: the two are different architectures, shift their input differently, have
            other parts or shapes, or the target's blocks have norms and the source has no
            branches. The target may be half overwritten then.
    """
    if source.name == SMALLER.get(target.name):
        grow(source, target)
        return
    if source.name == BACKBONE_OF.get(target.name):
        _take_backbone(source, target)
        return
    tinted = source.name == GRAY_TWINS.get(target.name)
    if source.name != target.name and not tinted:
        others = (known.get(target.name) for known in (GRAY_TWINS, SMALLER, BACKBONE_OF))
        fitting = " or ".join(filter(None, (target.name, *others)))
        raise InputError(
            f"weights of {source.name!r} do not fit {target.name!r}, which takes those of "
            f"{fitting}; give such weights, or pass --arch {source.name}."
        )
    if _has_blocks(source) and not _has_blocks(target):
        source = fuse(source)
    source_layers = {layer.name: layer for layer in source.layers}
    first = next(layer for layer in target.layers if layer.weights)
    rescale = _rescaling(source, target)
    if tinted:
        rescale = rescale * LUMA[:, None]
    needed = _alpha_layers(target)
    for layer in target.layers:
        if not layer.weights:
            continue
        if layer.name not in source_layers and layer.name not in needed:
            log.info("%s starts anew: the source has no training-only outputs", layer.name)
            continue
        weights = _weights_for(layer, source_layers)
        if weights is None:
            kernel, bias = source_layers[layer.name].get_weights()
            layer.assign_plain(kernel * rescale if layer is first else kernel, bias)
            continue
        if layer is first:
            weights = [w * rescale if w.ndim == 4 else w for w in weights]
        shapes = [tuple(w.shape) for w in layer.weights]
        if [w.shape for w in weights] != shapes:
            raise InputError(
                f"layer {layer.name!r} has weights of shapes {[w.shape for w in weights]} in the "
                f"source but {shapes} in the target; it is another network."
            )
        layer.set_weights(weights)


def _has_blocks(model: keras.Model) -> bool:
    return any(isinstance(layer, AsymmetricConv2D) for layer in model.layers)


def _take_backbone(source: keras.Model, target: keras.Model) -> None:
    """Copy the backbone's layers, which both have under one name."""
    known = {layer.name: layer for layer in source.layers if layer.weights}
    for layer in target.layers:
        if layer.weights and layer.name in known:
            layer.set_weights(_weights_for(layer, known))


def _weights_for(layer, source_layers: dict) -> list[np.ndarray] | None:
    """The source's arrays for one layer; None for a plain convolution into a block."""
    if layer.name == "alpha" and "logits" in source_layers:
        kernel, bias = source_layers["logits"].get_weights()
        return [kernel[..., 1:] - kernel[..., :1], bias[1:] - bias[:1]]
    if layer.name not in source_layers:
        raise InputError(f"the source has no layer {layer.name!r}; it has other parts.")
    source = source_layers[layer.name]
    if isinstance(layer, AsymmetricConv2D) and not isinstance(source, AsymmetricConv2D):
        return None
    return source.get_weights()


def _rescaling(source: keras.Model, target: keras.Model) -> np.ndarray:
    """What the first kernel takes up where the two scale their input differently."""
    (scale, offset), (new_scale, new_offset) = _input_scale(source), _input_scale(target)
    same = np.allclose(scale, new_scale, rtol=1e-6)
    # A shifted input is padded with zeros that a kernel cannot take up.
    if not np.allclose(offset, new_offset) or (np.any(offset) and not same):
        raise InputError(
            f"the weights of {source.name!r} expect colours times {scale} plus {offset}, this "
            f"network's are times {new_scale} plus {new_offset}; build it with the same "
            "input_norm."
        )
    return np.ones((1, 1)) if same else np.reshape(scale / new_scale, (-1, 1))


def _input_scale(model: keras.Model) -> tuple[np.ndarray, np.ndarray]:
    """What is done to raw values, as scale and offset; an image's maximum counts as 255."""
    scale, offset = np.ones(1), np.zeros(1)
    for layer in model.layers:
        if isinstance(layer, ImageMaximum):
            scale = scale / 255
        elif isinstance(layer, keras.layers.Rescaling) and layer.name == "scale":
            scale, offset = scale * np.asarray(layer.scale), np.asarray(layer.offset)
    return scale, offset


def _alpha_layers(model: keras.Model) -> set[str]:
    """The names of all layers that the alpha needs."""
    if not isinstance(model.output, dict):
        return {layer.name for layer in model.layers}
    return {layer.name for layer in keras.Model(model.input, model.output["alpha"]).layers}
