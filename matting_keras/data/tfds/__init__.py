"""The same data sets for tensorflow-datasets: `import matting_keras.data.tfds` registers them.

`tfds.load("p3m10k")` then works like any other; the readers are those of `data.formats`.
"""

from matting_keras.data.tfds.aisegment import Aisegment
from matting_keras.data.tfds.easyportrait import Easyportrait
from matting_keras.data.tfds.own import MattingFolder, MattingList
from matting_keras.data.tfds.p3m10k import P3m10k
from matting_keras.data.tfds.paixin import PaixinCompMod
from matting_keras.data.tfds.ppm100 import Ppm100
from matting_keras.data.tfds.supervisely import SuperviselyPerson

__all__ = [
    "Aisegment",
    "Easyportrait",
    "MattingFolder",
    "MattingList",
    "P3m10k",
    "PaixinCompMod",
    "Ppm100",
    "SuperviselyPerson",
]
