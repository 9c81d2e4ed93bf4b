"""The brushes of the built-in portraits: distance fields, smooth noise, hair strands, colours.

Pictures are painted as planes, (3, height, width) float32 in 0..1: numpy is several times
faster when the three channels come first. Distances are negative inside a shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Frame:
    """A window of a canvas, seen in the coordinates of one head.

    `u` runs to the right and `v` down, from the middle of the head; one unit is half a head's
    height, so the crown is near v = -1 and the chin near v = 1.
    """

    colour: np.ndarray
    """(3, height, width), already multiplied by alpha."""
    alpha: np.ndarray
    """(height, width)."""
    centre: tuple[float, float]
    """x and y of the head's middle, in pixels of this window."""
    unit: float
    """Pixels per unit."""
    tilt: float
    """Radians, clockwise."""
    softness: float
    """Width of an edge in pixels: 1 is sharp, more is out of focus."""
    u: np.ndarray
    v: np.ndarray

    @classmethod
    def on(cls, colour, alpha, centre, unit, tilt=0.0, softness=1.0) -> Frame:
        """The frame of a head on a whole canvas."""
        x = (np.arange(alpha.shape[1], dtype=np.float32) + 0.5 - centre[0])[None] / unit
        y = (np.arange(alpha.shape[0], dtype=np.float32) + 0.5 - centre[1])[:, None] / unit
        cos, sin = np.float32(math.cos(tilt)), np.float32(math.sin(tilt))
        u, v = x * cos + y * sin, y * cos - x * sin
        return cls(colour, alpha, centre, unit, tilt, softness, u, v)

    def pixels(self, u, v):
        """Where points of the frame lie in the window: x and y in pixels."""
        cos, sin = math.cos(self.tilt), math.sin(self.tilt)
        x = self.centre[0] + self.unit * (u * cos - v * sin)
        y = self.centre[1] + self.unit * (u * sin + v * cos)
        return x, y

    def near(self, u: float, v: float, reach: float) -> Frame:
        """The part of this frame within `reach` units of a point; small shapes stay cheap."""
        x, y = self.pixels(u, v)
        margin = reach * self.unit + 2 * self.softness
        left, top = max(0, math.floor(x - margin)), max(0, math.floor(y - margin))
        right, bottom = max(left, math.ceil(x + margin)), max(top, math.ceil(y + margin))
        window = (slice(top, bottom), slice(left, right))
        return replace(
            self,
            colour=self.colour[(slice(None), *window)],
            alpha=self.alpha[window],
            centre=(self.centre[0] - left, self.centre[1] - top),
            u=self.u[window],
            v=self.v[window],
        )

    def cover(self, distance: np.ndarray, soft: float = 0.0) -> np.ndarray:
        """Share of each pixel inside a shape; `soft` widens the edge, in units."""
        width = self.softness + soft * self.unit
        return np.clip(0.5 - distance * np.float32(self.unit / width), 0, 1)

    def paint(self, cover: np.ndarray, colour: np.ndarray) -> None:
        """Lay a colour, (3,) or (3, height, width), over what is there."""
        colour = np.asarray(colour, np.float32)
        if colour.ndim == 1:
            colour = colour[:, None, None]
        self.colour[...] += cover * (colour - self.colour)
        self.alpha[...] += cover * (1 - self.alpha)

    def tint(self, cover: np.ndarray, colour: np.ndarray) -> None:
        """Colour what is there and leave alpha alone: for marks that lie on a face."""
        colour = np.asarray(colour, np.float32)[:, None, None]
        self.colour[...] += cover * (colour * self.alpha - self.colour)


def ellipse(u, v, centre, radii) -> np.ndarray:
    """Distance to an ellipse, close to exact near its edge, where alpha is decided."""
    x, y = (u - centre[0]) / radii[0], (v - centre[1]) / radii[1]
    level = np.sqrt(x * x + y * y) + np.float32(1e-6)
    slope = np.sqrt((x / radii[0]) ** 2 + (y / radii[1]) ** 2) + np.float32(1e-6)
    return level * (level - 1) / slope


def capsule(u, v, start, end, radius) -> np.ndarray:
    """Distance to a thick line with round ends."""
    along = (end[0] - start[0], end[1] - start[1])
    length = along[0] ** 2 + along[1] ** 2 + 1e-9
    x, y = u - start[0], v - start[1]
    share = np.clip((x * along[0] + y * along[1]) / length, 0, 1)
    return np.sqrt((x - share * along[0]) ** 2 + (y - share * along[1]) ** 2) - radius


def blend(one: np.ndarray, other: np.ndarray, reach: float) -> np.ndarray:
    """Union of two distance fields, its inner corner rounded over `reach`."""
    overlap = np.maximum(reach - np.abs(one - other), 0)
    return np.minimum(one, other) - overlap * overlap * np.float32(0.25 / reach)


