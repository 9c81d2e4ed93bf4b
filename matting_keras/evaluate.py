"""How good a matte is, measured on photos whose alpha is known, at their own size."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from matting_keras import metrics
from matting_keras.atomic import atomic_path
from matting_keras.changes import changed
from matting_keras.data import sources
from matting_keras.data.sources import Sample
from matting_keras.data.store import check
from matting_keras.data.trimap import unknown_band
from matting_keras.errors import InputError
from matting_keras.inference.closed_form import solve_alpha
from matting_keras.inference.levels import UNTOUCHED, checked, stretched
from matting_keras.inference.looks import twice
from matting_keras.inference.matter import Matter
from matting_keras.inference.peers import Peer
from matting_keras.media.images import list_images, read_alpha

FIGURES = {
    "mIoU": metrics.picture_iou,
    "IoU": metrics.foreground_iou,
    "MAD": metrics.mad,
    "MSE": metrics.mse,
    "SAD": metrics.sad,
}
EMPTY_FIGURES = {"MAD": metrics.mad, "MSE": metrics.mse, "SAD": metrics.sad}
"""Where nobody is, the share of pixels rightly found says nothing; MAD is the mean alpha."""

EDGE_FIGURES = {"Grad": metrics.grad, "Conn": metrics.conn}
"""How good the edges are: of a hard mask's staircase they say little, so there only on request."""

BAND_FIGURES = ("MAD", "MSE", "SAD", "Grad")
"""Those that are also taken inside the trimap's unknown band alone."""

PEOPLE = {
    "all": "all",
    "held-back": "held-back",
    "none": "nobody in it",
    "none-held-back": "nobody in it, held-back",
}

ORIGIN_FILE, ORIGINS = "truth.txt", ("computed", "hand-made")

