"""The builder of foregrounds in the manner of paixin_comp_mod."""

from __future__ import annotations

from matting_keras.data.formats.paixin import PAIXIN
from matting_keras.data.tfds.builder import INSTRUCTIONS, MattingBuilder


class PaixinCompMod(MattingBuilder):
    """Foregrounds in the manner of paixin_comp_mod: stock photos with mattes made by MODNet.

    The set of this name has 3,241 photos in four categories, and backgrounds for composites,
    which are not part of these examples: pass their folders to training. Its makers published
    its form and a handful of samples with U2Net_protrait, without a licence; the photos belong to
    a stock agency. Use it for foregrounds of your own that lie the same way. Everything is
    `train`. There is no paper to cite.
    """

    FORMAT = PAIXIN
    HOMEPAGE = "https://github.com/jzyustc/digital_human_teleportation"
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "The photos are not published; make the folders of photos that you have the rights of.\n"
        + INSTRUCTIONS.format(layout=PAIXIN.layout)
    )
