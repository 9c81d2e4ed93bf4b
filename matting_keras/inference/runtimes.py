"""The engine that runs a file: chosen, checked and opened."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matting_keras.errors import InputError
from matting_keras.inference.engines import KerasRuntime, LiteRt, OnnxRuntime, OpenVino, Runtime

if TYPE_CHECKING:
    import keras

RUNTIMES: dict[str, Callable[[Any, int | None], Runtime]] = {
    "onnxruntime": OnnxRuntime,
    "openvino": OpenVino,
    "litert": LiteRt,
    "keras": KerasRuntime,
}

READS = {
    "onnxruntime": (".onnx",),
    "openvino": (".onnx", ".xml"),
    "litert": (".tflite",),
    "keras": (".keras",),
}
"""The files each engine runs; for `auto`, the first engine that runs a file is taken."""


def open_runtime(
    model: str | os.PathLike | keras.Model, runtime: str = "auto", threads: int | None = None
) -> Runtime:
    """Load a network into an engine.

    Args:
        model: a .onnx, .tflite, .xml (OpenVINO) or .keras file, or a Keras model.
        runtime: "auto", or a key of `RUNTIMES`.
        threads: that the engine computes with; None leaves that to the engine, as it must be
            with Keras.

    Returns:
        An object with `run(batch)`: float32 RGB 0..255 (batch, height, width, 3), sides multiples
        of 32, to alpha 0..1 (batch, height, width, 1).

    Raises:
        InputError: a file that is missing, damaged or not one of ours, an engine that is not
            installed or does not run such a file, weights that are NaN or infinite, or a number
            of threads that is not above 0 or that is Keras'.

    Example:
        alpha = open_runtime("dark-light.onnx").run(np.zeros((1, 64, 64, 3), "float32"))
    """
    if runtime not in ("auto", *RUNTIMES):
        raise InputError(f"no runtime {runtime!r}; there are auto, {', '.join(RUNTIMES)}.")
    if threads is not None and threads < 1:
        raise InputError(f"threads must be 1 or more, got {threads}; leave it out for the default.")
    if not isinstance(model, (str, os.PathLike)):
        if runtime not in ("auto", "keras") or not hasattr(model, "input_shape"):
            raise InputError(
                f"{runtime} cannot run a {type(model).__name__}; give a file, or a Keras model "
                "with runtime 'keras'."
            )
        return KerasRuntime(model, threads)
    path = Path(model)
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a network ({_readable()}).")
    suffix = path.suffix.lower()
    able = [name for name, suffixes in READS.items() if suffix in suffixes]
    if not able:
        raise InputError(f"{path}: cannot be run; expected a network ({_readable()}).")
    if runtime == "auto":
        runtime = _installed(able)
    if runtime not in able:
        raise InputError(
            f"{path}: {runtime} does not run {suffix} files but {', '.join(READS[runtime])}; "
            f"leave out the runtime, or convert it with 'matting-keras export {path}'."
        )
    return RUNTIMES[runtime](path, threads)


def for_frames(runtime: Runtime, ahead: bool) -> tuple[Runtime, int]:
    """What to use for frame after frame: a runtime, and how many threads should call it at once.

    Args:
        runtime: an opened one; it is given back where nothing is gained by another.
        ahead: whether some frames more may be taken than are given back, as of a file.
    """
    return runtime.for_frames(ahead) if hasattr(runtime, "for_frames") else (runtime, 1)


def _installed(able: list[str]) -> str:
    """The first engine that is installed; the first of all where none is, for its message."""
    if len(able) == 1:
        return able[0]
    # Engines that share a format are named like their Python modules.
    return next((name for name in able if find_spec(name)), able[0])


def _readable() -> str:
    return ", ".join(sorted({suffix for suffixes in READS.values() for suffix in suffixes}))
