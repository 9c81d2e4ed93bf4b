"""Backgrounds of the built-in portraits: studios, rooms, streets out of focus, patterns."""

from __future__ import annotations

import math

import numpy as np

from matting_keras.data.synthetic_parts import random_colour, smooth_noise


def backdrop(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """One background without people.

    Args:
        rng: source of every choice.
        height: in pixels.
        width: in pixels.

    Returns:
        (3, height, width) float32 in 0..1.
    """
    planes = _gradient(rng, height, width)
    kinds = (_studio, _room, _shelves, _lights, _foliage, _pattern, _clutter)
    kinds[rng.integers(len(kinds))](rng, planes)
    # Nothing real is perfectly even; without this a network learns "flat means background".
    planes *= 0.85 + 0.3 * smooth_noise(rng, height, width, int(rng.integers(3, 9)))
    return np.clip(planes, 0, 1)


def _axes(planes: np.ndarray):
    """Pixel centres as shares of the longer side: y as a column, x as a row."""
    height, width = planes.shape[1:]
    longer = max(height, width)
    y = ((np.arange(height, dtype=np.float32) + 0.5) / longer)[:, None]
    return y, ((np.arange(width, dtype=np.float32) + 0.5) / longer)[None, :]


def _gradient(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    planes = np.empty((3, height, width), np.float32)
    y, x = _axes(planes)
    angle = rng.uniform(0, 2 * math.pi)
    share = np.clip(0.5 + (x - 0.5) * math.cos(angle) + (y - 0.5) * math.sin(angle), 0, 1)
    start = random_colour(rng, (0.0, 0.5), (0.2, 0.95))[:, None, None]
    end = np.clip(start + rng.uniform(-0.3, 0.3, (3, 1, 1)), 0, 1).astype(np.float32)
    planes[...] = start + share * (end - start)
    return planes


def _box(planes, top, left, bottom, right, colour, soft=0.0) -> None:
    """A rectangle in shares of the longer side; `soft` blurs its edges."""
    longer = max(planes.shape[1:])
    spans = []
    for start, end, length in ((top, bottom, planes.shape[1]), (left, right, planes.shape[2])):
        margin = 1 + soft * longer
        first = min(length, max(0, math.floor(start * longer - margin)))
        last = max(first, min(length, math.ceil(end * longer + margin)))
        places = np.arange(first, last, dtype=np.float32) + 0.5
        inside = np.minimum(places - start * longer, end * longer - places)
        spans.append((slice(first, last), np.clip(0.5 + inside / margin, 0, 1)))
    (rows, down), (columns, across) = spans
    window = planes[:, rows, columns]
    window += down[:, None] * across * (np.asarray(colour)[:, None, None] - window)


def _disc(planes, y, x, radius, colour, soft, strength) -> None:
    longer = max(planes.shape[1:])
    margin = (radius + soft) * longer + 1
    top, left = max(0, int(y * longer - margin)), max(0, int(x * longer - margin))
    bottom, right = int(y * longer + margin) + 1, int(x * longer + margin) + 1
    window = planes[:, top : max(top, bottom), left : max(left, right)]
    rows = (np.arange(window.shape[1], dtype=np.float32) + top + 0.5 - y * longer)[:, None]
    columns = np.arange(window.shape[2], dtype=np.float32) + left + 0.5 - x * longer
    inside = radius * longer - np.sqrt(rows * rows + columns * columns)
    cover = strength * np.clip(0.5 + inside / (1 + soft * longer), 0, 1)
    window += cover * (np.asarray(colour)[:, None, None] - window)


def _mix(planes: np.ndarray, cover: np.ndarray, colour: np.ndarray) -> None:
    planes += cover * (colour[:, None, None] - planes)


def _studio(rng, planes) -> None:
    _disc(planes, *rng.uniform(0.2, 0.7, 2), 0.3, random_colour(rng, (0, 0.3)), 0.6, 0.6)


def _room(rng, planes) -> None:
    """A wall with windows, pictures or a door, and a skirting of floor."""
    soft = rng.uniform(0, 0.03)
    for _ in range(rng.integers(1, 4)):
        top, left = rng.uniform(-0.1, 0.35), rng.uniform(-0.1, 0.85)
        tall, wide = rng.uniform(0.15, 0.6, 2)
        frame = random_colour(rng, (0, 0.5))
        _box(planes, top, left, top + tall, left + wide, frame, soft)
        pane = random_colour(rng, (0, 0.5), (0.3, 1.0))
        edge = rng.uniform(0.01, 0.03)
        middle = left + wide / 2
        for side, end in (
            (left + edge, middle - edge / 2),
            (middle + edge / 2, left + wide - edge),
        ):
            _box(planes, top + edge, side, top + tall - edge, end, pane, soft)
    floor = rng.uniform(0.7, 1.1)
    _box(planes, floor, -0.1, 1.1, 1.1, random_colour(rng, (0, 0.6), (0.1, 0.7)), soft)


def _shelves(rng, planes) -> None:
    """Rows of books: many thin upright edges, the hardest thing near hair."""
    soft = rng.uniform(0, 0.02)
    board = random_colour(rng, (0.1, 0.6), (0.15, 0.7))
    rows = rng.integers(2, 5)
    for row in range(rows):
        bottom = (row + 1) / rows
        left = 0.0
        while left < 1:
            wide, tall = rng.uniform(0.02, 0.08), rng.uniform(0.5, 0.9) / rows
            book = random_colour(rng)
            _box(planes, bottom - tall, left, bottom, left + wide, book, soft)
            left += wide + (0.08 if rng.random() < 0.15 else 0.0)
        _box(planes, bottom - 0.012, 0, bottom + 0.012, 1, board, soft)


def _lights(rng, planes) -> None:
    """A street at night or a park, far out of focus."""
    planes *= rng.uniform(0.3, 1.0)
    for _ in range(rng.integers(12, 36)):
        spot = random_colour(rng, (0, 0.7), (0.3, 1.0))
        y, x = rng.random(2)
        radius, soft, strength = rng.uniform((0.015, 0.004, 0.2), (0.12, 0.08, 0.9))
        _disc(planes, y, x, radius, spot, soft, strength)


def _foliage(rng, planes) -> None:
    """Leaves, walls of stone or clouds: noise of several sizes in related colours."""
    hue = random_colour(rng, (0.1, 0.7), (0.15, 0.8))
    for cells in (5, 13, 37, 90):
        noise = smooth_noise(rng, *planes.shape[1:], cells)
        tone = np.clip(hue * rng.uniform(0.3, 1.7) + rng.uniform(-0.08, 0.08, 3), 0, 1)
        _mix(planes, np.clip((noise - 0.45) * rng.uniform(1, 6), 0, 0.8), tone.astype(np.float32))


def _pattern(rng, planes) -> None:
    """Wallpaper, planks, tiles or curtains."""
    y, x = _axes(planes)
    angle = rng.choice([0.0, math.pi / 2, rng.uniform(0, math.pi)])
    count, sharp = rng.uniform(4, 24), rng.uniform(1, 8)
    along = x * math.cos(angle) + y * math.sin(angle)
    wave = np.clip(0.5 + sharp * np.sin(2 * math.pi * count * along), 0, 1)
    if rng.random() < 0.5:
        across = y * math.cos(angle) - x * math.sin(angle)
        other = np.clip(0.5 + sharp * np.sin(2 * math.pi * count * across), 0, 1)
        wave = wave * other if rng.random() < 0.5 else np.abs(wave - other)
    _mix(planes, wave * np.float32(rng.uniform(0.15, 0.7)), random_colour(rng))


def _clutter(rng, planes) -> None:
    """Boxes and balls of any colour, skin and hair colours too: form must decide."""
    for _ in range(rng.integers(6, 22)):
        y, x = rng.uniform(-0.1, 1, 2)
        tall, wide = rng.uniform(0.03, 0.4, 2)
        paint, soft = random_colour(rng), rng.uniform(0, 0.04)
        if rng.random() < 0.5:
            _box(planes, y, x, y + tall, x + wide, paint, soft)
        else:
            _disc(planes, y, x, tall / 2, paint, soft, rng.uniform(0.4, 1.0))
