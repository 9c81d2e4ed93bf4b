"""Built-in portraits with exact alpha, drawn from a seed: no files, no download.

They train a network when no data is given, and they test: foreground, background and alpha
of every pixel are known, hair strands thinner than a pixel included.
"""

from __future__ import annotations

import math
import operator
from typing import NamedTuple

import numpy as np

from matting_keras.data.synthetic_backdrops import backdrop
from matting_keras.data.synthetic_looks import HAIRSTYLES, random_look
from matting_keras.data.synthetic_parts import Frame, smooth_noise
from matting_keras.data.synthetic_people import paint_person
from matting_keras.errors import InputError

EMPTY_SHARE = 0.05
"""Share of scenes without anybody: a network must learn to find nobody too."""

PAIR_SHARE = 0.12
"""Share of scenes with two people."""


class Scene(NamedTuple):
    """A picture and what it was mixed from.

    `image` is `alpha * foreground + (1 - alpha) * background`, rounded to whole numbers, with
    exactly these arrays. Alpha is a multiple of 1/255, so an 8-bit mask file keeps it exactly.
    """

    foreground: np.ndarray
    """(height, width, 3) uint8, RGB."""
    alpha: np.ndarray
    """(height, width) float32 in 0..1."""
    background: np.ndarray
    """(height, width, 3) uint8, RGB."""
    image: np.ndarray
    """(height, width, 3) uint8, RGB."""


