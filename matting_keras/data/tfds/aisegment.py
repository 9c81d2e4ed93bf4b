"""The builder of AISegment's matting_human_datasets."""

from __future__ import annotations

from matting_keras.data.formats.aisegment import AISEGMENT
from matting_keras.data.tfds.builder import INSTRUCTIONS, MattingBuilder


class Aisegment(MattingBuilder):
    """AISegment's matting_human_datasets: 34,427 half-length portraits of 600x800 with alpha.

    Published in 2019 by the company behind aisegment.com. The photos come from Flickr, Baidu and
    Taobao and were cropped around faces; the alphas are the fourth channel of RGBA cut-outs. Its
    repository carries an MIT licence; the rights in the photos themselves are not cleared by it.
    There is no official split. Where lists (x_train.txt, x_val.txt) lie beside the photos, they
    become `train` and `validation`, else everything is `train`. `person` is a group of photos,
    the smallest unit that is known. There is no paper to cite.
    """

    FORMAT = AISEGMENT
    HOMEPAGE = "https://github.com/aisegmentcn/matting_human_datasets"
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Download the set by one of the links on its homepage, or from Kaggle "
        "(laurentmih/aisegmentcom-matting-human-datasets).\n"
        + INSTRUCTIONS.format(layout=AISEGMENT.layout)
    )
