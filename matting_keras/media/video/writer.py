"""Writing video files: H.264 for every player, VP9 or ProRes where transparency is to be kept."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from matting_keras.atomic import atomic_path
from matting_keras.errors import InputError
from matting_keras.media.video.container import BT709, pyav, rate_of, writing
from matting_keras.media.video.sound import Track

if TYPE_CHECKING:
    import av


class Form(NamedTuple):
    """How pictures are coded.

    Attributes:
        codec: FFmpeg's name of the encoder.
        pixels: FFmpeg's name of the pixels' layout.
        options: of the encoder.
    """

    codec: str
    pixels: str
    options: dict[str, str]


# Fast settings at a quality where a second look finds no difference: the network's time is what
# people wait for already.
_VP9 = {"deadline": "realtime", "cpu-used": "6", "row-mt": "1", "crf": "24", "b": "0"}
H264 = Form("libx264", "yuv420p", {"preset": "veryfast", "crf": "20"})
VP9 = Form("libvpx-vp9", "yuv420p", _VP9)
# Frames that are shown for reference only have no place for transparency.
VP9_CLEAR = Form("libvpx-vp9", "yuva420p", _VP9 | {"auto-alt-ref": "0"})
PRORES = Form("prores_aw", "yuva444p10le", {"vendor": "apl0"})

OPAQUE = {".mp4": H264, ".mov": H264, ".mkv": H264, ".webm": VP9}
CLEAR = {".webm": VP9_CLEAR, ".mov": PRORES}
"""Files that keep transparency, and how."""

FINEST = 1_000_000
"""Ticks a second that every container can count."""


class VideoWriter:
    """Writes RGB or RGBA frames to a video file, which appears when it is complete.

    Args:
        path: ends in .mp4, .mov, .mkv (H.264) or .webm (VP9); missing folders are made.
        size: (height, width) of every frame. A last odd row or column is doubled.
        fps: frames a second, on the average.
        alpha: frames are RGBA: .webm (VP9) or .mov (ProRes 4444) only.
        time_base: the unit, in seconds, in which times are kept; None takes one frame.
        sound: sound tracks of a `VideoReader`, whose packets `write_sound` will get.

    Attributes:
        written: the number of frames so far.

    Raises:
        InputError: another suffix, transparency in a file that has none, a size that the coder
            does not take, or a place that does not work.

    Example:
        with VideoWriter("out.mp4", (720, 1280), 25) as video:
            video.write(frame)
    """

    def __init__(
        self,
        path: str | os.PathLike,
        size: tuple[int, int],
        fps: float,
        *,
        alpha: bool = False,
        time_base: Fraction | None = None,
        sound: Sequence[av.AudioStream] = (),
    ):
        self.path = Path(path)
        self.size = size
        self.written = 0
        self._form = form_of(self.path, alpha)
        self._channels = 4 if alpha else 3
        self._rate = rate_of(fps)
        self._unit = 1 / self._rate
        if time_base is not None:
            self._unit = max(time_base, Fraction(1, FINEST))
        self._sound = sound
        self._last = -1
        self._durations: dict[int, int] = {}
        self._stack = ExitStack()

    def __enter__(self) -> VideoWriter:
        with ExitStack() as stack:
            with writing(self.path):
                temporary = stack.enter_context(atomic_path(self.path))
                self._container = pyav().open(f"file:{temporary}", "w")
            stack.callback(self._drop)
            self._stream = self._coded()
            self._scaler = pyav().video.reformatter.VideoReformatter()
            suffix = self.path.suffix.lower()
            self._tracks = {id(s): Track(s, self._container, suffix) for s in self._sound}
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind, error, trace) -> None:
        if error is not None:
            # What failed elsewhere says so itself; here it only takes half a file away.
            self._stack.__exit__(kind, error, trace)
            return
        with writing(self.path), self._stack:
            self._finish()

    def write(
        self, frame: np.ndarray, time: Fraction | None = None, duration: Fraction | None = None
    ) -> None:
        """Append one frame.

        Args:
            frame: uint8 of this video's size: RGB (height, width, 3), or RGBA with `alpha`.
            time: when it is shown, in seconds; None for one frame after the one before.
            duration: how long, in seconds; only the last frame's is told by no other time.
        """
        expected = (*self.size, self._channels)
        if frame.shape != expected or frame.dtype != np.uint8:
            raise InputError(
                f"{self.path}: expected a uint8 frame of shape {expected}, got {frame.dtype} "
                f"{frame.shape}."
            )
        if time is None:
            time = self.written / self._rate
        picture = self._picture(frame)
        # Times that the unit cannot tell apart would be refused by the container.
        self._last = picture.pts = max(round(time / self._unit), self._last + 1)
        self._durations[picture.pts] = round((duration or 1 / self._rate) / self._unit)
        with writing(self.path):
            self._mux(self._stream.encode(picture))
        self.written += 1

    def write_sound(self, packet: av.Packet) -> None:
        """Append a packet of one of the sound tracks; its times are those of the pictures."""
        with writing(self.path):
            self._tracks[id(packet.stream)].write(packet)

    def _coded(self) -> av.VideoStream:
        """The stream of pictures."""
        # Colours are kept for 2 x 2 pixels together, and ProRes takes no odd width either.
        height, width = (side + side % 2 for side in self.size)
        stream = self._container.add_stream(self._form.codec, self._rate)
        stream.options = dict(self._form.options)
        stream.width, stream.height, stream.pix_fmt = width, height, self._form.pixels
        coder = stream.codec_context
        coder.time_base = self._unit
        coder.color_primaries = coder.color_trc = coder.colorspace = BT709
        coder.color_range = pyav().video.reformatter.ColorRange.MPEG
        try:
            coder.open()
        except pyav().error.FFmpegError as error:
            raise InputError(
                f"{self.path}: frames of {width}x{height} cannot be coded as {self._form.codec} "
                f"({error.strerror or error}); make the video smaller, or end its name in another "
                f"of {', '.join(CLEAR if self._channels == 4 else OPAQUE)}."
            ) from error
        return stream

    def _picture(self, frame: np.ndarray) -> av.VideoFrame:
        below, right = self._stream.height - self.size[0], self._stream.width - self.size[1]
        if below or right:
            frame = np.pad(frame, ((0, below), (0, right), (0, 0)), mode="edge")
        picture = pyav().VideoFrame.from_numpy_buffer(
            np.ascontiguousarray(frame), "rgba" if self._channels == 4 else "rgb24"
        )
        picture = self._scaler.reformat(
            picture,
            format=self._form.pixels,
            dst_colorspace=BT709,
            src_color_range="JPEG",
            dst_color_range="MPEG",
            threads=1,
        )
        picture.time_base = self._unit
        return picture

    def _mux(self, packets: list[av.Packet]) -> None:
        for packet in packets:
            # Encoders tell the average duration; where the rate is uneven that is not the last's.
            packet.duration = self._durations.pop(packet.pts, packet.duration)
            self._container.mux(packet)

    def _finish(self) -> None:
        if not self.written:
            raise InputError(f"{self.path}: there was no frame to write.")
        self._mux(self._stream.encode(None))
        for track in self._tracks.values():
            track.finish()
        self._container.close()

    def _drop(self) -> None:
        """Close the file, whole or not."""
        with suppress(OSError, pyav().error.FFmpegError):
            self._container.close()


def form_of(path: Path, alpha: bool) -> Form:
    """How a file of this name is coded.

    Raises:
        InputError: another suffix, or transparency in a file that has none.
    """
    suffix = path.suffix.lower()
    if suffix not in OPAQUE:
        raise InputError(
            f"{path}: videos are written as {', '.join(OPAQUE)}; end its name in one of these."
        )
    if alpha and suffix not in CLEAR:
        raise InputError(
            f"{path}: an {suffix} file has no transparency; end its name in "
            f"{' or '.join(CLEAR)}, or put a background behind."
        )
    return (CLEAR if alpha else OPAQUE)[suffix]
