"""Videos, frame by frame, in RGB: files with sound, numbered pictures, raw frames in a pipe.

Every reader has `events()`, which gives a `Frame` for each picture and, between them, packets of
sound; every writer has `write(picture, time, duration)` and `write_sound(packet)`. PyAV is
imported when the first file is opened.
"""

from matting_keras.media.video.container import VIDEO_SUFFIXES, Frame
from matting_keras.media.video.raw import RawReader, RawWriter, parse_raw
from matting_keras.media.video.reader import VideoReader
from matting_keras.media.video.sequence import SequenceWriter, is_sequence
from matting_keras.media.video.writer import VideoWriter

__all__ = [
    "VIDEO_SUFFIXES",
    "Frame",
    "RawReader",
    "RawWriter",
    "SequenceWriter",
    "VideoReader",
    "VideoWriter",
    "is_sequence",
    "parse_raw",
]