def smooth_noise(rng: np.random.Generator, height: int, width: int, cells: int) -> np.ndarray:
    """Noise in 0..1 with about `cells` bumps along the longer side.

    The same numbers are drawn for every size, so a seed gives the same scene at every scale.
    """
    grid = rng.random((cells + 3, cells + 3)).astype(np.float32)
    scale = cells / max(height, width)

    def weights(length: int) -> np.ndarray:
        # Cubic B-splines: straight interpolation would show the grid as little squares.
        places = (np.arange(length, dtype=np.float32) + 0.5)[:, None] * scale + 1
        gap = np.abs(places - np.arange(cells + 3, dtype=np.float32))
        outer, inner = np.maximum(0, 2 - gap), np.maximum(0, 1 - gap)
        return (outer**3 - 4 * inner**3) / 6

    # Averaging narrows the range; stretch it again.
    noise = weights(height) @ grid @ weights(width).T
    return np.clip((noise - 0.5) * 2 + 0.5, 0, 1)


def curves(root, heading, length, drop, curl, turns, phase, step: float) -> np.ndarray:
    """Hair strands as polylines that leave a root, sink and curl.

    Args:
        root: (strands, 2), in units.
        heading: (strands, 2), the direction at the root.
        length: (strands,), in units.
        drop: how strongly a strand turns downwards on its way; 0 is stiff.
        curl: sideways swing relative to the heading; 0 is straight.
        turns: number of curls along a strand.
        phase: (strands,), radians.
        step: largest gap between points, in units.

    Returns:
        (strands, points, 2), in units.
    """
    root, heading, length, phase = (
        np.asarray(values, np.float32) for values in (root, heading, length, phase)
    )
    count = max(4, math.ceil(float(np.max(length)) * (1 + 0.5 * curl) / step))
    along = np.linspace(0, 1, count, dtype=np.float32)[None, :]
    swing = curl * np.sin(2 * math.pi * turns * along + phase[:, None])
    du = heading[:, :1] - swing * heading[:, 1:]
    dv = heading[:, 1:] + swing * heading[:, :1] + drop * along
    # A strand keeps its pace while it sinks, or heavy hair would grow longer than asked.
    pace = (length[:, None] / count) / np.maximum(1, np.sqrt(1 + (drop * along) ** 2))
    paths = np.stack([np.cumsum(du * pace, axis=1), np.cumsum(dv * pace, axis=1)], axis=-1)
    return root[:, None, :] + paths


def strand_cover(frame: Frame, paths: np.ndarray, width: np.ndarray, tone: np.ndarray):
    """Coverage of strands thinner than a pixel.

    Each point of a strand leaves the area of its piece, width times length, on the four
    pixels around it. Where strands cross at random, 1 - exp(-area) of a pixel is covered.

    Args:
        frame: where to draw.
        paths: (strands, points, 2), in units.
        width: (strands,), in pixels.
        tone: (strands,), brightness of each strand.

    Returns:
        cover, (height, width) in 0..1, and the mean tone of the strands in each pixel.
    """
    x, y = frame.pixels(paths[..., 0], paths[..., 1])
    piece = np.sqrt(np.diff(x, axis=1) ** 2 + np.diff(y, axis=1) ** 2)
    taper = 1 - np.linspace(0, 1, x.shape[1] - 1, dtype=np.float32) ** 2 * 0.8
    area = (piece * taper * np.asarray(width, np.float32)[:, None]).ravel()
    tones = np.broadcast_to(np.asarray(tone, np.float32)[:, None], piece.shape).ravel()
    x, y = x[:, 1:].ravel() - 0.5, y[:, 1:].ravel() - 0.5
    height, across = frame.alpha.shape
    inside = (x > -1) & (y > -1) & (x < across) & (y < height)
    x, y, area, tones = x[inside], y[inside], area[inside], tones[inside]
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    right_share, bottom_share = x % 1, y % 1
    # One pixel of border takes what falls just outside.
    place = (top + 1) * (across + 2) + left + 1
    places = np.concatenate([place, place + 1, place + across + 2, place + across + 3])
    shares = np.concatenate([
        (1 - right_share) * (1 - bottom_share), right_share * (1 - bottom_share),
        (1 - right_share) * bottom_share, right_share * bottom_share,
    ]) * np.tile(area, 4)  # fmt: skip
    size = (height + 2) * (across + 2)
    total = np.bincount(places, shares, size).reshape(height + 2, across + 2)[1:-1, 1:-1]
    toned = np.bincount(places, shares * np.tile(tones, 4), size)
    toned = toned.reshape(height + 2, across + 2)[1:-1, 1:-1] / (total + 1e-9)
    return (1 - np.exp(-total)).astype(np.float32), toned.astype(np.float32)


def colour_of(hue: float, saturation: float, value: float) -> np.ndarray:
    """An RGB colour in 0..1 from hue, saturation and value in 0..1."""
    wheel = np.abs((hue * 6 + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1
    return (value * (1 - saturation * (1 - np.clip(wheel, 0, 1)))).astype(np.float32)


def random_colour(rng: np.random.Generator, saturation=(0.0, 0.8), value=(0.1, 0.95)):
    """Any colour within the given ranges of saturation and value."""
    return colour_of(rng.random(), rng.uniform(*saturation), rng.uniform(*value))