def synthetic_portrait(seed: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw one portrait and its exact alpha; the same seed gives the same picture.

    Args:
        seed: 0 or more.
        height: of the picture, in pixels, at least 1.
        width: of the picture, in pixels, at least 1.

    Returns:
        image: (height, width, 3) uint8, RGB.
        alpha: (height, width) float32 in 0..1, all 0 in about one of twenty scenes.

    Raises:
        InputError: a value is not a whole number or too small.

    Example:
        >>> image, alpha = synthetic_portrait(0, 64, 48)
        >>> image.shape, image.dtype.name, alpha.shape, alpha.dtype.name
        ((64, 48, 3), 'uint8', (64, 48), 'float32')
    """
    scene = synthetic_scene(seed, height, width)
    return scene.image, scene.alpha


def synthetic_scene(
    seed: int, height: int, width: int, *, people: int | None = None, hair: str | None = None
) -> Scene:
    """Draw one portrait and keep the exact colours it was mixed from.

    Args:
        seed: 0 or more.
        height: of the picture, in pixels, at least 1.
        width: of the picture, in pixels, at least 1.
        people: how many, 0 to 2; None draws it.
        hair: one of `HAIRSTYLES` for everybody, and no hat; None draws it.

    Returns:
        A `Scene`.

    Raises:
        InputError: a value is not a whole number, out of range, or not a hair style.

    Example:
        >>> import numpy as np
        >>> scene = synthetic_scene(3, 96, 80, people=1, hair="curly")
        >>> alpha = scene.alpha[..., None]
        >>> mixed = alpha * scene.foreground + (1 - alpha) * scene.background
        >>> bool(np.abs(mixed - scene.image).max() <= 0.501)
        True
    """
    seed = _whole("seed", seed, 0)
    height, width = _whole("height", height, 1), _whole("width", width, 1)
    if people is not None and _whole("people", people, 0) > 2:
        raise InputError(f"people is {people}; give 0, 1 or 2.")
    if hair is not None and hair not in HAIRSTYLES:
        raise InputError(f"hair is {hair!r}; give one of {', '.join(HAIRSTYLES)}.")
    # One stream for each part: a change to one part leaves the others as they were.
    crowd, scenery, light = (np.random.default_rng((seed, part)) for part in range(3))
    behind = backdrop(scenery, height, width)
    front, alpha = _crowd(crowd, height, width, people, hair)
    lamp, grain = _light(light, height, width)
    background, foreground = _expose(behind, lamp, grain), _expose(front, lamp, grain)
    image = np.rint(alpha * foreground + (1 - alpha) * background)
    return Scene(_recorded(foreground), alpha, _recorded(background), _recorded(image))


def _whole(name: str, value: int, least: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise InputError(f"{name} is {value!r}; give a whole number.") from None
    if number < least:
        raise InputError(f"{name} is {number}; give {least} or more.")
    return number


def _crowd(rng, height: int, width: int, people: int | None, hair: str | None):
    """Everybody in the scene: colour (3, height, width), not multiplied by alpha, and alpha."""
    colour = np.zeros((3, height, width), np.float32)
    alpha = np.zeros((height, width), np.float32)
    chance = rng.random()
    drawn = 0 if chance < EMPTY_SHARE else 2 if chance > 1 - PAIR_SHARE else 1
    count = drawn if people is None else people
    beside = 0.0
    for _ in range(count):
        look = random_look(rng, hair)
        if hair is not None:
            look = look._replace(hat=False, away=False)
        centre, unit = _place(rng, height, width, count, beside)
        beside = -math.copysign(0.24, centre[0] - width / 2)
        tilt, softness = rng.normal(0, 0.07), rng.uniform(1.0, 2.0) * max(1, unit / 90)
        paint_person(Frame.on(colour, alpha, centre, unit, tilt, softness), rng, look)
    # Steps of 1/255 hide the last bits, in which the sines of two platforms may differ.
    steps = np.round(alpha * 255)
    # Where nobody is, foreground is unknown; black would creep into soft edges when resized.
    empty = alpha < 0.25 / 255
    colour /= np.maximum(alpha, 0.25 / 255)
    if count:
        colour = np.where(empty, look.hair[:, None, None], colour)
    return colour, (steps / 255).astype(np.float32)


def _place(rng, height: int, width: int, count: int, beside: float):
    """Middle of the head and pixels per unit: mostly a portrait, sometimes small or cropped."""
    shorter = min(height, width * 1.15)
    size, kind = rng.uniform(0.13, 0.25), rng.random()
    if kind < 0.15:
        size = rng.uniform(0.07, 0.13)
    elif kind > 0.88:
        size = rng.uniform(0.25, 0.42)
    if count > 1:
        size = rng.uniform(0.11, 0.17)
    unit = max(1.0, size * shorter)
    spread = 0.32 if 0.15 <= kind <= 0.25 else 0.1
    aside = beside or (rng.choice([-0.24, 0.24]) if count > 1 else 0.0)
    x = width * (0.5 + aside + rng.uniform(-spread, spread))
    y = height * rng.uniform(0.28, 0.5)
    # A small person stands low, as if the rest were below the picture's edge.
    return (float(x), float(max(y, height - unit * rng.uniform(4, 6)))), unit


def _light(rng, height: int, width: int):
    """Light (3, height, width) to multiply by, and the sensor's grain (height, width) to add."""
    cast = rng.uniform(0.75, 1.15) * (1 + rng.uniform(-0.07, 0.07, (3, 1, 1)))
    field = 1 + rng.uniform(0, 0.5) * (smooth_noise(rng, height, width, 2) - 0.5)
    strength = rng.uniform(0.002, 0.02)
    grain = rng.standard_normal((height, width), np.float32) * np.float32(strength)
    return cast.astype(np.float32) * field, grain


def _expose(planes: np.ndarray, lamp: np.ndarray, grain: np.ndarray) -> np.ndarray:
    """What a camera records: whole numbers in 0..255, still (3, height, width) float32.

    Foreground and background get the same grain, so their mix has it too at any alpha.
    """
    levels = planes * lamp
    levels += grain
    levels *= 255
    return np.rint(np.clip(levels, 0, 255, out=levels), out=levels)


def _recorded(planes: np.ndarray) -> np.ndarray:
    picture = np.empty((*planes.shape[1:], 3), np.uint8)
    for channel, plane in enumerate(planes):
        picture[..., channel] = plane
    return picture
