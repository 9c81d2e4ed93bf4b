"""The builder of EasyPortrait."""

from __future__ import annotations

from typing import ClassVar

import tensorflow_datasets as tfds

from matting_keras.data.formats.easyportrait import CLASSES, EASYPORTRAIT
from matting_keras.data.tfds.builder import INSTRUCTIONS, MattingBuilder


class Easyportrait(MattingBuilder):
    """EasyPortrait: selfies before laptops and phones with nine classes of hand-made labels.

    Version 1 (early 2023) has 14,000 / 2,000 / 4,000 photos of 8,377 people for training,
    validation and test; version 2 (November 2023) 30,000 / 4,000 / 6,000 of 13,705 people. Both
    are divided by person and lie on disk alike: `easyportrait/v1` and `easyportrait/v2` only keep
    them apart. `alpha` is 255
    wherever the class is not background: the class "person" alone leaves out the face. `labels`
    has the classes, from 0: background, person, skin, left brow, right brow, left eye, right eye,
    lips, teeth. Licensed under a variant of CC BY-SA 4.0, whose text is in its repository.
    """

    BUILDER_CONFIGS: ClassVar = [
        tfds.core.BuilderConfig(name="v2", description="Version 2, 40,000 photos."),
        tfds.core.BuilderConfig(name="v1", description="Version 1, 20,000 photos."),
    ]
    FORMAT = EASYPORTRAIT
    CLASSES = len(CLASSES)
    HOMEPAGE = "https://github.com/hukenovs/easyportrait"
    CITATION = """\
@article{kvanchiani2023easyportrait,
  title = {EasyPortrait: Face Parsing and Portrait Segmentation Dataset},
  author = {Kvanchiani, Karina and Petrova, Elizaveta and Efremyan, Karen and
            Sautin, Alexander and Kapitanov, Alexander},
  journal = {arXiv:2304.13509},
  year = {2023}
}"""
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Download images and annotations by the links on its homepage, and unpack both.\n"
        + INSTRUCTIONS.format(layout=EASYPORTRAIT.layout)
    )
