"""The builder of Supervisely Person."""

from __future__ import annotations

from matting_keras.data.formats.supervisely import SUPERVISELY
from matting_keras.data.tfds.builder import INSTRUCTIONS, MattingBuilder


class SuperviselyPerson(MattingBuilder):
    """Supervisely Person: 5,711 photos with 6,884 labelled people, as bitmaps and polygons.

    The photos are free stock photos of people in every pose. The labels leave out what people
    carry and do not follow single hairs. Objects of the class "neutral" are taken for background.
    There is no official split, so everything is `train`; the folders ds1 to ds13 are part of each
    name. The repository states no licence for the photos; ask Supervisely before you publish
    anything made of them. There is no paper to cite.
    """

    FORMAT = SUPERVISELY
    HOMEPAGE = "https://github.com/supervisely-ecosystem/persons"
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Download the project from Supervisely (its homepage says how), with photos.\n"
        + INSTRUCTIONS.format(layout=SUPERVISELY.layout)
    )
