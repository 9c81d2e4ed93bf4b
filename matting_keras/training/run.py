"""One training run: from a configuration to best.keras."""

from __future__ import annotations

import json
import logging
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import matting_keras
from matting_keras.architectures.registry import ARCHITECTURES, build
from matting_keras.atomic import atomic_path
from matting_keras.data import sources
from matting_keras.data.pipeline import training_batches, validation_batches
from matting_keras.data.store import Checked, check
from matting_keras.errors import InputError
from matting_keras.geometry import buckets
from matting_keras.training import callbacks
from matting_keras.training.config import RunConfig
from matting_keras.training.learner import Learner
from matting_keras.training.precision import resolve
from matting_keras.training.recipes.loss import RecipeLoss
from matting_keras.training.recipes.registry import check_pair, needs_training_form, recipe_loss
from matting_keras.training.recipes.target import check_target
from matting_keras.weights.convert import FOREIGN, convert
from matting_keras.weights.files import load, transfer

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Photos:
    """The data of a run: photos to learn from, photos held back, scenes without people."""

    train: Checked
    held: Checked
    scenes: Checked | None


def train(config: RunConfig) -> Path:
    """Run a training and return the path of its best model.

    Raises:
        InputError: anything in the configuration or the data that cannot be used.
    """
    if config.arch.name not in ARCHITECTURES:
        raise InputError(
            f"--arch must be one of {', '.join(ARCHITECTURES)}, got {config.arch.name!r}."
        )
    if not config.recipe.learning_rate > 0:
        raise InputError(
            f"recipe.learning_rate must be above 0, got {config.recipe.learning_rate}."
        )
    if not 0 <= config.trainer.average < 1:
        raise InputError(
            f"trainer.average must be from 0 (none) to below 1, got {config.trainer.average}; "
            "0.999 remembers about a thousand steps."
        )
    loss = recipe_loss(config.recipe.loss, **config.recipe.options)
    check_pair(config.recipe.loss, config.arch.name)
    folder = callbacks.ensure_folder(Path(config.output))
    if (folder / "state.npz").exists() and not config.trainer.resume:
        raise InputError(
            f"--output {folder}: holds a run already; pass --resume to go on with it, or another "
            "--output."
        )
    precision, compiled = resolve(config.trainer.precision, config.trainer.jit)
    keras.utils.set_random_seed(config.seed)
    keras.config.set_dtype_policy(precision)
    try:
        photos = gather(config)
        return _fit(config, photos, folder, compiled, loss)
    finally:
        keras.config.set_dtype_policy("float32")


def gather(config: RunConfig) -> Photos:
    """Find, check and divide the photos of a run.

    Raises:
        InputError: missing folders, no pairs, too many broken ones.
    """
    data, channels = config.data, ARCHITECTURES[config.arch.name].channels
    # Kept a little larger than the training shapes, so that zooming in shows real detail.
    area = round(data.area * 1.5)
    limits = {"channels": channels, "area": area, "budget": data.memory * 10**6}
    if data.folders:
        found = [sources.open_source(path, "train+validation") for path in data.folders]
    else:
        log.warning(
            "no --data given: training on %d synthetic portraits. They show that everything "
            "works; weights for real photos need real photos.",
            data.synthetic,
        )
        shapes = buckets(data.area, data.ratios)
        found = [sources.synthetic(data.synthetic, 1 + 10**6 * config.seed, shapes)]
    everything = check([sample for part in found for sample in part], **limits)
    people = sources.group_lookalikes(everything.store.samples, everything.thumbnails)
    _, held = sources.split(people, data.validation)
    held_names = {sample.name for sample in held}
    repeats = _repeats(found, data.repeat)
    train, validation = [], []
    for index, sample in enumerate(people):
        if sample.name in held_names:
            # A cut-out would be validated in front of nothing; its photo can be, beside it.
            validation += [] if sample.cutout else [index]
        else:
            train += [index] * repeats[sample.name]
    if not validation:
        raise InputError(
            f"no photo was held back out of {len(people)}; add photos (not only cut-outs) or pass "
            "a larger share (data.validation=0.2)."
        )
    everything.store.samples = people
    scenes = [s for path in data.backgrounds for s in sources.backgrounds(path)]
    log.info("%d photos to learn from, %d held back", len(set(train)), len(validation))
    return Photos(
        _part(everything, train),
        _part(everything, validation),
        check(scenes, **limits) if scenes else None,
    )


