"""How good a matte is, measured on photos whose alpha is known, at their own size."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from matting_keras import metrics
from matting_keras.atomic import atomic_path
from matting_keras.data import sources
from matting_keras.data.sources import Sample
from matting_keras.data.store import check
from matting_keras.inference.matter import Matter

FIGURES = {
    "mIoU": metrics.picture_iou,
    "MAD": metrics.mad,
    "MSE": metrics.mse,
    "SAD": metrics.sad,
}


@dataclass(frozen=True)
class Evaluation:
    """Scores of one model on one set.

    Attributes:
        model: what was run.
        data: on which folder, and which people of it.
        area: input height times width, in pixels.
        rows: one dictionary a photo: name and figures.
        truth: "rough" where the true alphas are hard masks, else "soft".
    """

    model: str
    data: str
    area: int
    rows: list[dict]
    truth: str

    @property
    def summary(self) -> dict[str, float]:
        """Each figure's mean over the photos; SAD per photo, divided by 1000."""
        return {key: float(np.mean([row[key] for row in self.rows])) for key in FIGURES}

    def __str__(self) -> str:
        figures = "  ".join(f"{key} {value:.4f}" for key, value in self.summary.items())
        return (
            f"{self.model} on {self.data}, {len(self.rows)} photos, {self.truth} truth, "
            f"input {self.area} px: {figures}"
        )


def evaluate(
    model: str | os.PathLike,
    data: str | os.PathLike,
    *,
    people: str = "all",
    fraction: float = 0.1,
    area: int | None = None,
    quiet: bool = False,
) -> Evaluation:
    """Run a model over a data folder and compare with its alphas, photo by photo, at full size.

    Args:
        model: a preset's name, or an exported or .keras file.
        data: a folder with images/ and alphas/ or masks/.
        people: "all", or "held-back" for those whom training with the same `fraction` never saw.
        fraction: share of people that training held back.
        area: input size in pixels; None takes the model's own.
        quiet: no progress bar.

    Raises:
        InputError: a model or folder that cannot be used.
    """
    matter = Matter(model, area=area)
    samples = sources.folder(data)
    if people == "held-back":
        samples = held_back(samples, fraction)
    rows = [
        {"name": Path(sample.name).name, **scores}
        for sample, scores in zip(
            samples,
            tqdm(
                _scored(matter, samples),
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
        matter.area,
        rows,
        "rough" if any(sample.rough for sample in samples) else "soft",
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


def _scored(matter: Matter, samples: Sequence[Sample]) -> Iterator[dict[str, float]]:
    for sample in samples:
        image, truth = sample.read()
        alpha = matter(image)
        yield {key: figure(truth, alpha) for key, figure in FIGURES.items()}
