"""One time for all streams of a file, where the file's own may start anywhere and jump."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import av

BACK = Fraction(1, 4)
"""Seconds by which a stream must go back to have started anew; less is disorder."""

AHEAD = 10
"""Seconds by which it must leap ahead, in a kind of file whose times may break off."""


class Clock:
    """Shifts packets so that the file begins at 0 and goes on where its times start anew.

    Recordings of DVDs, and files of which several were put after one another, count from the
    beginning again in their middle. All streams jump together then, and stay side by side.

    Args:
        start: when the file begins by its own time, in seconds.
        leaps: times may leap ahead without meaning a pause, as in MPEG program and transport
            streams; elsewhere a picture may well stand still for long.

    Attributes:
        end: when the last packet so far ends, in seconds.
    """

    def __init__(self, start: Fraction, leaps: bool):
        self.end = Fraction(0)
        self._shift = self._before = -start
        self._leaps = leaps
        self._last: dict[int, Fraction] = {}

    def set(self, packet: av.Packet) -> None:
        """Shift a packet's times, in place."""
        unit, shift = packet.time_base, self._shift
        if packet.dts is not None:
            shift = self._shift_at(packet.stream_index, packet.dts * unit)
            packet.dts += round(shift / unit)
        if packet.pts is not None:
            packet.pts += round(shift / unit)
        told = packet.dts if packet.pts is None else packet.pts
        if told is not None:
            self.end = max(self.end, (told + (packet.duration or 0)) * unit)

    def _shift_at(self, stream: int, time: Fraction) -> Fraction:
        last = self._last.get(stream)
        if last is None and self._off(time + self._before) < self._off(time + self._shift):
            return self._before  # left over from before the jump that another stream has made
        if last is not None and (time < last - BACK or (self._leaps and time > last + AHEAD)):
            self._before, self._shift = self._shift, self.end - time
            self._last.clear()
        self._last[stream] = time
        return self._shift

    def _off(self, time: Fraction) -> Fraction:
        return abs(time - self.end)
