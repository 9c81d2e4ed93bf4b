"""Videos on their way: decoding, matting, compositing and encoding at the same time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from matting_keras.inference.backdrop import Backdrop
from matting_keras.inference.composite import composite
from matting_keras.inference.foreground import to_share
from matting_keras.inference.frames import Matted
from matting_keras.media.opencv import opencv
from matting_keras.signals import hearing

if TYPE_CHECKING:
    import av

AHEAD = 2
"""Frames that may lie ready between two stages: more would only cost memory."""

PATIENCE = 2.0
"""Seconds that a stage may take to end; one that waits for a pipe is left behind."""


def composites(events: Iterable[Matted | av.Packet], backdrop: Backdrop) -> Iterator:
    """Put the person of every frame before a background.

    Args:
        events: from `mattes`.
        backdrop: what to put behind.

    Yields:
        Each frame with the picture in place of its `rgb` (RGBA where the background is
        transparent); whatever else was among the events.
    """
    for event in events:
        if isinstance(event, Matted):
            frame = event.frame
            behind = backdrop.at(frame.time)
            yield frame._replace(rgb=composite(frame.rgb, event.alpha, behind))
        else:
            yield event


def grays(events: Iterable[Matted | av.Packet]) -> Iterator:
    """The mattes themselves, as pictures.

    Args:
        events: from `mattes`.

    Yields:
        Each frame with its alpha in place of its `rgb`, white where the person is; whatever else
        was among the events.
    """
    for event in events:
        if isinstance(event, Matted):
            gray = opencv().cvtColor(to_share(event.alpha), opencv().COLOR_GRAY2RGB)
            yield event.frame._replace(rgb=gray)
        else:
            yield event


@contextmanager
def relay(
    items: Iterable, *steps: Callable[[Iterator], Iterable], stop: threading.Event
) -> Iterator[Iterator]:
    """Run each of several steps in a thread of its own, a few items ahead of the next.

    What goes wrong in a step is raised where its items are taken, with its own traceback.

    Args:
        items: what the first thread iterates.
        steps: functions from an iterator to an iterable, such as `mattes`.
        stop: set from anywhere, it ends all threads and the result soon.

    Yields:
        An iterator over what the last step gives.

    Example:
        >>> def twice(numbers):
        ...     for number in numbers:
        ...         yield 2 * number
        >>> with relay(range(4), twice, twice, stop=threading.Event()) as numbers:
        ...     print(list(numbers))
        [0, 4, 8, 12]
    """
    over = threading.Event()
    stages = [_Stage(items, stop, over)]
    for step in steps:
        stages.append(_Stage(step(stages[-1]), stop, over))
    for stage in stages:
        stage.thread.start()
    try:
        yield stages[-1]
    finally:
        over.set()
        for stage in stages:
            stage.thread.join(PATIENCE)


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Make ctrl-C or SIGTERM set an event, so that what is begun can be finished.

    A second one interrupts.
    Outside of the main thread, where Python handles no signals, the event is never set.
    """
    stop = threading.Event()

    def note(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    with hearing(note):
        yield stop


class _Stage:
    """A thread that iterates something, and an iterator over what it has found."""

    BEAT = 0.1
    """Seconds between two looks whether all is over, where nothing else happens."""

    def __init__(self, items: Iterable, stop: threading.Event, over: threading.Event):
        self._items, self._stop, self._over = items, stop, over
        self._ready: deque[Any] = deque()
        self._changed = threading.Condition()
        self._error: BaseException | None = None
        self._ended = False
        self.thread = threading.Thread(target=self._work, daemon=True)

    def __iter__(self) -> Iterator:
        return self

    def __next__(self) -> Any:
        with self._changed:
            while not self._ready and not self._ended and not self._halted():
                self._changed.wait(self.BEAT)
            if self._ready and not self._halted():
                self._changed.notify_all()
                return self._ready.popleft()
        if self._error is not None and not self._halted():
            error, self._error = self._error, None
            raise error
        raise StopIteration

    def _work(self) -> None:
        try:
            for item in self._items:
                if not self._put(item):
                    break
        except BaseException as error:  # handed over, whatever it is: see __next__
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _put(self, item: Any) -> bool:
        with self._changed:
            while len(self._ready) >= AHEAD and not self._halted():
                self._changed.wait(self.BEAT)
            self._ready.append(item)
            self._changed.notify_all()
        return not self._halted()

    def _halted(self) -> bool:
        return self._stop.is_set() or self._over.is_set()
