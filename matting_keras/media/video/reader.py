"""Reading video files: exact times, the right way up, with the sound beside the pictures."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from matting_keras.errors import InputError
from matting_keras.media.decode import MAX_PIXELS
from matting_keras.media.video.clock import Clock
from matting_keras.media.video.container import (
    BT709,
    DEFAULT_FPS,
    VIDEO_SUFFIXES,
    Frame,
    check_path,
    pyav,
)
from matting_keras.media.video.upright import matrix, square, upright

if TYPE_CHECKING:
    import av

DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2",
    "matroska,webm",
    "avi",
    "mpeg",
    "mpegts",
    "mpegvideo",
    "h264",
    "hevc",
    "m4v",
    "flv",
    "asf",
    "ogg",
    "gif",
)
"""Forms of files that are read. Others are ways in: a playlist can name files to be read too."""

TIMES_BREAK_OFF = 0x200
"""FFmpeg's flag AVFMT_TS_DISCONT of a kind of file."""

UNSPECIFIED = 2
HD = 720
"""From this many rows on, colours that say nothing are BT.709's, as players take them."""


class VideoReader:
    """The frames of a video file, in order, and its sound.

    Args:
        path: the file.

    Attributes:
        size: (height, width) of the frames, in pixels.
        fps: frames a second, on the average; 25 where the file does not say.
        count: the number of frames the file promises; 0 where it does not say.
        time_base: the unit, in seconds, in which the file counts time.
        sound: its sound tracks, for `VideoWriter`.
        length: how long the file says it is, in seconds; 0 where it does not say.
        read: the number of frames handed out so far.
        damaged: the number of packets and frames so far that were not whole, and of sound tracks
            that cannot be understood.

    Raises:
        InputError: missing, empty, not a video, sound alone, or without a single frame.

    Example:
        with VideoReader("walk.mp4") as video:
            for rgb in video:  # uint8 RGB (height, width, 3)
                ...
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        check_path(self.path)
        self._lock = threading.Lock()
        self._open()
        stream = self._stream
        rate = stream.average_rate or stream.guessed_rate
        self.fps = float(rate) if rate and 0.1 <= rate <= 1000 else DEFAULT_FPS
        self.time_base: Fraction = stream.time_base
        self.length = Fraction(self._container.duration or 0, pyav().time_base)
        self.count = stream.frames or round(self.length * Fraction(self.fps))
        self.read = 0

    def __iter__(self) -> Iterator[np.ndarray]:
        return (event.rgb for event in self.events() if isinstance(event, Frame))

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def events(self) -> Iterator[Frame | av.Packet]:
        """All frames, and between them the packets of sound, in the file's order."""
        while True:
            # Whoever closes the file waits until this thread is out of it.
            with self._lock:
                if not self._waiting and (self._closed or not self._step()):
                    return
                events, self._waiting = self._waiting, []
            for event in events:
                self.read += isinstance(event, Frame)
                yield event

    @property
    def reached(self) -> Fraction:
        """Where what has been read so far ends, in seconds; to be compared with `length`."""
        return self._clock.end

    def rewind(self) -> None:
        """Start again at the first frame."""
        self.close()
        self._open()

    def close(self) -> None:
        """Let the file go."""
        with self._lock:
            self._closed = True
            self._waiting = []
            self._container.close()

    def _open(self) -> None:
        av = pyav()
        try:
            self._container = av.open(
                # The prefix, or FFmpeg would take a name with a colon in it for a protocol.
                f"file:{self.path}",
                options={"format_whitelist": ",".join(DEMUXERS), "protocol_whitelist": "file"},
            )
        except av.error.FFmpegError as error:
            raise self._unreadable() from error
        self._closed = False
        self._waiting: list[Frame | av.Packet] = []
        try:
            self._choose()
            self._first()
        except BaseException:
            self._container.close()
            raise

    def _unreadable(self) -> InputError:
        return InputError(
            f"{self.path}: is not a video that can be read here, or is damaged; expected one of "
            f"{', '.join(VIDEO_SUFFIXES)}. Convert it to .mp4, or copy it again."
        )

    def _choose(self) -> None:
        """Pick the pictures and the sound among the file's streams."""
        if not self._container.streams:
            raise self._unreadable()  # a recording that broke off before its table of contents
        covers = pyav().stream.Disposition.attached_pic
        films = [s for s in self._container.streams.video if not s.disposition & covers]
        if not films:
            raise InputError(f"{self.path}: holds no moving pictures; give a video, not a sound.")
        best = self._container.streams.best("video")
        self._stream = best if best in films else films[0]
        if self._stream.codec_context is None:
            raise InputError(
                f"{self.path}: its pictures are in a form that cannot be decoded here; convert "
                "it to .mp4 (H.264)."
            )
        self._check(self._stream.height, self._stream.width)
        self._stream.thread_type = "AUTO"
        tracks = self._container.streams.audio
        self.sound = tuple(filter(_plays, tracks))
        self.damaged = len(tracks) - len(self.sound)
        self._packets = self._container.demux(self._stream, *self.sound)
        self._scaler = pyav().video.reformatter.VideoReformatter()
        start = Fraction(self._container.start_time or 0, pyav().time_base)
        # An .avi file only counts pictures in the order in which they are stored.
        self._counts, self._late = self._container.format.name == "avi", Fraction(0)
        self._clock = Clock(start, bool(self._container.format.flags & TIMES_BREAK_OFF))

    def _check(self, height: int, width: int) -> None:
        if height * width > MAX_PIXELS:
            raise InputError(
                f"{self.path}: has frames of {width}x{height}, more than {MAX_PIXELS // 10**6} "
                "million pixels; make it smaller first."
            )

    def _first(self) -> None:
        """Decode up to the first frame, which tells the size and which way is up."""
        self._next: Fraction | None = None
        while self._next is None:
            if not self._step():
                raise InputError(
                    f"{self.path}: holds no frame that can be decoded; record it again."
                )
        frame = next(event for event in self._waiting if isinstance(event, Frame))
        self.size = frame.rgb.shape[:2]

    def _step(self) -> bool:
        """Take one packet and keep what is in it; False at the end."""
        try:
            packet = next(self._packets, None)
        except pyav().error.FFmpegError:
            # The file breaks off here; a last packet, of nothing, empties the decoder.
            self._packets = iter(())
            self.damaged += 1
            return self._decode(None)
        if packet is None:
            return False
        self._clock.set(packet)
        if packet.stream is self._stream:
            return self._decode(packet)
        # Of sound before the start, as a trimmed film still holds it, decoders need one packet.
        if packet.dts is not None and packet.dts + 2 * (packet.duration or 0) > 0:
            self._waiting.append(packet)
        return True

    def _decode(self, packet: av.Packet | None) -> bool:
        try:
            self._waiting += map(self._frame, self._stream.decode(packet))
        except pyav().error.FFmpegError:
            self.damaged += 1
        return True

    def _frame(self, picture: av.VideoFrame) -> Frame:
        self.damaged += picture.is_corrupt
        duration = picture.duration * picture.time_base
        duration = duration or 1 / Fraction(self._stream.average_rate or DEFAULT_FPS)
        time = self._time(picture)
        if self._next is None:
            self._matrix = matrix(picture)
            self._stored = square(picture, self._stream.sample_aspect_ratio)
            self._check(*self._stored)
        self._next = time + duration
        return Frame(self._rgb(picture), time, duration)

    def _time(self, picture: av.VideoFrame) -> Fraction:
        """When a frame is shown; where nothing says so, at the end of the one before."""
        stamp = picture.dts if self._counts else picture.pts
        if stamp is None:
            return self._next or Fraction(0)
        time = stamp * picture.time_base
        if self._counts and self._next is None:
            # Frames leave the decoder later than their data came in, by as many as it reorders.
            self._late = time
        return time - self._late

    def _rgb(self, picture: av.VideoFrame) -> np.ndarray:
        untold = picture.colorspace == UNSPECIFIED and picture.height >= HD
        height, width = self._stored
        picture = self._scaler.reformat(
            picture, width, height, "rgb24", src_colorspace=BT709 if untold else None, threads=1
        )
        return upright(picture.to_ndarray(), self._matrix)


def _plays(track: av.AudioStream) -> bool:
    """Whether anything is known of a sound track; of one that is all damaged there is not."""
    coder = track.codec_context
    return bool(coder and coder.sample_rate and coder.channels)
