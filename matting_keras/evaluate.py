"""How good a matte is, measured on photos whose alpha is known, at their own size."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from matting_keras import metrics
from matting_keras.atomic import atomic_path
from matting_keras.data import sources
from matting_keras.data.sources import Sample
from matting_keras.data.store import check
from matting_keras.errors import InputError
from matting_keras.inference.matter import Matter
from matting_keras.media.images import list_images, read_alpha

FIGURES = {
    "mIoU": metrics.picture_iou,
    "IoU": metrics.foreground_iou,
    "MAD": metrics.mad,
    "MSE": metrics.mse,
    "SAD": metrics.sad,
}
EDGE_FIGURES = {"Grad": metrics.grad, "Conn": metrics.conn}
"""How good the edges are: of a hard mask's staircase they say little, so there only on request."""

Predict = Callable[[Sample, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Evaluation:
    """Scores of one model on one set.

    Attributes:
        model: what was run.
        data: on which folder, and which people of it.
        area: input height times width, in pixels; None for mattes made by something else.
        rows: one dictionary a photo: name and figures.
        truth: "rough" where the true alphas are hard masks, else "soft".
    """

    model: str
    data: str
    area: int | None
    rows: list[dict]
    truth: str

    @property
    def summary(self) -> dict[str, float]:
        """Each figure's mean over the photos; SAD, Grad and Conn per photo, divided by 1000."""
        keys = [key for key in self.rows[0] if key != "name"]
        return {key: float(np.mean([row[key] for row in self.rows])) for key in keys}

    def __str__(self) -> str:
        figures = "  ".join(f"{key} {value:.4f}" for key, value in self.summary.items())
        return (
            f"{self.model} on {self.data}, {len(self.rows)} photos, {self.truth} truth, "
            f"{f'input {self.area} px' if self.area else 'ready-made mattes'}: {figures}"
        )


def evaluate(
    model: str | os.PathLike,
    data: str | os.PathLike,
    *,
    edges: bool = False,
    people: str = "all",
    fraction: float = 0.1,
    area: int | None = None,
    quiet: bool = False,
) -> Evaluation:
    """Run a model over a data folder and compare with its alphas, photo by photo, at full size.

    Args:
        model: a preset's name, an exported or .keras file, or a folder of mattes that something
            else made: pictures with the photos' stems and sizes.
        data: a folder with images/ and alphas/ or masks/.
        edges: Grad and Conn even where a truth is a hard mask, whose own staircase they measure;
            where all truth is soft they are always there.
        people: "all", or "held-back" for those whom training with the same `fraction` never saw.
        fraction: share of people that training held back.
        area: input size in pixels; None takes the model's own.
        quiet: no progress bar.

    Raises:
        InputError: a model or folder that cannot be used, or a matte that is missing or of
            another size than its photo.
    """
    samples = sources.folder(data)
    if people == "held-back":
        samples = held_back(samples, fraction)
    rough = any(sample.rough for sample in samples)
    figures = FIGURES | (EDGE_FIGURES if edges or not rough else {})
    if Path(model).is_dir():
        predict, area = _ready_made(Path(model), samples), None
    else:
        matter = Matter(model, area=area)
        predict, area = (lambda sample, image: matter(image)), matter.area
    rows = [
        {"name": Path(sample.name).name, **scores}
        for sample, scores in zip(
            samples,
            tqdm(
                _scored(predict, samples, figures),
                "evaluating",
                len(samples),
                disable=quiet or None,
                leave=False,
            ),
            strict=True,
        )
    ]
    return Evaluation(
        Path(model).name,
        f"{Path(data).name} ({people})",
        area,
        rows,
        "rough" if rough else "soft",
    )


def held_back(samples: Sequence[Sample], fraction: float) -> list[Sample]:
    """The samples that a training on this folder keeps for validation.

    Looks at every photo first, as training does, because near-duplicates count as one person.
    """
    checked = check(samples, channels=1, area=64 * 64, quiet=True)
    people = sources.group_lookalikes(checked.store.samples, checked.thumbnails)
    return sources.split(people, fraction)[1]


def write_json(evaluations: Sequence[Evaluation], path: str | os.PathLike) -> None:
    """Write evaluations as JSON: `summary` per model and set, and every photo's figures.

    A single evaluation is one object; several are a list of them.
    """
    objects = [
        {
            "model": e.model,
            "data": e.data,
            "truth": e.truth,
            "area": e.area,
            "summary": e.summary,
            "photos": e.rows,
        }
        for e in evaluations
    ]
    with atomic_path(path) as temporary:
        body = objects[0] if len(objects) == 1 else objects
        temporary.write_text(json.dumps(body, indent=1), encoding="utf-8")


def _ready_made(folder: Path, samples: Sequence[Sample]) -> Predict:
    """Reads the matte of each photo from a folder.

    Raises:
        InputError: photos without a matte.
    """
    mattes = {path.stem: path for path in list_images(folder)}
    missing = [Path(s.name).stem for s in samples if Path(s.name).stem not in mattes]
    if missing:
        raise InputError(
            f"{folder}: has no matte for {len(missing)} of {len(samples)} photos, {missing[0]!r} "
            "among them; make them with 'matting-keras matte --alpha-only'."
        )

    def read(sample: Sample, image: np.ndarray) -> np.ndarray:
        path = mattes[Path(sample.name).stem]
        alpha = read_alpha(path)
        if alpha.shape != image.shape[:2]:
            raise InputError(
                f"{path}: is {alpha.shape[1]}x{alpha.shape[0]}, its photo "
                f"{image.shape[1]}x{image.shape[0]}; mattes are compared at the photo's own size."
            )
        return alpha

    return read


def _scored(
    predict: Predict, samples: Sequence[Sample], figures: dict[str, Callable]
) -> Iterator[dict[str, float]]:
    for sample in samples:
        image, truth = sample.read()
        alpha = predict(sample, image)
        yield {key: figure(truth, alpha) for key, figure in figures.items()}
