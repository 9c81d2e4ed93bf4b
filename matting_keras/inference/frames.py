"""The alpha of every frame of something that moves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import starmap
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from matting_keras.inference.crew import in_order
from matting_keras.inference.engines import Runtime
from matting_keras.inference.follow import ROOM, Follower, Region, Seen, View
from matting_keras.inference.matter import Matter
from matting_keras.inference.pipeline import Prepared, inner, prepare, restore, run
from matting_keras.inference.runtimes import for_frames
from matting_keras.inference.scale import enlarge
from matting_keras.inference.temporal import Steady
from matting_keras.media.images import Photo
from matting_keras.media.video import Frame

if TYPE_CHECKING:
    import av


class Matted(NamedTuple):
    """A frame and its alpha, float32 (height, width) in 0..1."""

    frame: Frame
    alpha: np.ndarray


def mattes(
    events: Iterable[Frame | av.Packet], matter: Matter, method: Steady, *, ahead: bool = False
) -> Iterator[Matted | av.Packet]:
    """Find the person in every frame, steadily; with two looks closer where somebody is small.

    Args:
        events: a reader's frames; whatever else is among them passes through.
        matter: the network.
        method: a fresh one from `temporal.steady`.
        ahead: take some frames more than are given, to look at whole ones before and after, and
            to work on several at once where the engine gains by it; a camera must not.

    Yields:
        Each frame with its alpha at the frame's size, perhaps later than packets after it.

    Raises:
        InputError: the network gave something that is not an alpha.
    """
    engine, calls = for_frames(matter.engine, ahead)
    eye = _Eye(matter, engine)
    views: Iterable[View | av.Packet]
    if matter.looks == 1:
        views = (View(event) if isinstance(event, Frame) else event for event in events)
    elif ahead:
        views = Follower(eye.look, matter.finish, matter.area).views(events)
    else:
        views = Follower(eye.look, matter.finish, matter.area, ROOM).views_at_once(events)
    region = None
    for view, seen in in_order(views, eye.see, calls):
        if seen is None:
            yield view
            continue
        if view.region != region:  # what was averaged so far is of another part of the frame
            yield from starmap(_enlarged, method.flush())
            region = view.region
        rows, columns = seen.alpha.shape
        colours = seen.prepared.values[:rows, :columns]
        done = method.push((view, seen.prepared), seen.alpha, colours)
        yield from starmap(_enlarged, done)
    yield from starmap(_enlarged, method.flush())


class _Eye:
    """What looks at frames and at parts of them.

    Args:
        matter: how.
        engine: its engine, made for frames.
    """

    def __init__(self, matter: Matter, engine: Runtime):
        self._matter, self._engine = matter, engine

    def look(self, frame: Frame, area: int, region: Region | None = None) -> Seen:
        """What the network finds with so many pixels, with nothing done to it."""
        rgb = frame.rgb if region is None else frame.rgb[region.seen]
        prepared = prepare(Photo(rgb, None), area, self._matter.refine, quick=True)
        found = run(self._engine, prepared.values[None].astype(np.float32))[0]
        return Seen(prepared, inner(found, prepared))

    def see(self, view: View | av.Packet) -> tuple[View | av.Packet, Seen | None]:
        """A view, and its finished alpha; of what is no frame, nothing."""
        if not isinstance(view, View):
            return view, None
        prepared, alpha = view.seen or self.look(view.frame, self._matter.area, view.region)
        afar = None if view.afar is None else enlarge(view.afar, alpha.shape)
        return view, Seen(prepared, self._matter.finish(alpha, afar))


def _enlarged(item: tuple[View, Prepared], alpha: np.ndarray) -> Matted:
    (frame, region, *_), prepared = item
    found = restore(alpha, prepared)
    if region is None:
        return Matted(frame, found)
    whole = np.zeros(frame.rgb.shape[:2], np.float32)
    whole[region.seen] = found
    return Matted(frame, whole)
