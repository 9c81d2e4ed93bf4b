"""Images a second where many are done at once: cutting out folders, and training."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matting_keras.benchmark.frame import matters
from matting_keras.benchmark.measure import interleaved, median
from matting_keras.benchmark.pictures import photos
from matting_keras.benchmark.subjects import Subject
from matting_keras.errors import InputError
from matting_keras.inference.bulk import matte_pictures, pictures
from matting_keras.inference.matter import Matter

if TYPE_CHECKING:
    import keras

WRITES = {"cut-outs": False, "alphas": True}
"""What `matting-keras matte` writes, and its --alpha-only."""

LEAD = 6
"""Untimed steps before each block: as many batches may lie ready in the pipeline."""


def bulk(
    subjects: Sequence[Subject],
    given: Sequence[str],
    size: tuple[int, int],
    count: int,
    rounds: int,
    warmup: int,
    refines: Sequence[str | None] = (None,),
) -> dict:
    """Time `matting-keras matte` on a folder: reading, running and writing, in turn.

    Args:
        subjects: with their files; each is timed in each of its engines.
        given: photos or folders; none draws portraits.
        size: (width, height) of drawn portraits, in pixels.
        count: how many to draw.
        rounds: how often the folder is done.
        warmup: how often before.
        refines: of `inference.refine.METHODS`, each timed; None is what the network does unasked.

    Returns:
        `rows` with images a second, `images`, and `megapixels` of all of them; where the photos
        came from, as `photos`.

    Raises:
        InputError: a photo that cannot be read.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = list(given) or photos(folder, *size, count)
        jobs = pictures(sources, folder / "output")
        actions = {
            (*key, matter.refine, writes): partial(_do, jobs, matter, alpha_only)
            for refine in refines
            for key, matter in matters(subjects, looks=2, refine=refine).items()
            for writes, alpha_only in WRITES.items()
        }
        seconds = interleaved(actions, rounds, warmup, title="bulk")
    rows = [
        {
            "model": model,
            "runtime": runtime,
            "refine": refine,
            "writes": writes,
            "images_per_second": len(jobs) / median(times),
            "ms_per_image": median(times) / len(jobs) * 1000,
        }
        for (model, runtime, refine, writes), times in seconds.items()
    ]
    drawn = {} if given else {"width": size[0], "height": size[1]}
    return {"images": len(jobs), "photos": "given" if given else "drawn", **drawn, "rows": rows}


def training(architectures: Sequence[str], area: int, batch: int, rounds: int, steps: int) -> dict:
    """Time the training step as a run takes it, with the pipeline that feeds it and without.

    The two take turns in blocks, each after a lead that is not timed: step by step, the pipeline
    would work ahead while the other one is timed.

    Args:
        architectures: their names.
        area: height times width of the one shape, which is square, in pixels.
        batch: images a step.
        rounds: blocks of each.
        steps: timed steps of a block.

    Returns:
        `rows` with images a second of each, and the settings that `auto` became.
    """
    import keras

    from matting_keras.training.precision import resolve

    precision, xla = resolve("auto", "auto")
    settings = {"precision": precision, "xla": xla, "area": area, "batch": batch, "steps": steps}
    keras.config.set_dtype_policy(precision)
    try:
        rows = [
            row
            for architecture in architectures
            for row in _train(architecture, area, batch, xla, rounds, steps)
        ]
    finally:
        keras.config.set_dtype_policy("float32")
    return settings | {"rows": rows}


def trainer(model: keras.Model, xla: bool) -> Callable[[Sequence], float]:
    """Compile a model as `train.py` does.

    Args:
        model: in training form.
        xla: compile the step with XLA.

    Returns:
        A function that takes one step on a batch and returns its loss, so it has ended by then.
    """
    import keras

    from matting_keras.training.losses import AlphaLoss
    from matting_keras.training.metrics import AlphaMeanIoU
    from matting_keras.training.norms import quicken

    quicken(model)
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3, amsgrad=True),
        loss=AlphaLoss(),
        metrics=[AlphaMeanIoU(), keras.metrics.MeanAbsoluteError(name="MAD")],
        jit_compile=xla,
    )
    return lambda batch: float(model.train_on_batch(*batch, return_dict=True)["loss"])


def random_batch(batch: int, height: int, width: int, channels: int) -> tuple[Any, Any]:
    """A batch of TensorFlow tensors that stays in memory: no decoding, no augmentation."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (batch, height, width, channels))
    alphas = rng.uniform(0, 1, (batch, height, width, 1))
    return tf.constant(images, tf.float32), tf.constant(alphas, tf.float32)


def _do(jobs: Sequence[tuple[Path, Path]], matter: Matter, alpha_only: bool) -> None:
    for outcome in matte_pictures(jobs, matter, alpha_only=alpha_only, overwrite=True):
        if outcome.error:
            raise InputError(f"{outcome.error} Nothing is reported.")


def _train(name: str, area: int, batch: int, xla: bool, rounds: int, steps: int) -> list[dict]:
    from matting_keras.training.setup import starting_model

    config = _config(name, area, batch)
    model = starting_model(config)
    take = trainer(model, xla)
    fed = _fed(config)
    first = next(fed)
    bare = random_batch(*first[0].shape)
    loops: dict[str, tuple[Callable, Iterable]] = {
        "step alone": (take, itertools.repeat(bare)),
        "step and pipeline": (take, fed),
        "pipeline alone": (lambda ready: None, fed),
    }
    rates: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(rounds):
        for loop, (use, batches) in loops.items():
            rates[loop].append(batch * steps / _block(use, iter(batches), steps))
    return [
        {"model": name, "loop": loop, "images_per_second": median(found), "all": found}
        for loop, found in rates.items()
    ]


def _config(name: str, area: int, batch: int):
    from matting_keras.training.config import ArchConfig, DataConfig, RunConfig, TrainerConfig

    # Enough portraits that some are held back, as `gather` wants.
    data = DataConfig(area=area, ratios=[1.0], validation=0.2, synthetic=max(32, 3 * batch))
    return RunConfig(ArchConfig(name), data=data, trainer=TrainerConfig(batch_size=batch))


def _fed(config) -> Iterator:
    """The endless batches of a run."""
    from matting_keras.data.pipeline import training_batches
    from matting_keras.geometry import buckets
    from matting_keras.training.photos import gather

    people = gather(config).train
    return iter(
        training_batches(
            people.store,
            people.sizes,
            buckets(config.data.area, config.data.ratios),
            config.trainer.batch_size,
            seed=config.seed,
            config=config.data.augment,
        )
    )


def _block(use: Callable, batches: Iterator, steps: int) -> float:
    """Seconds of some steps after a lead."""
    for _ in range(LEAD):
        use(next(batches))
    began = time.perf_counter()
    for _ in range(steps):
        use(next(batches))
    return time.perf_counter() - began