def _repeats(found: Sequence[Sequence[sources.Sample]], repeat: Sequence[int]) -> dict[str, int]:
    times = repeat or [1] * len(found)
    if len(times) != len(found):
        raise InputError(
            f"data.repeat has {len(times)} numbers for {len(found)} folders; give one each."
        )
    return {s.name: n for part, n in zip(found, times, strict=True) for s in part}


def _part(checked: Checked, indices: Sequence[int]) -> Checked:
    return Checked(
        checked.store.subset(indices),
        [checked.sizes[i] for i in indices],
        checked.thumbnails[list(indices)],
        checked.rejected,
    )


def starting_model(config: RunConfig, loss: RecipeLoss | None = None) -> keras.Model:
    """The network of a run, in the form that its loss needs, with the weights it starts from."""
    options = dict(config.arch.options)
    if loss and needs_training_form(loss, config.arch.name):
        options["training"] = True
    model = build(
        config.arch.name,
        asymmetric=config.arch.asymmetric,
        branch_norm=config.arch.branch_norm,
        **options,
    )
    if config.weights:
        if Path(config.weights).suffix in FOREIGN:
            source = convert(config.weights, config.arch.name, **options)
        else:
            source = load(config.weights)
        transfer(source, model)
    return model


def _fit(config: RunConfig, photos: Photos, folder: Path, compiled: bool, loss: RecipeLoss) -> Path:
    shapes = buckets(config.data.area, config.data.ratios)
    steps = config.trainer.steps_per_epoch or max(
        1, len(photos.train.store) // config.trainer.batch_size
    )
    held = validation_batches(
        photos.held.store, photos.held.sizes, shapes, config.trainer.batch_size, targets=True
    )
    images, target = next(iter(held))
    check_target({"image": images, **target})
    model = Learner(starting_model(config, loss), loss, (images, target))
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if config.recipe.warmup else config.recipe.learning_rate,
        warmup_target=config.recipe.learning_rate if config.recipe.warmup else None,
        warmup_steps=config.recipe.warmup,
        alpha=config.recipe.final,
        decay_steps=max(1, config.trainer.epochs * steps - config.recipe.warmup),
    )
    model.compile(
        optimizer=keras.optimizers.Adam(
            schedule,
            amsgrad=config.recipe.amsgrad,
            use_ema=config.trainer.average > 0,
            ema_momentum=config.trainer.average,
        ),
        jit_compile=compiled,
    )
    model.optimizer.build(model.trainable_variables)
    checkpoint = callbacks.Checkpoint(folder)
    done = checkpoint.restore(model) if config.trainer.resume else 0
    _describe(config, photos, folder, steps)
    shown = np.array(images)[:8], np.array(target["alpha"])[:8]
    model.fit(
        training_batches(
            photos.train.store,
            photos.train.sizes,
            shapes,
            config.trainer.batch_size,
            seed=config.seed,
            config=config.data.augment,
            scenes=photos.scenes.store if photos.scenes else None,
            first_step=done * steps,
            ramp=config.data.ramp,
            targets=True,
        ),
        steps_per_epoch=steps,
        epochs=config.trainer.epochs,
        initial_epoch=done,
        validation_data=held,
        shuffle=False,  # the pipeline has its own order
        verbose=2,
        callbacks=[
            callbacks.AveragedValidation(),
            callbacks.Throughput(config.trainer.batch_size),
            checkpoint,
            callbacks.CsvLog(folder / "log.csv", done),
            keras.callbacks.TensorBoard(folder / "tensorboard", write_graph=False),
            callbacks.ImageGrid(folder / "tensorboard", *shown),
            keras.callbacks.TerminateOnNaN(),
        ],
    )
    return folder / "best.keras"


def _describe(config: RunConfig, photos: Photos, folder: Path, steps: int) -> None:
    facts = {
        "config": asdict(config),
        "photos": {
            "train": len(photos.train.store),
            "validation": len(photos.held.store),
            "scenes": len(photos.scenes.store) if photos.scenes else 0,
            "skipped": [list(pair) for pair in photos.train.rejected],
        },
        "held_back": sorted(sample.name for sample in photos.held.store.samples),
        "steps_per_epoch": steps,
        "versions": {
            "matting_keras": matting_keras.__version__,
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
            "python": platform.python_version(),
        },
    }
    with atomic_path(folder / "run.json") as path:
        path.write_text(json.dumps(facts, indent=1), encoding="utf-8")
