"""The engines themselves: onnxruntime, OpenVINO, LiteRT and Keras, behind one interface.

Every engine takes float32 RGB 0..255 (batch, height, width, 3), sides multiples of 32, and gives
float32 alpha (batch, height, width, 1).
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from matting_keras.errors import InputError

if TYPE_CHECKING:
    import keras

log = logging.getLogger(__name__)

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""BT.601 weights of red, green and blue; the same as `layers.colour.LUMA`, without Keras."""

SELFIE = [[1, 256, 256, 3], [1, 256, 256, 1]]
"""The shapes by which MediaPipe's published file is known."""

MOST_CALLS = 4
"""Frames in work at once in one engine: each is some megabytes."""


class Runtime(Protocol):
    """A network ready to run.

    Attributes:
        name: of the engine, a key of `RUNTIMES`.
        device: what it runs on, "CPU" or "GPU".
        metadata: what the file says about itself; may be empty.
    """

    name: str
    device: str
    metadata: dict[str, str]

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Find the alphas of a batch; several threads may ask at once."""


class OnnxRuntime:
    """onnxruntime on the CPU, or on the GPU where its build has one."""

    name = "onnxruntime"

    def __init__(self, path: Path, threads: int | None = None):
        from matting_keras.inference.onnx_file import read_onnx

        engine = _need("onnxruntime", "onnxruntime")
        data, self.metadata = read_onnx(path)
        options = engine.SessionOptions()
        options.log_severity_level = 3
        self._path, self._threads = path, threads
        if threads:
            options.intra_op_num_threads = threads
            # Who counts threads shares the cores: these must not spin while another engine runs.
            options.add_session_config_entry("session.force_spinning_stop", "1")
        wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
        providers = [name for name in wanted if name in engine.get_available_providers()]
        self._session = _opened(
            lambda: engine.InferenceSession(data, options, providers=providers), path, self.name
        )
        self.device = "GPU" if "CUDAExecutionProvider" in self._session.get_providers() else "CPU"
        if self.device == "CPU" and "CUDAExecutionProvider" in providers:
            # The engine itself goes on without a word.
            log.warning(
                "onnxruntime has been built for a GPU but runs on the CPU: it cannot load CUDA and "
                "cuDNN of the versions that it names in its documentation, or finds no GPU."
            )

    def run(self, batch: np.ndarray) -> np.ndarray:
        return self._session.run(["alpha"], {"image": batch})[0]

    def for_frames(self, ahead: bool) -> tuple[Runtime, int]:
        """The same network for several frames at once, where some may be taken ahead.

        Two calls with a thread each are done sooner here than one after the other with two: no
        thread waits for another within a frame.
        """
        calls = calls_at_once()
        if not ahead or calls == 1 or self._threads or self.device == "GPU":
            return self, 1
        return OnnxRuntime(self._path, (os.cpu_count() or 1) // calls), calls


def calls_at_once() -> int:
    """How many frames an engine works on at the same time on this machine's processor."""
    return min(os.cpu_count() or 1, MOST_CALLS)


class OpenVino:
    """OpenVINO on the CPU: photos in float32, films and cameras in bfloat16 where there is any.

    bfloat16 is OpenVINO's own choice on processors with instructions for it: twice as fast, while
    Dark-Light's alpha moves by 0.0004 in the mean, at single pixels by up to 0.2. Photos get the
    alpha that was verified at export; for films, speed is worth more.

    One call at a time: OpenVINO's streams (NUM_STREAMS) hang or crash when they are given up, with
    openvino 2026.4.1. Several engines do the same without them.

    Args:
        path: an .onnx or .xml file.
        threads: to compute with; None leaves that to OpenVINO.
        precision: what it computes in, "f32" or "bf16".
    """

    name = "openvino"
    device = "CPU"

    def __init__(self, path: Path, threads: int | None = None, precision: str = "f32"):
        self._path, self._threads = path, threads
        self.precision = precision
        self.metadata: dict[str, str] = {}
        network: str | bytes = str(path)
        if path.suffix.lower() == ".onnx":
            from matting_keras.inference.onnx_file import read_onnx

            network, self.metadata = read_onnx(path)
        hints = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
        hints |= {"INFERENCE_NUM_THREADS": str(threads)} if threads else {}
        core = _openvino_core(_need("openvino", "openvino"))
        self._able = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        compiled = _opened(
            lambda: core.compile_model(core.read_model(network), "CPU", hints), path, self.name
        )
        inputs = [str(part.partial_shape) for part in compiled.inputs]
        # A conversion from TensorFlow adds scalar outputs that mean nothing.
        outputs = [part for part in compiled.outputs if part.partial_shape.rank.get_length()]
        shapes = [*inputs, *(str(part.partial_shape) for part in outputs)]
        if [shape.split(",")[-1] for shape in shapes] != ["3]", "1]"]:
            raise InputError(_foreign(path, f"inputs and outputs of shapes {', '.join(shapes)}"))
        self._output = outputs[0]
        self._request = compiled.create_infer_request()
        self._one_at_a_time = threading.Lock()

    def run(self, batch: np.ndarray) -> np.ndarray:
        with self._one_at_a_time:
            return np.array(self._request.infer([batch], share_inputs=True)[self._output])

    def for_frames(self, ahead: bool) -> tuple[Runtime, int]:
        """The same network in bfloat16 where the processor has it.

        Where frames may be taken ahead, several engines with a share of the cores each: no thread
        waits for another within a frame.
        """
        precision = "bf16" if "BF16" in self._able else "f32"
        calls = calls_at_once()
        if ahead and calls > 1 and not self._threads:
            threads = (os.cpu_count() or 1) // calls
            return InTurn([OpenVino(self._path, threads, precision) for _ in range(calls)]), calls
        if precision == self.precision:
            return self, 1
        return OpenVino(self._path, self._threads, precision), 1


