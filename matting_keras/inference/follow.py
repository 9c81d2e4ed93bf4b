"""Looking closer at whom a film or a camera shows: a few frames at a time in one window."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from matting_keras.inference.finish import Finish
from matting_keras.inference.looks import searched
from matting_keras.inference.pipeline import Prepared
from matting_keras.inference.scale import enlarge
from matting_keras.inference.windows import NARROWEST, WORTHWHILE, Box, box_around
from matting_keras.media.video import Frame

if TYPE_CHECKING:
    import av

STRETCH = 8
"""Frames that are seen in one window. At both ends of them the whole frame is seen, so that who
comes in between is in the window, too: an eighth more work, and a quarter of a second held back."""

MARGIN = 0.15
"""What a window shows around those who are in it, as a share of their longer side."""

OFTEN = 4
"""Of a camera's frames one in so many is seen as a whole: nothing is known of those to come."""

SELDOM = 16
"""While a camera shows nobody one frame in so many is searched: that takes as long as five."""

ROOM = 0.3
"""A margin for a camera: who walks must not leave the window before the next whole frame."""

LEAST = 0.05
"""A window stays where it is while it shows so much around them."""

LOOSE = 1.6
"""And until another one would show everybody so many times as large, in area."""

PATIENCE = 4
"""Stretches for which a window stays where somebody was whom whole frames no longer show."""


class Region(NamedTuple):
    """A part of a frame: from which row to which, from which column to which."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def seen(self) -> tuple[slice, slice]:
        """As an index of the frame."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def pixels(self) -> int:
        return (self.bottom - self.top) * (self.right - self.left)

    def holds(self, other: Region) -> bool:
        """Whether another one is within this one."""
        rows = self.top <= other.top and other.bottom <= self.bottom
        return rows and self.left <= other.left and other.right <= self.right


class Seen(NamedTuple):
    """What a network found in a picture.

    Attributes:
        prepared: the picture.
        alpha: float32, as large as what the network saw of it, with nothing done to it.
    """

    prepared: Prepared
    alpha: np.ndarray


class View(NamedTuple):
    """How a frame is to be seen.

    Attributes:
        frame: the whole of it.
        region: the part to look at; None for the whole.
        afar: what was found in that part (rows, columns) when whole frames near by were seen.
        seen: the frame, where the whole of it has been seen already.
    """

    frame: Frame
    region: Region | None = None
    afar: np.ndarray | None = None
    seen: Seen | None = None


class _End(NamedTuple):
    """A frame at which a stretch begins or ends: seen as others are, and searched for somebody."""

    frame: Frame
    seen: Seen
    afar: np.ndarray


class _Window(NamedTuple):
    """Where some frames in a row are seen; without a region as a whole.

    Attributes:
        region: the part of them.
        afar: what was found there when whole frames were seen.
        whole: one that has been seen as a whole, as all are to be.
    """

    region: Region | None = None
    afar: np.ndarray | None = None
    whole: _End | None = None

    def view(self, frame: Frame) -> View:
        """How one of them is to be seen."""
        known = self.whole is not None and self.whole.frame is frame
        return View(frame, self.region, self.afar, self.whole.seen if known else None)


