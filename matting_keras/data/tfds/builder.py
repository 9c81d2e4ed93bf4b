"""What the tensorflow-datasets builders share: one format's parts, written as examples."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from matting_keras.data.formats.layout import Format
from matting_keras.data.masks import read_labels, read_mask
from matting_keras.data.sample import Sample
from matting_keras.data.specs import ALLOWED, complete, gathered
from matting_keras.data.trimap import trimap
from matting_keras.errors import InputError

log = logging.getLogger(__name__)

SPLITS = {"all": "train", "val": "validation", "image": "test"}
"""What tensorflow-datasets calls our parts; other names are written small, with underscores."""

INSTRUCTIONS = """\
Unpack the archive below `manual_dir` (by default `~/tensorflow_datasets/downloads/manual`; a
folder or two in between do not matter), so that it looks like this:

{layout}
"""


class MattingBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Writes what a format's reader reads.

    Features: `image` uint8 RGB; `alpha` uint8, 255 is person; `trimap` (0, 128, 255) and
    `trimap_published` where the set has some; `labels`, class numbers, where the set has some;
    `name`, the photo's path; `person`, equal for photos of one person; `rough`, whether the alpha
    is a hard label.

    Attributes:
        FORMAT: how the set lies on disk.
        TRIMAPS: trimaps come with it. Where a photo has none, it is drawn from the alpha.
        CLASSES: how many classes its labels have; 0 where it has none.
        HOMEPAGE: where it is published.
        CITATION: BibTeX.
    """

    VERSION = tfds.core.Version("1.0.0")
    FORMAT: ClassVar[Format]
    TRIMAPS: ClassVar[bool] = False
    CLASSES: ClassVar[int] = 0
    HOMEPAGE: ClassVar[str | None] = None
    CITATION: ClassVar[str | None] = None

    def _info(self) -> tfds.core.DatasetInfo:
        plane = (None, None, 1)
        features: dict[str, Any] = {
            # Arrays become PNG; files are taken as they are, see `_photo`.
            "image": tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
            "alpha": tfds.features.Image(shape=plane, encoding_format="png"),
            "name": tfds.features.Text(),
            "person": tfds.features.Text(),
            "rough": tfds.features.Scalar(np.bool_),
        }
        if self.TRIMAPS:
            features["trimap"] = tfds.features.Image(shape=plane, encoding_format="png")
            features["trimap_published"] = tfds.features.Scalar(np.bool_)
        if self.CLASSES:
            features["labels"] = tfds.features.Image(shape=plane, encoding_format="png")
        return tfds.core.DatasetInfo(
            builder=self,
            description=inspect.cleandoc(type(self).__doc__ or ""),
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("image", "alpha"),
            homepage=self.HOMEPAGE,
            citation=self.CITATION,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        root = self.FORMAT.locate(Path(dl_manager.manual_dir))
        return {
            SPLITS.get(part, part.lower().replace("-", "_")): self._generate_examples(root, part)
            for part in self.FORMAT.parts(root)
        }

    def _generate_examples(self, root: Path, part: str) -> Iterator[tuple[str, dict]]:
        samples = complete(gathered(self.FORMAT, root, part), f"{self.FORMAT.name}:{root}")
        broken = []
        for sample in samples:
            try:
                example = self._example(sample, root)
            except InputError as error:
                log.warning("left out: %s", error)
                broken.append(error)
                continue
            yield example["name"], example
        if len(broken) > ALLOWED * len(samples):
            raise InputError(
                f"{len(broken)} of {len(samples)} pairs of {part} cannot be used, more than "
                f"{ALLOWED:.0%}; mend or remove them. The first: {broken[0]}"
            )

    def _example(self, sample: Sample, root: Path) -> dict[str, Any]:
        rgb, alpha = sample.read()
        photo = Path(sample.name)
        example = {
            "image": _photo(photo, rgb),
            "alpha": _plane(alpha),
            "name": photo.relative_to(root).as_posix(),
            "person": sample.person,
            "rough": sample.rough,
        }
        if self.TRIMAPS:
            published = sample.trimap is not None
            example["trimap"] = (
                _plane(read_mask(sample.trimap)) if published else trimap(alpha)[..., None]
            )
            example["trimap_published"] = published
        if self.CLASSES:
            example["labels"] = read_labels(sample.labels, self.CLASSES)[..., None]
        return example


def _plane(alpha: np.ndarray) -> np.ndarray:
    """An alpha of 0..1 as uint8 (height, width, 1)."""
    return np.rint(alpha * 255).astype(np.uint8)[..., None]


def _photo(path: Path, rgb: np.ndarray) -> str | np.ndarray:
    """A photo's file where every decoder reads it alike, else its pixels.

    JPEG in RGB is kept as it is: as PNG it would be five times as large. TensorFlow's decoder
    differs from ours by a few levels there. It knows neither EXIF rotation nor colour profiles,
    so a photo with either is handed over decoded.
    """
    with Image.open(path) as image:
        plain = (
            image.format == "JPEG"
            and image.mode == "RGB"
            and not image.info.get("icc_profile")
            and image.getexif().get(0x0112, 1) == 1
        )
    return str(path) if plain else rgb
