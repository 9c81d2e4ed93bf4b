"""What everyday does to photos: how much of its score a network keeps when they get worse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from matting_keras.data.sample import Sample
from matting_keras.errors import InputError
from matting_keras.media.opencv import opencv

Change = Callable[[np.ndarray, np.ndarray, int], tuple[np.ndarray, np.ndarray]]

ANGLE = 15.0
"""Degrees, every second photo the other way round."""

SHADE = 0.35
"""Light that is left on the dark side."""

NOISE = 15.0
"""Standard deviation in levels of 255: a webcam in the evening."""

BLUR = 1 / 300
"""Standard deviation as a share of the longer side."""

SMALLER = 4
"""How many times smaller the sides are that a photo is brought down to before it comes back."""


def rotated(image: np.ndarray, alpha: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Turned by 15 degrees, the corners filled with reflections."""
    cv2, (height, width) = opencv(), alpha.shape
    angle = ANGLE if number % 2 else -ANGLE
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, 1.0)
    return tuple(
        cv2.warpAffine(plane, turn, (width, height), borderMode=cv2.BORDER_REFLECT_101)
        for plane in (image, alpha)
    )


def half_lit(image: np.ndarray, alpha: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """One side in the shade, the other in the light, with a soft way over in the middle third."""
    across = np.linspace(0, 1, image.shape[1], dtype="float32")[:: 1 if number % 2 else -1]
    light = SHADE + (1 - SHADE) * np.clip(3 * across - 1, 0, 1)
    return np.rint(image * light[:, None]).astype("uint8"), alpha


def noisy(image: np.ndarray, alpha: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """With the noise of a small sensor, the same for the same number."""
    noise = np.random.default_rng(number).normal(0, NOISE, image.shape)
    return np.clip(np.rint(image + noise), 0, 255).astype("uint8"), alpha


def blurred(image: np.ndarray, alpha: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """A little out of focus."""
    return opencv().GaussianBlur(image, (0, 0), BLUR * max(image.shape)), alpha


def small(image: np.ndarray, alpha: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Brought to a quarter of its sides and back."""
    cv2, (height, width) = opencv(), alpha.shape
    size = max(1, width // SMALLER), max(1, height // SMALLER)
    little = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return cv2.resize(little, (width, height), interpolation=cv2.INTER_LINEAR), alpha


CHANGES: dict[str, Change] = {
    "rotated": rotated,
    "half-lit": half_lit,
    "noisy": noisy,
    "blurred": blurred,
    "small": small,
}


def changed(samples: list[Sample], change: str) -> list[Sample]:
    """The same samples, each photo changed as it is read, and its alpha along with it.

    Args:
        samples: with alphas.
        change: a key of `CHANGES`.

    Raises:
        InputError: an unknown change.

    Example:
        >>> from matting_keras.data.sources import synthetic
        >>> (dark,) = changed(synthetic(1, 0, [(32, 24)]), "half-lit")
        >>> dark.read()[0].shape
        (32, 24, 3)
    """
    if change not in CHANGES:
        raise InputError(f"there is no change {change!r}; there are {', '.join(CHANGES)}.")

    def reader(number: int, sample: Sample) -> Callable:
        return lambda: CHANGES[change](*sample.read(), number)

    return [replace(one, read=reader(number, one)) for number, one in enumerate(samples)]
