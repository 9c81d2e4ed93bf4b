"""The one way to run a network on pictures."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from matting_keras.errors import InputError
from matting_keras.geometry import LARGEST_SIDE
from matting_keras.inference.pipeline import matte, prepare
from matting_keras.inference.runtimes import READS, open_runtime
from matting_keras.media.images import Photo, Source, to_photo

if TYPE_CHECKING:
    import keras

AREA = 384 * 288
"""Pixels on the network's input where neither the caller nor the file says."""

AREA_KEY = "matting_keras.area"
"""Under this name an exported file says at which area it works best."""


class Matter:
    """Finds the person in a picture.

    Args:
        model: a preset's name, a .onnx, .keras, .tflite or OpenVINO .xml file, or a Keras model.
        runtime: "auto" (onnxruntime for presets), "onnxruntime", "openvino", "litert", "keras".
        area: pixels on the network's input; None takes what the file says, else 384 x 288.
            More finds finer hair and costs time in proportion.
        threads: that the engine computes with; None leaves that to the engine.

    Attributes:
        runtime: the loaded engine; `runtime.name` says which.
        area: as above, settled.

    Raises:
        InputError: no such preset, file or engine, or a file that is not one of ours.

    Example:
        matter = Matter("dark-light")
        alpha = matter("portrait.jpg")  # float32 (height, width), 0..1, at the photo's size
    """

    def __init__(
        self,
        model: str | os.PathLike | keras.Model = "dark-light",
        runtime: str = "auto",
        area: int | None = None,
        threads: int | None = None,
    ):
        if area is not None and area < 1:
            raise InputError(f"area must be a positive number of pixels, got {area}.")
        self.runtime = open_runtime(_find(model, runtime), runtime, threads)
        self.area = area or _told(self.runtime.metadata) or _area(model)

    def __call__(self, image: Source | Photo | np.ndarray) -> np.ndarray:
        """Find the person in one picture.

        Args:
            image: a path, a PIL image, a binary file, or a uint8 array: RGB (height, width, 3),
                RGBA (height, width, 4) or gray (height, width). Any size from 1x1 up.

        Returns:
            float32 alpha (height, width) in 0..1 at the picture's own size: 1 is the person.
            Where the picture is transparent itself, so is the result.

        Raises:
            InputError: a picture that cannot be read.
        """
        return self.batch([image])[0]

    def batch(self, images: Iterable[Source | Photo | np.ndarray]) -> list[np.ndarray]:
        """Find the person in many pictures; those of one shape run through the network together.

        Args:
            images: as for one picture, of any sizes, read one after another.

        Returns:
            One alpha for each, in the order given.

        Raises:
            InputError: naming the first picture that cannot be read.
        """
        return matte([prepare(to_photo(image), self.area) for image in images], self.runtime)


def _find(model: str | os.PathLike | keras.Model, runtime: str) -> Path | keras.Model:
    """The file behind a name: what exists or has a network's suffix is a path, else a preset."""
    if not isinstance(model, (str, os.PathLike)):
        return model
    path = Path(model)
    if not _is_preset(path):
        return path
    from matting_keras.weights.presets import find

    return find(str(model), READS.get(runtime, READS["onnxruntime"])[0])


def _told(metadata: dict[str, str]) -> int:
    """The area that a file names for itself; 0 where it names none that makes sense."""
    text = metadata.get(AREA_KEY, "")
    return int(text) if text.isdecimal() and int(text) <= LARGEST_SIDE**2 else 0


def _area(model: str | os.PathLike | keras.Model) -> int:
    if not isinstance(model, (str, os.PathLike)) or not _is_preset(Path(model)):
        return AREA
    from matting_keras.weights.presets import area

    return area(str(model))


def _is_preset(path: Path) -> bool:
    return not path.suffix and len(path.parts) == 1 and not path.is_file()
