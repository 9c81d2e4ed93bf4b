"""From a trained model to a file that runs elsewhere, with proof that it is the same function.

Every export fuses and folds the model, puts the gray conversion of gray networks inside, writes
the file beside its target, runs it at five sizes against the model that was given, and moves it
into place only when the largest difference is within the tolerance.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from matting_keras.architectures.registry import ARCHITECTURES, metadata
from matting_keras.errors import InputError
from matting_keras.graph import producers
from matting_keras.reparameterize import alpha_part, fold, take_rgb, with_rgb_input
from matting_keras.weights.files import check_finite, compress

SUFFIXES = {
    "onnx": ".onnx",
    "saved_model": "",
    "keras": ".keras",
    "litert": ".tflite",
    "openvino": ".xml",
}
FORMATS = tuple(SUFFIXES)
SIZES = ((1, 256, 256), (1, 512, 288), (1, 288, 512), (2, 32, 64), (3, 96, 160))
"""Batch, height and width at which every export is checked."""
ODD_SIZES = ((1, 75, 53), (2, 33, 129))
"""The same, for networks that take any size."""
TOLERANCE = 1e-4
HALF_TOLERANCE = 5e-2
"""The same for weights in half precision, at the worst pixel of noise; photos change far less."""
ANY_SIZE = "sides of any size"


@dataclass(frozen=True)
class Report:
    """What an export wrote and how far it is from what was given.

    Attributes:
        path: the file or folder written.
        format: one of `FORMATS`.
        parameters: of the model given, and of the model written.
        layers: of the model given, and of the model written.
        differences: the largest |alpha difference| at each (batch, height, width).
        bytes: size on disk.
    """

    path: Path
    format: str
    parameters: tuple[int, int]
    layers: tuple[int, int]
    differences: dict[tuple[int, int, int], float]
    bytes: int

    @property
    def largest(self) -> float:
        return float(np.max(list(self.differences.values())))

    def __str__(self) -> str:
        rows = [
            f"  {batch} × {height} × {width}: {difference:.1e}"
            for (batch, height, width), difference in self.differences.items()
        ]
        return "\n".join(
            [
                f"{self.path} ({self.format}, {self.bytes / 1e6:.2f} MB)",
                f"  parameters {self.parameters[0]:,} trained, {self.parameters[1]:,} exported; "
                f"layers {self.layers[0]} and {self.layers[1]}",
                "largest difference of alpha between the trained model and this file:",
                *rows,
            ]
        )


def export(
    model: keras.Model,
    path: str | os.PathLike,
    format: str = "onnx",
    *,
    tolerance: float | None = None,
    sizes: Sequence[tuple[int, int, int]] = (),
    area: int | None = None,
    half: bool = False,
) -> Report:
    """Fuse, fold, write and verify.

    Args:
        model: a network of this package, in training or inference form; it is not touched.
        path: the file to write (for "saved_model" a folder).
        format: one of `FORMATS`.
        tolerance: the largest allowed difference of alpha; None is `TOLERANCE`, and with `half`
            `HALF_TOLERANCE`.
        sizes: batch, height and width at which to check; none means `SIZES`, and `ODD_SIZES`
            too for networks that take any size.
        area: input height times width, in pixels, at which the network does best, for an ONNX
            file to say to `Matter`; None is the architecture's.
        half: keep an ONNX file's weights in half precision, see `onnx_half`: half the file.

    Returns:
        A `Report`; `print` it for the verification table.

    Raises:
        InputError: unknown format, an area or `half` for another than ONNX, NaN weights, a package
            that is missing, or a file whose output differs by more than `tolerance` (nothing is
            left on disk then).
    """
    path = Path(path)
    _check_words(format, area, half)
    if tolerance is None:
        tolerance = HALF_TOLERANCE if half else TOLERANCE
    _check_target(path, format)
    check_finite(model, model.name)
    folded = fold(alpha_part(model))
    deployed = folded if format == "keras" else take_rgb(folded)
    path.parent.mkdir(parents=True, exist_ok=True)
    workshop = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        written = workshop / path.name
        WRITERS[format](deployed, written, area)
        if half:
            _halve(written)
        differences = verify(model, written, format, sizes)
        worst = float(np.max(list(differences.values())))  # unlike max, NaN if any is
        if not worst <= tolerance:
            raise InputError(
                f"{path}: the {format} file differs from the trained model by {worst:.1e}, more "
                f"than {tolerance:.0e}; nothing was written. "
                + ("Export it without --half." if half else "Please report this as a bug.")
            )
        _put(written, path)
    finally:
        shutil.rmtree(workshop)
    return Report(
        path,
        format,
        (model.count_params(), folded.count_params()),
        (len(model.layers), len(folded.layers)),
        differences,
        sum(f.stat().st_size for f in ([path] if path.is_file() else path.rglob("*"))),
    )


def _check_words(format: str, area: int | None, half: bool) -> None:
    if format not in FORMATS:
        raise InputError(f"format must be one of {', '.join(FORMATS)}, got {format!r}.")
    if area is not None and area < 1:
        raise InputError(f"area must be a positive number of pixels, got {area}.")
    if area is not None and format != "onnx":
        raise InputError(
            f"area {area}: {format} files cannot say theirs, ONNX files can; leave it out here, "
            f"and run the file with --area {area}."
        )
    if half and format != "onnx":
        raise InputError(f"half precision is for ONNX files alone; leave it out for {format}.")


def _put(written: Path, path: Path) -> None:
    """Move a checked file into place, with those that belong to it."""
    workshop = written.parent
    companions = [file for file in workshop.iterdir() if file != written]
    if path.is_dir():  # an older SavedModel, which cannot be replaced in one step
        os.replace(path, workshop / "old")
    os.replace(written, path)
    for companion in companions:
        os.replace(companion, path.parent / companion.name)


def _check_target(path: Path, format: str) -> None:
    """Refuse, before any work, what cannot be written or must not be overwritten."""
    suffix = SUFFIXES[format]
    if suffix and path.suffix != suffix:
        raise InputError(f"{path}: a file of format {format!r} must end in {suffix}.")
    if path.is_dir() and (suffix or not _ours(path)):
        raise InputError(
            f"{path}: is a folder with other things in it, which would be lost; give another path."
        )


def _ours(folder: Path) -> bool:
    return not any(folder.iterdir()) or (folder / "saved_model.pb").is_file()


def describe(model: keras.Model) -> str:
    """A network's architecture as JSON that a person can read: one line a layer."""
    rows = []
    for layer in model.layers:
        sources = [producer.name for producer in producers(layer)]
        config = layer.get_config()
        kept = ("filters", "kernel_size", "pool_size", "activation", "branch_norm", "scale")
        row = {"name": layer.name, "layer": type(layer).__name__}
        row |= {key: config[key] for key in kept if key in config}
        if sources:
            row["inputs"] = sources
        rows.append(row | {"parameters": layer.count_params()})
    head = {
        "architecture": model.name,
        "input": "raw 0..255 values, batch × height × width × "
        f"{model.input_shape[-1]}, {sides(model.name)}",
        "output": "alpha 0..1, batch × height × width × 1",
        "parameters": model.count_params(),
    }
    lines = ",\n".join("    " + json.dumps(row, ensure_ascii=False) for row in rows)
    body = json.dumps(head, ensure_ascii=False, indent=2)[:-2]
    return f'{body},\n  "layers": [\n{lines}\n  ]\n}}\n'


