"""What a process does when it is told to end: by ctrl-C, a scheduler or a shutdown."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

ENDS = (signal.SIGINT, signal.SIGTERM)

Handler = Callable[[int, FrameType | None], object]


@contextmanager
def hearing(handler: Handler, numbers: Sequence[int] = ENDS) -> Iterator[None]:
    """Within it these signals go to a handler, but for those that the process is told to ignore.

    Outside of the main thread, where Python handles no signals, nothing changes.

    Args:
        handler: called with the signal's number.
        numbers: of the signals.

    Example:
        >>> heard = []
        >>> with hearing(lambda number, frame: heard.append(number)):
        ...     signal.raise_signal(signal.SIGTERM)
        >>> heard == [signal.SIGTERM]
        True
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in numbers}
    for number, usual in before.items():
        if usual is not signal.SIG_IGN:
            signal.signal(number, handler)
    try:
        yield
    finally:
        for number, usual in before.items():
            signal.signal(number, usual or signal.SIG_DFL)
