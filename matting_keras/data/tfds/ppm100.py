"""The builder of PPM-100."""

from __future__ import annotations

from matting_keras.data.formats.ppm100 import PPM100
from matting_keras.data.tfds.builder import INSTRUCTIONS, MattingBuilder


class Ppm100(MattingBuilder):
    """PPM-100: a hundred portraits between 1080p and 4k with fine mattes, for scoring only.

    Made for MODNet's paper; a few photos were exchanged before it was published, so scores in
    the paper are not on quite the same photos. Photos come from Flickr under Creative Commons
    licences that allow commercial use and changes; the mattes are CC BY-NC-SA 4.0. The single
    split is `test`; PaddleSeg's repacked copy gives `train` and `validation`.
    """

    FORMAT = PPM100
    HOMEPAGE = "https://github.com/ZHKKKe/PPM"
    CITATION = """\
@inproceedings{ke2022modnet,
  title = {MODNet: Real-Time Trimap-Free Portrait Matting via Objective Decomposition},
  author = {Ke, Zhanghan and Sun, Jiayu and Li, Kaican and Yan, Qiong and Lau, Rynson W. H.},
  booktitle = {AAAI},
  year = {2022}
}"""
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Download PPM-100 by the link on its homepage.\n"
        + INSTRUCTIONS.format(layout=PPM100.layout)
    )
