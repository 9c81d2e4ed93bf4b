"""A recipe's learning rate and optimizer, made for a run of a given length."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import keras

from matting_keras.errors import InputError
from matting_keras.training import schedules
from matting_keras.training.config import RecipeConfig, TrainerConfig
from matting_keras.training.convolution_muon import ConvolutionMuon
from matting_keras.training.cycled_adam import CycledAdam

LONGEST_WARMUP = 0.2
"""Share of a run that warming up may take; a short run would end before it began otherwise."""


def cosine(peak: float, steps: int, warmup: int = 0, final: float = 0.01):
    """A straight rise of `warmup` steps, then a cosine down to the share `final`."""
    return schedules.warmup_cosine(peak, steps, min(warmup, int(LONGEST_WARMUP * steps)), final)


def constant(peak: float, steps: int, warmup: int = 0):
    """One rate for the whole run, after a straight rise of `warmup` steps."""
    return schedules.warmup_cosine(peak, steps, min(warmup, int(LONGEST_WARMUP * steps)), 1.0)


def one_cycle(
    peak: float,
    steps: int,
    rise: float = 0.3,
    start: float = 25.0,
    final: float = 1e4,
    annihilation: float = 0.0,
):
    """Up and down once; shares as for `schedules.OneCycle`."""
    return schedules.OneCycle(peak, steps, rise, start, final, annihilation)


def triangular(
    peak: float,
    steps: int,
    cycles: int = 4,
    low: float = 0.1,
    decay: float = 1.0,
    annihilation: float = 0.0,
):
    """`cycles` straight rises and falls between the share `low` and the peak.

    The last share `annihilation` of the run brings the rate down to nearly nothing.
    """
    half = max(1, round(steps * (1 - annihilation) / (2 * cycles)))
    tail = round(steps * annihilation)
    return schedules.Triangular(low * peak, peak, half, decay, tail, steps)


def steps(peak: float, steps: int, every: float = 0.25, factor: float = 0.1, hold: float = 0.0):
    """The peak, multiplied by `factor` after each share `every`, from the share `hold` on."""
    length = max(1, round(every * steps))
    return schedules.ConstantThenExponential(peak, round(hold * steps), length, factor)


SCHEDULES: dict[str, Callable] = {
    "cosine": cosine,
    "constant": constant,
    "one-cycle": one_cycle,
    "triangular": triangular,
    "steps": steps,
}

OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "cycled-adam": CycledAdam,
    "lion": keras.optimizers.Lion,
    "muon": ConvolutionMuon,
    "nadam": keras.optimizers.Nadam,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
}


def rate(recipe: RecipeConfig, length: int) -> schedules.Schedule:
    """The recipe's learning rate as a function of the step.

    Args:
        recipe: its `learning_rate` and `schedule`.
        length: steps of the whole run.

    Raises:
        InputError: an unknown schedule or setting of it, or values that make no sense.

    Example:
        >>> found = rate(RecipeConfig(schedule={"name": "steps", "every": 0.5}), 10)
        >>> [round(float(found(step)), 5) for step in (4, 5)]
        [0.001, 0.0001]
    """
    name, settings = _named("recipe.schedule", recipe.schedule, SCHEDULES)
    known = list(inspect.signature(SCHEDULES[name]).parameters)[2:]
    if unknown := [key for key in settings if key not in known]:
        raise InputError(
            f"recipe.schedule: {name!r} has no setting {unknown[0]!r}; it takes {', '.join(known)}."
        )
    return SCHEDULES[name](recipe.learning_rate, length, **settings)


def optimizer(
    recipe: RecipeConfig, trainer: TrainerConfig, length: int
) -> keras.optimizers.Optimizer:
    """The recipe's optimizer, with the trainer's averages and accumulation.

    Args:
        recipe: its `optimizer`, `schedule` and `learning_rate`.
        trainer: its `average` and `accumulate`.
        length: steps of the whole run.

    Raises:
        InputError: an unknown optimizer or argument of it.

    Example:
        >>> recipe = RecipeConfig(optimizer={"name": "sgd", "momentum": 0.9})
        >>> optimizer(recipe, TrainerConfig(), 10).momentum
        0.9
    """
    name, settings = _named("recipe.optimizer", recipe.optimizer, OPTIMIZERS)
    if unknown := [key for key in settings if key not in _settings(OPTIMIZERS[name])]:
        raise InputError(
            f"recipe.optimizer: {name!r} has no setting {unknown[0]!r}; where the recipe sets it, "
            f"~recipe.optimizer.{unknown[0]} drops it."
        )
    settings |= {"use_ema": trainer.average > 0, "ema_momentum": trainer.average}
    if trainer.accumulate > 1:
        settings["gradient_accumulation_steps"] = trainer.accumulate
    if name == "cycled-adam":
        turns = {k: v for k, v in recipe.schedule.items() if k in ("rise", "annihilation")}
        settings["momentum"] = schedules.OneCycleMomentum(length, **turns)
    try:
        return OPTIMIZERS[name](rate(recipe, length), **settings)
    except (TypeError, ValueError) as error:
        raise InputError(f"recipe.optimizer: {name!r}: {error}") from error


def _settings(kind: type) -> set[str]:
    """What a class and those that it comes from take by name."""
    return {key for one in kind.__mro__ for key in inspect.signature(one.__init__).parameters}


def _named(key: str, given: dict, known: dict) -> tuple[str, dict]:
    settings = dict(given)
    name = settings.pop("name", None)
    if name not in known:
        raise InputError(f"{key}.name must be one of {', '.join(known)}, got {name!r}.")
    return name, settings
