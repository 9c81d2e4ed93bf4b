"""Sound on its way from one video file into another: copied where that plays, else coded anew."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from typing import TYPE_CHECKING

from matting_keras.media.video.container import pyav

if TYPE_CHECKING:
    import av

COPIED = {
    ".mp4": {"aac", "mp3", "ac3", "eac3", "alac", "opus"},
    ".mov": {"aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s24le", "pcm_s16be"},
    ".webm": {"opus", "vorbis"},
    ".mkv": {"aac", "mp3", "mp2", "ac3", "eac3", "alac", "opus", "vorbis", "flac", "pcm_s16le"},
}
"""What players expect in each kind of file. More can be put in that hardly anything plays."""

ENCODERS = {".webm": "libopus"}
ENCODER = "aac"
BIT_RATE = {1: 96_000, 2: 160_000}
"""Bits a second of what is coded anew, mono and stereo."""

PLAIN = {"pcm_s16le": 2, "pcm_s16be": 2, "pcm_s24le": 3}
"""Bytes of a sample, which is silence where they are 0."""

GAP = Fraction(1, 20)
"""Seconds without sound that are kept; less may be how the file rounds its times."""

STEP = Fraction(1, 1000)
"""Seconds by which packets must follow each other: Matroska tells no less apart."""

OPUS_RATES = (8000, 12000, 16000, 24000, 48000)


class Track:
    """One sound track of the file that is written.

    Args:
        source: the track of the file that is read.
        container: the file that is written, of which nothing is written yet.
        suffix: of its name, a key of `COPIED`.
    """

    def __init__(self, source: av.AudioStream, container: av.container.OutputContainer, suffix):
        self._container, self._source = container, source
        self._last: Fraction | None = None
        # Not the decoder's name: that of MP3 is "mp3float".
        codec = source.codec_context.codec.canonical_name
        self._copied = codec in COPIED[suffix]
        self._width = PLAIN.get(codec, 0) * source.codec_context.channels if suffix == ".mov" else 0
        self._end: Fraction | None = None
        if self._copied:
            self._target = container.add_stream_from_template(source)
        else:
            self._target = _encoder(source, container, ENCODERS.get(suffix, ENCODER))
        if source.language:
            self._target.metadata["language"] = source.language

    def write(self, packet: av.Packet) -> None:
        """Append a packet of the source; one that is damaged leaves a gap."""
        if self._copied:
            if self._width:
                self._fill(packet.dts * packet.time_base)
                self._end = (packet.dts + (packet.duration or 0)) * packet.time_base
            packet.stream = self._target
            self._mux([packet])
            return
        frames = []
        with suppress(pyav().error.FFmpegError):
            frames = packet.decode()
        for frame in frames:
            self._mux(self._target.encode(frame))

    def finish(self) -> None:
        """Write what the coders still hold."""
        if self._copied:
            return
        with suppress(pyav().error.FFmpegError):
            for frame in self._source.decode(None):
                self._mux(self._target.encode(frame))
        self._mux(self._target.encode(None))

    def _fill(self, until: Fraction) -> None:
        """Put silence into a gap: a .mov file plays plain samples one right after the other."""
        rate = self._source.codec_context.sample_rate
        while self._end is not None and until - self._end > GAP:
            count = round(min(until - self._end, 1) * rate)
            silence = pyav().Packet(bytes(count * self._width))
            silence.stream, silence.time_base = self._target, Fraction(1, rate)
            silence.pts = silence.dts = round(self._end * rate)
            silence.duration = count
            self._mux([silence])
            self._end += Fraction(count, rate)

    def _mux(self, packets: list[av.Packet]) -> None:
        for packet in packets:
            # Containers refuse what goes back in time, and with it the whole file.
            time = packet.dts * packet.time_base
            if self._last is None or time >= self._last + STEP:
                self._last = time
                self._container.mux(packet)


def _encoder(
    source: av.AudioStream, container: av.container.OutputContainer, name: str
) -> av.AudioStream:
    rate, channels = source.codec_context.sample_rate, source.codec_context.channels
    if name == "libopus" and rate not in OPUS_RATES:
        rate = 48000
    # AAC has its own rates, up to 96 kHz; anything odd becomes the commonest.
    if name == "aac" and rate not in pyav().codec.Codec("aac", "w").audio_rates:
        rate = 48000
    target = container.add_stream(name, rate=rate)
    target.layout = "mono" if channels == 1 else "stereo"
    target.bit_rate = BIT_RATE[min(channels, 2)]
    return target
