"""The one way to run a network on pictures."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from matting_keras.errors import InputError
from matting_keras.geometry import LARGEST_SIDE
from matting_keras.inference.finish import Finish, Finished
from matting_keras.inference.heap import keep_freed_memory
from matting_keras.inference.levels import SHIPPED, UNTOUCHED, checked
from matting_keras.inference.looks import FINEST, LOOKS, SecondLook
from matting_keras.inference.parts import PARTS
from matting_keras.inference.pipeline import matte, prepare
from matting_keras.inference.refine import METHODS
from matting_keras.inference.runtimes import READS, open_runtime
from matting_keras.media.images import Photo, Source, to_photo
from matting_keras.weights.presets import DEFAULT

if TYPE_CHECKING:
    import keras

    from matting_keras.weights.presets import Preset

AREA = 320 * 256
"""Pixels on the network's input where neither the caller nor the file says."""

AREA_KEY = "matting_keras.area"
"""Under this name an exported file says at which area it works best."""


class Matter:
    """Finds the person in a picture.

    Args:
        model: a preset's name, a .onnx, .keras, .tflite or OpenVINO .xml file, or a Keras model.
        runtime: "auto" (onnxruntime for presets), "onnxruntime", "openvino", "litert", "keras".
        area: pixels on the network's input; None takes what is best for shipped weights, else what
            the file says, else 320 x 256.
            More finds finer hair and costs time in proportion.
        threads: that the engine computes with; None leaves that to the engine.
        refine: "closed-form" solves for a photo's soft edge from the colours around it (see
            `closed_form.draw_alpha`), in a fifth of a second or more; "guided" draws the alpha's
            edges from the full-size picture (see `refine.refine_alpha`), as frames of a film always
            are; "off" enlarges the network's alpha bilinearly. None is "closed-form" for shipped
            weights and "guided" for others.
        parts: "sure", without what the network is nowhere certain of, such as a chair in an empty
            room; "largest", without what is not joined to the largest part: people further back,
            stray spots, but also a hand that something covers at the wrist; "all". None takes
            "sure" for shipped weights and "all" for others: one that has learned for minutes is
            certain of nothing.
        looks: 2 for what is found in a picture and in its mirror image together, where the surer
            one counts for more, in twice the network's time: people are found better, and nobody
            where nobody is. The second look is closer where somebody is small in the picture, and
            where nobody seems to be, somebody smaller is searched for. None is 2 for shipped
            weights and 1 for others. Frames of films and cameras are seen once, with 2 closer where
            the frames around or before show somebody.
        levels: black and white point: alphas up to the first become 0, from the second on 1. None
            is (0.05, 0.95) for shipped weights, which seldom dare to say 0 or 1, and (0, 1), as the
            network says, for others.
        finer: how many times as many pixels as the first look the second one may have at a large
            picture, from 1 to 4, and about as many times as long: edges are better where the
            network has learned with as many. None is what is best for shipped weights, up to 3,
            and 1 for others.

    Attributes:
        engine: the loaded network, with nothing done to its alphas; `engine.name` says what runs
            it, `engine.device` on what, "CPU" or "GPU".
        finish: what is done to them, by `parts` and `levels`.
        runtime: both, for one look at each picture.
        area: as above, settled.
        parts: as above, settled.
        looks: as above, settled.
        levels: as above, settled.
        finer: as above, settled; 1 with one look.
        refine: as above, settled.

    Raises:
        InputError: no such preset, file or engine, a file that is not one of ours, an unknown
            way to refine, unknown parts, another number of looks, levels that are not in
            order, or a second look to be finer where there is none.

    Example:
        >>> matter = Matter("dark-light")
        >>> alpha = matter(np.full((120, 90, 3), 200, "uint8"))
        >>> alpha.shape, alpha.dtype.name, bool(0 <= alpha.min() and alpha.max() <= 1)
        ((120, 90), 'float32', True)
    """

    def __init__(
        self,
        model: str | os.PathLike | keras.Model = DEFAULT,
        runtime: str = "auto",
        area: int | None = None,
        threads: int | None = None,
        refine: str | None = None,
        parts: str | None = None,
        looks: int | None = None,
        levels: tuple[float, float] | None = None,
        finer: float | None = None,
    ):
        if area is not None and area < 1:
            raise InputError(f"area must be a positive number of pixels, got {area}.")
        if refine not in (None, *METHODS):
            raise InputError(f"no way to refine {refine!r}; there are {', '.join(METHODS)}.")
        if parts not in (None, *PARTS):
            raise InputError(f"no parts {parts!r}; there are {', '.join(PARTS)}.")
        if looks not in (None, *LOOKS):
            raise InputError(f"looks must be 1 or 2, got {looks}.")
        if finer is not None and not 1 <= finer <= FINEST:
            raise InputError(
                f"finer must be from 1 to {FINEST}, got {finer:g}; for more detail than that give "
                "both looks more pixels by area (--area)."
            )
        told = None if levels is None else checked(levels)
        keep_freed_memory()
        opened = open_runtime(_find(model, runtime), runtime, threads)
        shipped = _shipped(model)
        self.refine = refine or ("closed-form" if shipped else "guided")
        self.looks = looks or (2 if shipped else 1)
        self.parts = parts or ("sure" if shipped else "all")
        self.levels = told or (SHIPPED if shipped else UNTOUCHED)
        own = shipped.area if shipped else _told(opened.metadata)
        self.area = area or own or AREA
        self.engine, self.finish = opened, Finish(self.parts, self.levels)
        self.runtime = opened if self.finish == Finish() else Finished(opened, self.finish)
        self._first, self._again, self.finer = self.runtime, None, 1.0
        if self.looks == 2:
            self.finer = finer or (shipped.finer if shipped else 1.0)
            self._first, self._again = (
                opened,
                SecondLook(opened, self.area, self.finish, self.finer),
            )
        elif finer is not None and finer > 1:
            raise InputError(f"finer={finer:g} is of a second look; add looks=2 (--looks 2).")

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
            images: as for one picture, of any sizes, read one after another; at most eight of one
                shape are in memory at a time.

        Returns:
            One alpha for each, in the order given.

        Raises:
            InputError: naming the first picture that cannot be read.
        """
        prepared = (prepare(to_photo(image), self.area, self.refine) for image in images)
        return matte(prepared, self._first, self._again)


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


def _shipped(model: str | os.PathLike | keras.Model) -> Preset | None:
    """What is known of weights that travel with the package, given by their name or their file."""
    if not isinstance(model, (str, os.PathLike)):
        return None
    from matting_keras.weights.presets import PRESETS, folder

    path = Path(model)
    ours = _is_preset(path) or path.resolve().parent == folder().resolve()
    return PRESETS.get(path.stem) if ours else None


def _is_preset(path: Path) -> bool:
    return not path.suffix and len(path.parts) == 1 and not path.is_file()