class InTurn:
    """Several engines with one network: as many calls at once as there are engines.

    Args:
        engines: with the same file each.
    """

    def __init__(self, engines: Sequence[Runtime]):
        first = engines[0]
        self.name, self.device, self.metadata = first.name, first.device, first.metadata
        self._idle: queue.SimpleQueue[Runtime] = queue.SimpleQueue()
        for engine in engines:
            self._idle.put(engine)

    def run(self, batch: np.ndarray) -> np.ndarray:
        engine = self._idle.get()
        try:
            return engine.run(batch)
        finally:
            self._idle.put(engine)


@cache
def _openvino_core(engine: ModuleType):
    """The one core of OpenVINO in this process.

    A core gives the thread that calls it a stack for signals, and puts the one before back when it
    is given up. Of two that are given up in the order in which they came, a freed one remains, and
    the next ctrl-C crashes.
    """
    return engine.Core()


class LiteRt:
    """LiteRT (TensorFlow Lite) on the CPU."""

    name = "litert"
    device = "CPU"

    def __init__(self, path: Path, threads: int | None = None):
        engine = _need("ai_edge_litert.interpreter", "ai-edge-litert")
        self.metadata: dict[str, str] = {}
        self._network = _opened(
            lambda: engine.Interpreter(str(path), num_threads=threads or os.cpu_count()),
            path,
            self.name,
        )
        inputs, outputs = self._network.get_input_details(), self._network.get_output_details()
        shapes = [part["shape_signature"].tolist() for part in (*inputs, *outputs)]
        if shapes == SELFIE:
            raise InputError(
                f"{path}: MediaPipe's selfie network, which takes 256x256 alone; bring its weights "
                f"along: matting-keras convert {path} --arch selfie --output selfie.keras"
            )
        if [shape[1:] for shape in shapes] != [[-1, -1, 3], [-1, -1, 1]]:
            raise InputError(_foreign(path, f"inputs and outputs of shapes {shapes}"))
        self._input, self._output = inputs[0]["index"], outputs[0]["index"]
        self._shape: tuple[int, ...] = ()
        self._one_at_a_time = threading.Lock()

    def run(self, batch: np.ndarray) -> np.ndarray:
        with self._one_at_a_time:
            if batch.shape != self._shape:
                self._network.resize_tensor_input(self._input, batch.shape)
                self._network.allocate_tensors()
                self._shape = batch.shape
            self._network.set_tensor(self._input, batch)
            self._network.invoke()
            return self._network.get_tensor(self._output)


class KerasRuntime:
    """A Keras model called as a traced function; `predict` costs five times as much a picture."""

    name = "keras"

    def __init__(self, model: Path | keras.Model, threads: int | None = None):
        if threads:
            raise InputError(
                "the keras runtime's threads are those of the backend, set when it starts; leave "
                "out threads, or take another runtime."
            )
        from matting_keras.architectures.registry import metadata
        from matting_keras.weights.files import check_finite, load

        if isinstance(model, Path):
            model = load(model)
        else:
            check_finite(model, f"the model {model.name!r}")
        shape = model.input_shape
        if not isinstance(shape, tuple) or len(shape) != 4 or shape[-1] not in (1, 3):
            raise InputError(
                f"the model {model.name!r} takes {shape}; expected (batch, height, width, 1 or 3) "
                "of raw 0..255 values, as from matting_keras.build()."
            )
        if shape[1:3] != (None, None):
            raise InputError(
                f"the model {model.name!r} takes only {shape[1]}x{shape[2]}; build it with "
                "height and width None."
            )
        self.metadata = metadata(model.name)
        self.device = _device_of(model)
        self._gray = shape[-1] == 1
        self._call = _traced(model, shape[-1])

    def run(self, batch: np.ndarray) -> np.ndarray:
        if self._gray:
            batch = batch @ LUMA[:, None]
        alpha = self._call(batch)
        # A two-class head: the second class is the person.
        return alpha[..., 1:] if alpha.shape[-1] == 2 else alpha


def _need(module: str, package: str) -> ModuleType:
    try:
        return import_module(module)
    except ImportError as error:
        raise InputError(
            f"the runtime {package} cannot be loaded ({error}); pip install {package}."
        ) from error


def _opened(load: Callable[[], Any], path: Path, name: str) -> Any:
    try:
        return load()
    except Exception as error:  # each engine has its own errors, some right below Exception
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{path}: {name} cannot load it ({reason}). Copy it again, or make it anew with "
            "'matting-keras export'."
        ) from error


def _foreign(path: Path, found: str) -> str:
    return (
        f"{path}: has {found}; expected one RGB image (batch, height, width, 3) in and one alpha "
        "(batch, height, width, 1) out. Make such a file with 'matting-keras export'."
    )


def _device_of(model: keras.Model) -> str:
    """Where a model's weights are, by the name that its backend gives to that."""
    places = {str(weight.value.device).lower() for weight in model.weights[:1]}
    return "GPU" if any("gpu" in place or "cuda" in place for place in places) else "CPU"


def _traced(model: keras.Model, channels: int) -> Callable[[np.ndarray], np.ndarray]:
    """A model as a function of arrays, compiled once for every size."""
    import keras

    def alpha_of(batch):
        output = model(batch, training=False)
        return output["alpha"] if isinstance(output, dict) else output

    if keras.config.backend() != "tensorflow":
        return lambda batch: np.asarray(keras.ops.convert_to_numpy(alpha_of(batch)))
    import tensorflow as tf

    signature = [tf.TensorSpec((None, None, None, channels), tf.float32)]
    function = tf.function(alpha_of, input_signature=signature)
    return lambda batch: function(tf.constant(batch)).numpy()