Predict = Callable[[Sample, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Evaluation:
    """Scores of one model on one set.

    Attributes:
        model: what was run.
        data: on which folder, and which people of it.
        area: input height times width, in pixels; None where nothing or no fixed size was run.
        looks: at each photo, see `Matter`.
        truth: where the true alphas come from: "binary" (hard or rough masks), "computed" or
            "hand-made" as the data folder's truth.txt says, "soft" where it says nothing, or
            "empty" where nobody is.
        rows: one dictionary a photo: its name, height, width, `subject` and `unknown` (shares of
            the picture that are person and unknown band), each figure, and under `band` the
            figures inside the unknown band.
        again: reads photo number i once more: RGB, truth and the model's alpha.
    """

    model: str
    data: str
    area: int | None
    looks: int
    truth: str
    rows: list[dict]
    again: Callable[[int], tuple[np.ndarray, np.ndarray, np.ndarray]] = field(
        repr=False, compare=False
    )

    @property
    def figures(self) -> tuple[str, ...]:
        """The names of the figures that were taken."""
        return tuple(name for name in (*FIGURES, *EDGE_FIGURES) if name in self.rows[0])

    @property
    def summary(self) -> dict[str, float]:
        """Each figure's mean over the photos; SAD, Grad and Conn per photo, divided by 1000."""
        return {key: float(np.mean([row[key] for row in self.rows])) for key in self.figures}

    @property
    def band_summary(self) -> dict[str, float]:
        """The same inside the unknown band, over the photos that have one."""
        bands = [row["band"] for row in self.rows if row["band"]]
        return {key: float(np.mean([band[key] for band in bands])) for key in (bands or [{}])[0]}


def evaluate(
    model: str | os.PathLike,
    data: str | os.PathLike,
    *,
    peer: bool = False,
    edges: bool = False,
    people: str = "all",
    change: str | None = None,
    fraction: float = 0.1,
    area: int | None = None,
    parts: str | None = None,
    looks: int | None = None,
    levels: tuple[float, float] | None = None,
    finer: float | None = None,
    refine: str | None = None,
    quiet: bool = False,
) -> Evaluation:
    """Run a model over a data folder and compare with its alphas, photo by photo, at full size.

    Args:
        model: a preset's name, an exported or .keras file, or a folder of mattes that something
            else made: pictures with the photos' stems and sizes.
        data: a folder with images/ and alphas/ or masks/, or a known data set as NAME:PATH, of
            which the test part is taken; a truth.txt in it may say in one word whether soft alphas
            are "computed" or "hand-made".
        peer: the model is another project's file, run by that project's conventions.
        edges: Grad and Conn even where the truth is hard masks, whose own staircase they measure;
            where it is soft they are always there.
        people: "all", "held-back" for those whom training with the same `fraction` never saw,
            "none": all pictures below the folder, in which nobody is, or "none-held-back": those
            of them that training with the folder as backgrounds never saw.
        change: a key of `changes.CHANGES`, by which photos are made worse first.
        fraction: share of people that training held back.
        area: input size in pixels; None takes the model's own.
        parts: of the alpha, as for `Matter`; of no concern to peers and folders.
        looks: at each photo, as for `Matter`; None is 1 for peers. Folders have none.
        levels: of the alpha, as for `Matter`; None leaves peers' as it is. Folders have none.
        finer: the second look, as for `Matter`; of no concern to peers and folders.
        refine: of the alpha, as for `Matter`; None leaves peers' as it is, as all but "closed-form"
            does. Folders have none.
        quiet: no progress bar.

    Raises:
        InputError: a model or folder that cannot be used, or a matte that is missing or of
            another size than its photo.
    """
    samples, title, truth = _opened(data, people, fraction)
    if change:
        if Path(model).is_dir():
            raise InputError(f"{model}: holds mattes of the photos as they are; leave the changes.")
        samples = changed(samples, change)
    figures = _figures(truth, edges)
    told = {"parts": parts, "looks": looks, "levels": levels, "finer": finer, "refine": refine}
    predict, area, looks = _predictor(model, samples, peer, area, told)

    def again(index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        image, alpha = samples[index].read()
        return image, alpha, predict(samples[index], image)

    counted = tqdm(
        range(len(samples)), Path(model).name, disable=quiet or None, leave=False, unit="photo"
    )
    rows = [
        {"name": Path(samples[index].name).name, **_row(*again(index)[1:], figures)}
        for index in counted
    ]
    title = f"{title} ({', '.join(filter(None, (PEOPLE[people], change)))})"
    return Evaluation(Path(model).name, title, area, looks, truth, rows, again)


def _opened(data: str | os.PathLike, people: str, fraction: float) -> tuple[list[Sample], str, str]:
    """The samples of a set that are asked for, what it is called, and what its truth is."""
    named = sources.parse(data)
    if people.startswith("none"):
        scenes = sources.backgrounds(named.path)
        if people == "none-held-back":
            scenes = sources.split(scenes, fraction)[1]
            if not scenes:
                raise InputError(f"{data}: training holds back none of its pictures; take none.")
        return scenes, named.title, "empty"
    samples = sources.open_source(data, "train+validation" if people == "held-back" else "test")
    if people == "held-back":
        samples = held_back(samples, fraction)
    return samples, named.title, truth_of(samples, named.path)


def _figures(truth: str, edges: bool) -> dict[str, Callable]:
    if truth == "empty":
        return EMPTY_FIGURES
    return FIGURES | (EDGE_FIGURES if edges or truth != "binary" else {})


def held_back(samples: Sequence[Sample], fraction: float) -> list[Sample]:
    """The samples that a training on this folder keeps for validation.

    Looks at every photo first, as training does, because near-duplicates count as one person.
    """
    checked = check(samples, channels=1, area=64 * 64, quiet=True)
    people = sources.group_lookalikes(checked.store.samples, checked.thumbnails)
    return sources.split(people, fraction)[1]


def truth_of(samples: Sequence[Sample], data: Path, looks: int = 8) -> str:
    """What a set's true alphas are: one of the words of `Evaluation.truth`.

    Args:
        samples: of the set.
        data: its folder, which may hold a truth.txt.
        looks: how many alphas, spread over the set, are looked at for softness.

    Raises:
        InputError: a truth.txt that says something else.
    """
    some = [samples[i] for i in np.linspace(0, len(samples) - 1, looks).astype(int)]
    if any(sample.rough for sample in samples) or not any(_soft(s.read()[1]) for s in some):
        return "binary"
    origin = data / ORIGIN_FILE
    if not origin.is_file():
        return "soft"
    word = origin.read_text(encoding="utf-8").strip()
    if word not in ORIGINS:
        raise InputError(f"{origin}: says {word[:40]!r}; expected one of {', '.join(ORIGINS)}.")
    return word


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
            "looks": e.looks,
            "summary": e.summary,
            "unknown_band": e.band_summary,
            "photos": e.rows,
        }
        for e in evaluations
    ]
    with atomic_path(path) as temporary:
        body = objects[0] if len(objects) == 1 else objects
        temporary.write_text(json.dumps(body, indent=1), encoding="utf-8")


def _predictor(
    model: str | os.PathLike,
    samples: Sequence[Sample],
    peer: bool,
    area: int | None,
    told: dict,
) -> tuple[Predict, int | None, int]:
    """What gives a photo's matte, the pixels on its input, and how often it looks.

    `told` is how, by the names that `Matter` has for it: parts, looks, levels, finer and
    refine.
    """
    if peer:
        network = Peer(model)
        look = twice(network) if told["looks"] == 2 else network
        points = UNTOUCHED if told["levels"] is None else checked(told["levels"])
        looks, solves = told["looks"] or 1, told["refine"] == "closed-form"

        def found(sample: Sample, image: np.ndarray) -> np.ndarray:
            alpha = stretched(look(image), *points)
            return solve_alpha(image, alpha) if solves else alpha

        return found, network.area, looks
    if Path(model).is_dir():
        return _ready_made(Path(model), samples), None, 1
    try:
        matter = Matter(model, area=area, **told)
    except InputError as error:
        raise _hinted(error, model) from error
    return lambda sample, image: matter(image), matter.area, matter.looks


def _hinted(error: InputError, model: str | os.PathLike) -> InputError:
    """The same error, with the way out where the file is a published network's."""
    try:
        name = Peer(model).name
    except InputError:
        return error
    return InputError(f"{model}: is a file of {name}, not of ours; pass it after --peer.")


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


def _row(truth: np.ndarray, alpha: np.ndarray, figures: dict[str, Callable]) -> dict:
    """One photo's figures, and what the report groups photos by."""
    band = unknown_band(truth)
    row = {
        "height": truth.shape[0],
        "width": truth.shape[1],
        "subject": float(truth.mean()),
        "unknown": float(band.mean()),
    }
    row |= {name: figure(truth, alpha) for name, figure in figures.items()}
    inside = [name for name in BAND_FIGURES if name in figures] if band.any() else []
    return row | {"band": {name: figures[name](truth, alpha, band) for name in inside}}


def _soft(alpha: np.ndarray) -> bool:
    """Whether more than stray pixels lie between background and person."""
    between = (alpha > 1 / 255) & (alpha < 1 - 1 / 255)
    return bool(between.mean() > 5e-4)
