"""Networks as other projects publish them, run by their own conventions, to be compared with ours.

They are material for a comparison: `Matter` runs our own files, and `matting-keras convert` turns
the weights of U²-Net and MODNet into ours.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
from PIL import Image

from matting_keras.errors import InputError
from matting_keras.media.images import Photo, Source, to_photo

MEAN = np.array((0.485, 0.456, 0.406), np.float32)
DEVIATION = np.array((0.229, 0.224, 0.225), np.float32)
SHORT_SIDE, MULTIPLE = 512, 32

Run = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Convention:
    """How a published network wants its picture.

    Attributes:
        name: of the network.
        size: from a picture's (height, width) to the input's; the aspect is kept only as far as
            its authors keep it.
        norm: from RGB 0..255 (height, width, 3) to the values it learned from.
        source: where that is written down.
    """

    name: str
    size: Callable[[int, int], tuple[int, int]]
    norm: Callable[[np.ndarray], np.ndarray]
    source: str


def short_side(height: int, width: int) -> tuple[int, int]:
    """MODNet's input size: the shorter side 512, the longer in proportion, multiples of 32.

    Example:
        >>> short_side(600, 800)
        (512, 672)
    """
    scale = SHORT_SIDE / min(height, width)
    tall, wide = (max(1, int(side * scale) // MULTIPLE) * MULTIPLE for side in (height, width))
    return tall, wide


U2NET = Convention(
    "U²-Net",
    lambda height, width: (320, 320),
    # Divided by the picture's own maximum; the published min-max stretch of the output is left
    # out, because it makes a person of an empty scene.
    lambda rgb: (rgb / max(rgb.max(), 1.0) - MEAN) / DEVIATION,
    "Qin et al. 2020, u2net_test.py",
)
MODNET = Convention("MODNet", short_side, lambda rgb: rgb / 127.5 - 1, "Ke et al. 2022, demo")
SELFIE = Convention(
    "MediaPipe selfie",
    lambda height, width: (256, 256),
    lambda rgb: rgb / 255,
    "MediaPipe model card, 2021",
)

FORMS = (
    "expected an .onnx file of U²-Net or U²-NetP (one input, (1, 3, 320, 320), seven outputs), of "
    "MODNet (one input (batch, 3, height, width), one output), or MediaPipe's selfie segmentation "
    "(.tflite, 256x256 RGB)"
)


class Peer:
    """Finds the person in a picture with somebody else's network.

    Args:
        path: a file in one of the three known forms; which one is seen from its inputs.
        threads: that the engine computes with; None takes all cores.

    Attributes:
        name: of the network it was taken for.
        area: pixels on its input, or None where that follows the picture.

    Raises:
        InputError: a file that is missing, damaged or in none of the known forms, or an engine
            that is not installed.

    Example:
        alpha = Peer("u2netp.onnx")("portrait.jpg")  # float32 (height, width), 0..1
    """

    def __init__(self, path: str | os.PathLike, threads: int | None = None):
        path = Path(path)
        if not path.is_file():
            raise InputError(f"--peer {path}: no such file; {FORMS}.")
        openers = {".onnx": _open_onnx, ".tflite": _open_tflite}
        if path.suffix.lower() not in openers:
            raise InputError(f"--peer {path}: not one of the known forms; {FORMS}.")
        try:
            self._convention, self._run = openers[path.suffix.lower()](path, threads)
        except InputError:
            raise
        except Exception as error:  # each engine has its own errors, some right below Exception
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise InputError(f"--peer {path}: cannot be loaded ({reason}).") from error
        self.name = self._convention.name
        self.area = (
            None if self._convention is MODNET else int(np.prod(self._convention.size(1, 1)))
        )

    def __call__(self, image: Source | Photo | np.ndarray) -> np.ndarray:
        """Find the person in one picture.

        Args:
            image: as for `Matter`.

        Returns:
            float32 alpha (height, width) in 0..1 at the picture's own size.
        """
        photo = to_photo(image)
        height, width = photo.rgb.shape[:2]
        tall, wide = self._convention.size(height, width)
        bilinear = Image.Resampling.BILINEAR
        shrunk = Image.fromarray(photo.rgb).resize((wide, tall), bilinear)
        values = self._convention.norm(np.asarray(shrunk, np.float32)).astype(np.float32)
        alpha = np.asarray(self._run(values), np.float32).reshape(tall, wide)
        alpha = np.asarray(Image.fromarray(alpha).resize((width, height), bilinear))
        alpha = np.clip(alpha, 0, 1)
        return alpha if photo.alpha is None else alpha * photo.alpha


def _open_onnx(path: Path, threads: int | None) -> tuple[Convention, Run]:
    engine = import_module("onnxruntime")
    options = engine.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads or 0
    session = engine.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    inputs, outputs = session.get_inputs(), session.get_outputs()
    shape = list(inputs[0].shape) if len(inputs) == 1 else []
    if len(shape) == 4 and shape[1] == 3 and shape[2:] == [320, 320] and len(outputs) == 7:
        convention = U2NET
    elif len(shape) == 4 and shape[1] == 3 and len(outputs) == 1:
        convention = MODNET
    else:
        found = ", ".join(f"{part.name} {part.shape}" for part in (*inputs, *outputs))
        raise InputError(f"--peer {path}: has {found}; {FORMS}.")
    name, first = inputs[0].name, outputs[0].name

    def run(values: np.ndarray) -> np.ndarray:
        return session.run([first], {name: values.transpose(2, 0, 1)[None]})[0]

    return convention, run


def _open_tflite(path: Path, threads: int | None) -> tuple[Convention, Run]:
    try:
        engine = import_module("ai_edge_litert.interpreter")
    except ImportError as error:
        raise InputError(
            f"--peer {path}: running it needs LiteRT ({error}); pip install ai-edge-litert."
        ) from error
    network = engine.Interpreter(str(path), num_threads=threads or os.cpu_count())
    inputs, outputs = network.get_input_details(), network.get_output_details()
    shapes = [part["shape"].tolist() for part in (*inputs, *outputs)]
    if shapes != [[1, 256, 256, 3], [1, 256, 256, 1]]:
        raise InputError(f"--peer {path}: has inputs and outputs of shapes {shapes}; {FORMS}.")
    network.allocate_tensors()
    inside, outside = inputs[0]["index"], outputs[0]["index"]

    def run(values: np.ndarray) -> np.ndarray:
        network.set_tensor(inside, values[None])
        network.invoke()
        return network.get_tensor(outside)

    return SELFIE, run
