"""Data sets as they lie on disk, one family a file; FORMATS knows them by name."""

from __future__ import annotations

from matting_keras.data.formats.aisegment import AISEGMENT
from matting_keras.data.formats.cutouts import CUTOUTS
from matting_keras.data.formats.easyportrait import EASYPORTRAIT
from matting_keras.data.formats.folder import FOLDER, LABELS
from matting_keras.data.formats.layout import Format
from matting_keras.data.formats.list_file import LIST
from matting_keras.data.formats.p3m import P3M
from matting_keras.data.formats.paixin import PAIXIN
from matting_keras.data.formats.ppm100 import PPM100
from matting_keras.data.formats.supervisely import SUPERVISELY

FORMATS: dict[str, Format] = {
    one.name: one
    for one in (
        AISEGMENT,
        CUTOUTS,
        EASYPORTRAIT,
        FOLDER,
        LABELS,
        LIST,
        P3M,
        PAIXIN,
        PPM100,
        SUPERVISELY,
    )
}
"""What can stand before the colon of --data NAME:PATH."""
