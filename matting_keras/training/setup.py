"""All that a run needs before its first step: data, network, loss and optimizer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

import keras

from matting_keras.architectures.registry import ARCHITECTURES, build
from matting_keras.data.share import ALL, Share
from matting_keras.errors import InputError
from matting_keras.geometry import buckets
from matting_keras.training.config import RunConfig, check
from matting_keras.training.distribution import ALONE, Alone, Workers
from matting_keras.training.feeds import feed
from matting_keras.training.learner import Learner
from matting_keras.training.optimizers import optimizer
from matting_keras.training.photos import Photos, gather
from matting_keras.training.precision import resolve
from matting_keras.training.recipes.loss import RecipeLoss
from matting_keras.training.recipes.registry import check_pair, needs_training_form, recipe_loss
from matting_keras.training.recipes.target import check_target
from matting_keras.training.self_supervised import (
    SelfTaught,
    check_source,
    check_start,
    pictures_before,
)
from matting_keras.weights.convert import FOREIGN, convert
from matting_keras.weights.files import load, transfer
from matting_keras.weights.folded_norms import unfold
from matting_keras.weights.presets import BACKBONE_OF

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Setup:
    """What a run is about to do.

    Attributes:
        config: as it was asked for.
        photos: to learn from and held back.
        steps: batches of an epoch.
        learner: compiled and built, at its first step.
        batches: gives the endless batches from a given step of the run on.
        held: batches of the photos held back.
        shown: a few images and alphas held back, to draw; with a title where the alphas are no
            truth.
        share: which part of every batch this worker makes.
    """

    config: RunConfig
    photos: Photos
    steps: int
    learner: Learner
    batches: Callable[[int], Iterable]
    held: Iterable
    shown: tuple
    share: Share = ALL

    def compile(self, learning_rate: float | None = None) -> None:
        """Give the learner a new optimizer.

        Args:
            learning_rate: the highest rate; None takes the recipe's.
        """
        config = self.config
        recipe = replace(config.recipe, learning_rate=learning_rate or config.recipe.learning_rate)
        _, compiled = resolve(config.trainer.precision, config.trainer.jit)
        self.learner.compile(
            optimizer(recipe, config.trainer, config.trainer.epochs * self.steps),
            jit_compile=compiled,
            steps_per_execution=config.trainer.steps_per_execution,
        )
        self.learner.optimizer.build(self.learner.trainable_variables)


def checked_loss(config: RunConfig) -> RecipeLoss:
    """The recipe's loss, once the settings and the pair of recipe and network can be.

    Raises:
        InputError: settings that cannot be, or a network that the recipe cannot train.
    """
    if config.arch.name not in ARCHITECTURES:
        raise InputError(
            f"--arch must be one of {', '.join(ARCHITECTURES)}, got {config.arch.name!r}."
        )
    check(config)
    loss = recipe_loss(config.recipe.loss, **config.recipe.options)
    check_pair(config.recipe.loss, config.arch.name)
    check_start(config.weights, loss)
    optimizer(config.recipe, config.trainer, 100)
    return loss


@contextmanager
def seeded(config: RunConfig) -> Iterator[None]:
    """Within it the run's seed and number format are Keras' own."""
    precision, _ = resolve(config.trainer.precision, config.trainer.jit)
    before = keras.config.dtype_policy()
    keras.utils.set_random_seed(config.seed)
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def set_up(config: RunConfig, loss: RecipeLoss, workers: Alone | Workers = ALONE) -> Setup:
    """Load the data and make the learner; call it within `seeded`.

    Args:
        config: of the run.
        loss: from `checked_loss`.
        workers: who trains together.

    Raises:
        InputError: data or weights that cannot be used.
    """
    photos = gather(config)
    trainer, data = config.trainer, config.data
    shapes = buckets(data.area, data.ratios)
    at_once = trainer.steps_per_execution
    filled = len(photos.train.store) // trainer.batch_size // at_once * at_once
    steps = trainer.steps_per_epoch or max(at_once, filled)
    # Half a step of a float's error must not move a plateau.
    ramp = max(1, round(data.ramp * trainer.epochs * steps)) if data.ramp else 0
    workers.check_same(photos)
    source = feed(config, photos, shapes, ramp, loss, workers.share)
    images, target = source.first()
    check_target({"image": images, **target})
    kind = workers.learner(Learner if loss.supervised else SelfTaught)
    model = starting_model(config, loss)
    if config.weights and (norms := unfold(model, keras.ops.convert_to_numpy(images))):
        told = "%s: norms that are folded in it normalise again, %d of them"
        log.info(told, config.weights, len(norms))
    learner = kind(model, loss, (images, target))
    learner.prepare = source.prepare
    seen = keras.ops.convert_to_numpy(images)[:8]
    if target:
        shown = seen, keras.ops.convert_to_numpy(target["alpha"])[:8]
    else:
        shown = pictures_before(learner, seen)
    batches, held = source.batches, source.held
    setup = Setup(config, photos, steps, learner, batches, held, shown, workers.share)
    setup.compile()
    return setup


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
            whole = bool(loss) and not loss.supervised
            published = BACKBONE_OF.get(config.arch.name, config.arch.name)
            source = convert(config.weights, published, whole=whole, **options)
        else:
            source = load(config.weights)
        if loss:
            check_source(source, loss, config.weights)
        transfer(source, model)
    freeze(model, config.arch.frozen)
    return model


def freeze(model: keras.Model, patterns: Iterable[str]) -> None:
    """Let layers keep their weights, and norms among them their statistics.

    Args:
        model: changed in place.
        patterns: of layers' names, as a shell's: * stands for anything, [0-3] for one of these.

    Raises:
        InputError: a pattern fits no layer with weights, or nothing is left to learn.
    """
    for pattern in patterns:
        found = [
            layer for layer in model.layers if layer.weights and fnmatchcase(layer.name, pattern)
        ]
        if not found:
            some = ", ".join(layer.name for layer in model.layers if layer.weights)
            raise InputError(
                f"arch.frozen: no layer of {model.name!r} is called {pattern!r}; there are {some}."
            )
        for layer in found:
            layer.trainable = False
    if not model.trainable_variables:
        raise InputError(f"arch.frozen: {', '.join(patterns)} leaves nothing to learn.")
