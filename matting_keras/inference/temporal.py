"""Steadiness in time: an alpha that does not tremble where nothing moves.

A network that sees each frame alone answers sensor noise with a trembling edge. The methods here
work on the network's own small alphas, before these are enlarged, so that they cost little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np

from matting_keras.errors import InputError
from matting_keras.media.opencv import opencv

XI = 0.1
"""How far an alpha may be from its neighbours in time before it counts as a flicker."""

LONGEST = 12
"""Frames that are averaged at most; more would hardly steady more, and forget later."""

SURE = 5.0
"""A colour this many deviations of the noise from its memory has changed."""

QUIETEST, LOUDEST = 1.0, 4.0
"""Bounds of the noise, in gray levels: below is what compression does, above is no noise but a
scene that moves everywhere."""

JUMP = 0.25
"""An alpha this far from its memory, twice running and in one direction, is believed."""

QUARTER = 0.3186
"""A quarter of all normal deviates are nearer to 0 than this."""


class Steadied(NamedTuple):
    """An alpha that is done, and what was handed in with it."""

    item: Any
    alpha: np.ndarray


class Steady(Protocol):
    """A method: alphas go in, one a frame, and come out steadied, perhaps a frame later."""

    def push(self, item: Any, alpha: np.ndarray, rgb: np.ndarray) -> Iterator[Steadied]:
        """Take the next frame's float32 alpha and uint8 RGB of one size, and yield what is done.

        An alpha that came out is not written to again.
        """

    def flush(self) -> Iterator[Steadied]:
        """Yield what was held back, and forget everything."""


def steady(name: str) -> Steady:
    """Make a method, for one video.

    Args:
        name: a key of `METHODS`: "off", "ofd" (see `OneFrameDelay`) or "smooth" (see `Smooth`).

    Raises:
        InputError: another name.

    Example:
        >>> steady("often")
        Traceback (most recent call last):
        matting_keras.errors.InputError: no temporal method 'often'; there are off, ofd, smooth.
    """
    if name not in METHODS:
        raise InputError(f"no temporal method {name!r}; there are {', '.join(METHODS)}.")
    return METHODS[name]()


class Off:
    """Every alpha as it is."""

    def push(self, item: Any, alpha: np.ndarray, rgb: np.ndarray) -> Iterator[Steadied]:
        yield Steadied(item, alpha)

    def flush(self) -> Iterator[Steadied]:
        yield from ()


class OneFrameDelay:
    """Takes out what is there for one frame only, as the frame after it tells.

    Where the frames before and after agree to within `xi` and the one between differs from both
    by more, their mean takes its place. The frame before counts as it was put out, so that an
    alpha that jumps to and fro comes to rest. Every frame comes out when the next one is in.

    Args:
        xi: how far alpha may be from its neighbours, 0..1.

    Source: Ke et al., "MODNet: Real-Time Trimap-Free Portrait Matting via Objective
    Decomposition", AAAI 2022, one-frame delay.

    Example:
        >>> method = OneFrameDelay()
        >>> alphas = [np.full((1, 1), value, "float32") for value in (0.0, 1.0, 0.0)]
        >>> done = [one for alpha in alphas for one in method.push(None, alpha, None)]
        >>> [float(one.alpha[0, 0]) for one in (*done, *method.flush())]
        [0.0, 0.0, 0.0]
    """

    def __init__(self, xi: float = XI):
        self.xi = xi
        self._before: np.ndarray | None = None
        self._held: Steadied | None = None

    def push(self, item: Any, alpha: np.ndarray, rgb: np.ndarray) -> Iterator[Steadied]:
        held, self._held = self._held, Steadied(item, alpha)
        if held is None:
            return
        done = held.alpha
        if self._before is not None and self._before.shape == done.shape == alpha.shape:
            done = self._corrected(self._before, done, alpha)
        self._before = done
        yield Steadied(held.item, done)

    def flush(self) -> Iterator[Steadied]:
        held, self._held, self._before = self._held, None, None
        if held is not None:
            yield held

    def _corrected(self, before: np.ndarray, here: np.ndarray, after: np.ndarray) -> np.ndarray:
        odd = np.abs(before - after) <= self.xi
        odd &= np.abs(here - before) > self.xi
        odd &= np.abs(here - after) > self.xi
        return np.where(odd, (before + after) / 2, here)


class Smooth:
    """Averages alpha over time where the picture itself stands still, and nowhere else.

    The memory holds the averaged alpha and, averaged alike, the picture it belongs to. Where a
    colour has left its memory by more than the noise, and a few pixels around, the new alpha is
    taken as it is: what moves is not late and leaves no ghost, and a slow movement cannot hide
    in small steps. Everywhere else the frames since the last change are averaged.

    Colours are compared at half the size and slightly blurred. The noise is estimated in every
    frame, from the quarter of the picture that changed least.

    Args:
        longest: frames that are averaged at most.
        sure: deviations of the noise at which a colour has changed.

    Example:
        >>> method, scene = Smooth(), np.zeros((8, 8, 3), "uint8")
        >>> alphas = [np.full((8, 8), value, "float32") for value in (0.5, 0.7)]
        >>> done = [one for alpha in alphas for one in method.push(None, alpha, scene)]
        >>> round(float(done[1].alpha[0, 0]), 3)
        0.6
    """

    def __init__(self, longest: int = LONGEST, sure: float = SURE):
        self.longest, self.sure = longest, sure
        self._alpha: np.ndarray | None = None

    def push(self, item: Any, alpha: np.ndarray, rgb: np.ndarray) -> Iterator[Steadied]:
        colours = _look(rgb)
        if self._alpha is None or self._alpha.shape != alpha.shape:
            self._alpha, self._colours = alpha, colours
            self._age = np.ones(alpha.shape, np.float32)
            self._seen = np.ones(colours.shape[:2], np.float32)
            self._far = np.zeros(alpha.shape, np.int8)
        else:
            moved = self._compare(colours)
            self._average(alpha, moved)
        yield Steadied(item, self._alpha)

    def flush(self) -> Iterator[Steadied]:
        self._alpha = None
        yield from ()

    def _compare(self, colours: np.ndarray) -> np.ndarray:
        """How much the picture has changed, 0..1, at half the size; and remember the picture."""
        cv2 = opencv()
        away = colours - self._colours
        limits = [self.sure * noise(away[..., channel]) for channel in range(3)]
        moved = (np.abs(away) > np.array(limits, np.float32)).any(-1).astype(np.float32)
        # A matte is softer than its picture: it changes beside an edge, too. Where that ends
        # must not be seen, hence the ramp.
        moved = cv2.blur(cv2.dilate(moved, np.ones((7, 7), np.uint8)), (5, 5))
        self._seen = self._aged(self._seen, moved)
        self._colours += away / self._seen[..., None]
        return moved

    def _average(self, alpha: np.ndarray, moved: np.ndarray) -> None:
        away = alpha - self._alpha
        far = (away > JUMP).astype(np.int8) - (away < -JUMP)
        # The network may have changed its mind for good, with the picture standing still.
        believed = (far == self._far) & (far != 0)
        changed = np.maximum(opencv().resize(moved, alpha.shape[::-1]), believed)
        self._far = np.where(changed >= 1, 0, far).astype(np.int8)
        self._age = self._aged(self._age, changed)
        self._alpha = self._alpha + away / self._age

    def _aged(self, age: np.ndarray, changed: np.ndarray) -> np.ndarray:
        """The number of frames that an average is over, after another one: 1 after a change."""
        share = 1 / np.minimum(age + 1, self.longest)
        return 1 / (share + changed * (1 - share))


def noise(away: np.ndarray) -> float:
    """The deviation of the noise in a difference of two pictures, most of which may have moved.

    Args:
        away: the difference in one channel, in gray levels, any shape.

    Returns:
        Gray levels within `QUIETEST` and `LOUDEST`.

    Example:
        >>> still = np.random.default_rng(0).normal(0, 2, 10000)
        >>> round(noise(np.concatenate([still, np.full(3333, 90.0)])))
        3
    """
    sizes = np.abs(away.ravel()[::3])
    at = sizes.size // 4
    return float(np.clip(np.partition(sizes, at)[at] / QUARTER, QUIETEST, LOUDEST))


def _look(rgb: np.ndarray) -> np.ndarray:
    """A picture at half the size, slightly blurred, float32: what noise is least of."""
    cv2 = opencv()
    half = tuple(max(1, side // 2) for side in rgb.shape[1::-1])
    small = cv2.resize(rgb, half, interpolation=cv2.INTER_AREA)
    return cv2.blur(small, (3, 3), borderType=cv2.BORDER_REPLICATE).astype(np.float32)


METHODS: dict[str, Callable[[], Steady]] = {"off": Off, "ofd": OneFrameDelay, "smooth": Smooth}
"""What `--temporal` offers."""