def sides(architecture: str) -> str:
    """Which heights and widths a network takes, in words."""
    known = ARCHITECTURES.get(architecture)
    return ANY_SIZE if known and known.multiple == 1 else "sides multiples of 32"


def verify(
    model: keras.Model, path: Path, format: str, sizes: Sequence[tuple[int, int, int]] = ()
) -> dict[tuple[int, int, int], float]:
    """The largest difference of alpha between a model and an exported file, size by size."""
    run = _runner(path, format, gray=model.input_shape[-1] == 1)
    reference = with_rgb_input(model)
    any_size = sides(model.name) == ANY_SIZE
    differences = {}
    for size in sizes or SIZES + (ODD_SIZES if any_size else ()):
        images = np.random.default_rng(size[1]).uniform(0, 255, (*size, 3)).astype("float32")
        # Half noise, half a smooth ramp: the network answers to both.
        images[..., : size[2] // 2, :] = np.linspace(0, 255, size[1])[:, None, None]
        outputs = reference(images, training=False)
        alpha = outputs["alpha"] if isinstance(outputs, dict) else outputs
        wanted = np.array(alpha, "float32")
        differences[size] = float(np.abs(run(images) - wanted).max())
    return differences


def _runner(path: Path, format: str, gray: bool) -> Callable[[np.ndarray], np.ndarray]:
    if format == "saved_model":
        import tensorflow as tf

        artifact = tf.saved_model.load(str(path))
        return lambda images: np.array(artifact.serve(images))
    if format == "keras":
        model = keras.saving.load_model(path, compile=False)
        reloaded = with_rgb_input(model)
        return lambda images: np.array(reloaded(images))
    from matting_keras.inference.runtimes import open_runtime

    return open_runtime(path).run


def _write_keras(model: keras.Model, path: Path, area: None) -> None:
    model.save(path)
    compress(path)


def _write_saved_model(model: keras.Model, path: Path, area: None) -> None:
    _called(model).export(path, format="tf_saved_model", verbose=False)


def _write_litert(model: keras.Model, path: Path, area: None) -> None:
    _called(model).export(path, format="litert", verbose=False)


def _write_openvino(model: keras.Model, path: Path, area: None) -> None:
    try:
        import openvino  # noqa: F401
    except ImportError as error:
        raise InputError("openvino is not installed; pip install 'matting-keras[openvino]'.") from (
            error
        )
    _called(model).export(str(path), format="openvino", verbose=False)


def _write_onnx(model: keras.Model, path: Path, area: int | None) -> None:
    from matting_keras.onnx_graph import write_onnx

    write_onnx(_called(model), path, metadata(model.name, area), sides(model.name))


def _halve(path: Path) -> None:
    import onnx

    from matting_keras.onnx_half import halve

    network = onnx.load(path)
    halve(network)
    onnx.save(network, path)


def _called(model: keras.Model) -> keras.Model:
    # Keras refuses to export a functional model that has never been called.
    model(np.zeros((1, 64, 64, model.input_shape[-1]), "float32"))
    return model


WRITERS = {
    "onnx": _write_onnx,
    "saved_model": _write_saved_model,
    "keras": _write_keras,
    "litert": _write_litert,
    "openvino": _write_openvino,
}