class Follower:
    """Who says where to look in each of a film's frames.

    Args:
        look: at a whole frame, with so many pixels.
        finish: what is done to its alphas in the end.
        area: pixels that the network is to see; a window has no fewer, where the frame has more.
        margin: what a window shows around those who are in it, as a share of their longer side.
    """

    def __init__(
        self,
        look: Callable[[Frame, int], Seen],
        finish: Finish,
        area: int,
        margin: float = MARGIN,
    ):
        self._look, self._finish, self._area, self._margin = look, finish, area, margin
        self._region: Region | None = None
        self._missed = 0

    def views(self, events: Iterable[Frame | av.Packet]) -> Iterator[View | av.Packet]:
        """A view of each frame, `STRETCH` frames late.

        Args:
            events: a reader's frames, all of one size; whatever else is among them passes through
                in its place.
        """
        held: list[Frame | av.Packet] = []
        first: _End | None = None
        count = 0
        for event in events:
            if isinstance(event, Frame):
                if count % STRETCH == 0:
                    last = self._end(event)
                    yield from self._stretch(held, first, last)
                    held, first = [], last
                count += 1
            held.append(event)
        frames = [event for event in held if isinstance(event, Frame)]
        last = self._end(frames[-1]) if len(frames) > 1 else first
        yield from self._stretch(held, first, last)

    def views_at_once(self, events: Iterable[Frame | av.Packet]) -> Iterator[View | av.Packet]:
        """A view of each frame before the next one is taken, as a camera's must be.

        Who comes in is in the window from the next frame on that is seen as a whole, or searched
        where they are too small for that.

        Args:
            events: as in `views`.
        """
        window, count = _Window(), 0
        for event in events:
            if not isinstance(event, Frame):
                yield event
                continue
            if count % OFTEN == 0:
                end = self._end(event, search=window.region is not None or count % SELDOM == 0)
                window = self._window(end, end)
            count += 1
            yield window.view(event)

    def _end(self, frame: Frame, search: bool = True) -> _End:
        seen = self._look(frame, self._area)
        if not search:
            return _End(frame, seen, seen.alpha)
        size = seen.prepared.size
        afar = searched(seen.alpha, size, self._area, lambda area: self._look(frame, area).alpha)
        return _End(frame, seen, afar)

    def _stretch(
        self, events: list[Frame | av.Packet], first: _End | None, last: _End | None
    ) -> Iterator[View | av.Packet]:
        if first is None or last is None:  # there was no frame yet
            yield from events
            return
        window = self._window(first, last)
        for event in events:
            yield window.view(event) if isinstance(event, Frame) else event

    def _window(self, first: _End, last: _End) -> _Window:
        """The window for all frames from one to another."""
        height, width = first.seen.prepared.size
        self._region = self._around((first, last), height, width)
        if self._region.pixels == height * width:
            return _Window(whole=first)
        afar = _part(_either(first.afar, last.afar), self._region, height, width)
        return _Window(self._region, afar)

    def _around(self, ends: Sequence[_End], height: int, width: int) -> Region:
        """The region for all between two frames: the one before, if that still does."""
        whole = Region(0, height, 0, width)
        wanted, least = (
            [box for end in ends for box in self._boxes(end.afar, margin)]
            for margin in (self._margin, LEAST)
        )
        before = self._region or whole
        self._missed = 0 if wanted else self._missed + 1
        if not wanted:
            return before if self._missed <= PATIENCE else whole
        region = _grown(wanted, height, width, self._area)
        if before.pixels <= LOOSE * region.pixels and before.holds(_grown(least, height, width)):
            return before
        return region if region.pixels * WORTHWHILE <= whole.pixels else whole

    def _boxes(self, alpha: np.ndarray, margin: float) -> list[Box]:
        """Where those are who remain in the end, and those who may when they are seen closer."""
        found = box_around(self._finish(alpha), margin, minor=0), box_around(alpha, margin)
        return [box for box in found if box]


def _grown(boxes: Sequence[Box], height: int, width: int, area: int = 0) -> Region:
    """The smallest part of a frame that holds some boxes, has enough pixels and is not narrow."""
    least = [NARROWEST * height, NARROWEST * width] if area else [0, 0]
    spans = [
        (min(box[axis][0] for box in boxes) * side, max(box[axis][1] for box in boxes) * side)
        for axis, side in enumerate((height, width))
    ]
    lengths = [max(end - start, few) for (start, end), few in zip(spans, least, strict=True)]
    larger = math.sqrt(max(1.0, area / math.prod(lengths)))
    ends = []
    for (start, end), length, side in zip(spans, lengths, (height, width), strict=True):
        length = min(side, math.ceil(length * larger))
        first = min(max(0, math.floor((start + end - length) / 2)), side - length)
        ends += [min(first, math.floor(start)), max(first + length, math.ceil(end))]
    return Region(*ends)


def _either(first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Who is in one alpha or the other, in the finer one's shape."""
    shape = max(first.shape, last.shape)
    return np.maximum(enlarge(first, shape), enlarge(last, shape))


def _part(alpha: np.ndarray, region: Region, height: int, width: int) -> np.ndarray:
    """What of a whole frame's alpha lies in a region, at the alpha's own fineness."""
    rows, columns = alpha.shape
    return alpha[
        region.top * rows // height : math.ceil(region.bottom * rows / height),
        region.left * columns // width : math.ceil(region.right * columns / width),
    ]
