"""The builders of sets of one's own: a folder of pairs, and lists like PaddleSeg's."""

from __future__ import annotations

from matting_keras.data.formats.folder import FOLDER
from matting_keras.data.formats.list_file import LIST
from matting_keras.data.tfds.builder import INSTRUCTIONS, MattingBuilder


class MattingFolder(MattingBuilder):
    """Photos of one's own: images/ beside alphas/ (refined) or masks/ (rough).

    Everything is `train`. A file people.csv may say who is on which photo. Licence and citation
    are those of the photos.
    """

    FORMAT = FOLDER
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Pass the folder itself as manual_dir: it holds images/ and alphas/ or masks/, with the "
        "same stems."
    )


class MattingList(MattingBuilder):
    """Photos of one's own on lists like PaddleSeg's: train.txt, val.txt, test.txt.

    Each list becomes a split: `train`, `validation`, `test`. Licence and citation are those of
    the photos.
    """

    FORMAT = LIST
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Pass the folder of the lists itself as manual_dir.\n"
        + INSTRUCTIONS.format(layout=LIST.layout)
    )
