"""The builder of P3M-10k."""

from __future__ import annotations

from matting_keras.data.formats.p3m import P3M
from matting_keras.data.tfds.builder import INSTRUCTIONS, MattingBuilder


class P3m10k(MattingBuilder):
    """P3M-10k: 10,421 portraits of high resolution with mattes made by hand.

    Faces are blurred, but for the 500 photos of public persons in P3M-500-NP. Splits: `train`
    (9,421), `p3m_500_p` (500, blurred) and `p3m_500_np` (500, not blurred); the two small ones
    are what papers score on. They come with trimaps; those of `train` are drawn from the alpha,
    and `trimap_published` tells which is which. The release agreement is an MIT licence; photos
    were collected from sites with licences of free use.
    """

    FORMAT = P3M
    TRIMAPS = True
    HOMEPAGE = "https://github.com/JizhiziLi/P3M"
    CITATION = """\
@inproceedings{li2021privacy,
  title = {Privacy-Preserving Portrait Matting},
  author = {Li, Jizhizi and Ma, Sihan and Zhang, Jing and Tao, Dacheng},
  booktitle = {Proceedings of the 29th ACM International Conference on Multimedia},
  year = {2021}
}"""
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Read the agreement and download P3M-10k by the link on its homepage.\n"
        + INSTRUCTIONS.format(layout=P3M.layout)
    )
