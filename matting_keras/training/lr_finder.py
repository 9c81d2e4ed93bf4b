"""The learning rate range test: raise the rate step by step and watch what the loss does."""

from __future__ import annotations

import importlib.util
import json
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
from keras import ops

from matting_keras.errors import InputError
from matting_keras.training.lr_curve import RangeTest, judged
from matting_keras.training.lr_plot import draw

log = logging.getLogger(__name__)

NAME = "lr-find.json"
"""What a range test saw, in the folder of its run; the picture beside it ends in .png."""

RAMPS = ("exponential", "linear")

DIVERGED = 5.0
"""The test ends where the mean of the last three losses is this many times the best such mean."""


def range_test(
    model: keras.Model,
    batches: Iterable,
    *,
    low: float = 1e-7,
    high: float = 10.0,
    steps: int = 100,
    ramp: str = "exponential",
    smoothing: float = 2.0,
) -> RangeTest:
    """Train a few steps at rising rates, see where the loss falls, and put everything back.

    The model is the same afterwards, to the bit: weights, statistics of norms, random generators,
    the optimizer's variables and its rate. What it takes from `batches` is gone if that is an
    iterator.

    Args:
        model: compiled and built.
        batches: (x, y) or (x, y, weight), as for `fit`; begun anew where it ends, if it can be.
        low: the first rate.
        high: the last rate.
        steps: of the optimizer at most; each takes as many batches as it accumulates.
        ramp: "exponential" multiplies the rate by one factor each step, "linear" adds to it.
        smoothing: deviation, in steps, of the Gaussian that smooths the losses; 0 for none. It
            looks both ways: a running average would move the curve, and with it the suggestion,
            to larger rates.

    Returns:
        The curve and the suggestions.

    Raises:
        InputError: rates, steps or ramp that make no sense, a model that is not ready, or
            batches that end too soon.

    Source: Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017; ramps, the
    stop at five times the best loss and the steepest descent as in davidtvs/pytorch-lr-finder.

    Example:
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> x = np.linspace(-1, 1, 8, dtype="float32")[:, None]
        >>> found = range_test(model, [(x, 3 * x)], low=1e-3, high=100, steps=50)
        >>> found.ended
        'diverged'
    """
    check_settings(low, high, steps, ramp, smoothing)
    if not model.weights or getattr(model, "optimizer", None) is None:
        raise InputError("a range test needs a model that is built and compiled.")
    rates, losses, ended = [], [], "complete"
    each = _inner(model).gradient_accumulation_steps or 1
    stream = _endless(batches, steps * each)
    with unchanged(model), ramped(model, low, high, steps, ramp) as set_rate:
        for step in range(steps):
            rate = set_rate(step)
            loss = float(np.mean([_step(model, next(stream)) for _ in range(each)]))
            if not np.isfinite(loss):
                ended = "not finite"
                break
            rates.append(rate)
            losses.append(loss)
            if _diverged(losses):
                ended = "diverged"
                break
    if not losses:
        raise InputError(
            f"the loss was {loss} at the very first step, before any training; check the data "
            "and the weights."
        )
    divergence = None if ended == "complete" else rate
    return judged(rates, losses, ended, divergence, smoothing=smoothing, ramp=ramp)


def found_rate(
    model: keras.Model, batches: Iterable, folder: Path, *, resume: bool = False
) -> float:
    """The rate for `--lr auto`: from a range test, or from the one that the run began with.

    Args:
        model: compiled and built, with the weights that the run begins with; unchanged afterwards.
        batches: of the run.
        folder: of the run; what the test saw is written to it.
        resume: the run goes on, and keeps its rate.

    Raises:
        InputError: the loss never fell, or the run began with another rate than a found one.
    """
    path = Path(folder) / NAME
    if resume and path.is_file():
        return _kept(path)
    if resume and (path.parent / "state.npz").is_file():
        raise InputError(
            f"--lr auto: this run has no {path}, so it began with another rate; leave --lr out, or "
            "pass a number."
        )
    found = range_test(model, batches)
    record(found, path.parent)
    log.info("--lr auto: %.3g, see %s", found.suggestion, path)
    return found.suggestion


def record(found: RangeTest, folder: Path) -> None:
    """Write lr-find.json and, where matplotlib is installed, lr-find.png."""
    path = Path(folder) / NAME
    found.save(path)
    if importlib.util.find_spec("matplotlib"):
        draw(found, path.with_suffix(".png"))
    else:
        log.info("no matplotlib here, so no lr-find.png: pip install 'matting-keras[plots]'")


def check_settings(low: float, high: float, steps: int, ramp: str, smoothing: float) -> None:
    """Refuse settings that make no range test.

    Raises:
        InputError: naming the first of them.
    """
    if not 0 < low < high < float("inf"):
        raise InputError(f"rates must rise from low, above 0, to high; got {low} and {high}.")
    if steps < 10:
        raise InputError(f"a range test needs 10 steps at least, got {steps}.")
    if ramp not in RAMPS:
        raise InputError(f"ramp must be one of {', '.join(RAMPS)}, got {ramp!r}.")
    if not smoothing >= 0:
        raise InputError(f"smoothing is a number of steps, 0 or more, got {smoothing}.")


@contextmanager
def unchanged(model: keras.Model) -> Iterator[None]:
    """Whatever a step changes in a compiled model is put back at the end of the block."""
    optimizer = model.optimizer
    if not optimizer.built:
        optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.metrics_variables, *optimizer.variables]
    kept = [ops.convert_to_numpy(variable).copy() for variable in variables]
    try:
        yield
    finally:
        model.reset_metrics()
        for variable, value in zip(variables, kept, strict=True):
            variable.assign(value)


@contextmanager
def ramped(model: keras.Model, low: float, high: float, steps: int, ramp: str):
    """Within it the optimizer's rate is on a ramp; gives a function that sets it for a step."""
    optimizer = _inner(model)
    own = optimizer._learning_rate
    traced, at_once = model.train_function, model.steps_per_execution
    scheduled = not isinstance(own, keras.Variable)
    if scheduled:
        # A schedule cannot be replaced by a number, only by another schedule.
        # It counts batches, where `iterations` counts those that took a step.
        first, each = int(optimizer._iterations), optimizer.gradient_accumulation_steps or 1
        optimizer.learning_rate = _Ramp(low, high, steps, ramp, first, each)
    model.train_function, model.steps_per_execution = None, 1

    def set_rate(step: int) -> float:
        if not scheduled:
            own.assign(at(step, low, high, steps, ramp))
        return float(optimizer.learning_rate)

    try:
        yield set_rate
    finally:
        if scheduled:
            optimizer.learning_rate = own
        # What was traced before knows the old rate, what is traced now knows the ramp.
        model.train_function, model.steps_per_execution = traced, at_once


def at(step, low: float, high: float, steps: int, ramp: str):
    """The ramp's rate at a step, a number or a tensor."""
    share = step / (steps - 1)
    return low * (high / low) ** share if ramp == "exponential" else low + (high - low) * share


class _Ramp(keras.optimizers.schedules.LearningRateSchedule):
    """The ramp as a schedule; it never leaves this file, so it needs no configuration."""

    def __init__(self, low: float, high: float, steps: int, ramp: str, first: int, each: int):
        self.settings = (low, high, steps, ramp)
        self.first = first
        self.each = each

    def __call__(self, step):
        return at(ops.cast((step - self.first) // self.each, "float32"), *self.settings)


def _step(model: keras.Model, batch) -> float:
    x, y, weight = keras.utils.unpack_x_y_sample_weight(batch)
    return float(model.train_on_batch(x, y, weight, return_dict=True)["loss"])


def _diverged(losses: list[float]) -> bool:
    if len(losses) < 4:
        return False
    means = np.convolve(losses, np.ones(3) / 3, "valid")
    return bool(means[-1] > DIVERGED * means.min())


def _endless(batches: Iterable, steps: int) -> Iterator:
    seen = 0
    while True:
        before = seen
        for batch in batches:
            yield batch
            seen += 1
        if seen == before or iter(batches) is batches:
            raise InputError(
                f"the batches ended after {seen}, and {steps} steps were asked for; give a data "
                "set that repeats, or ask for fewer steps."
            )


def _inner(model: keras.Model) -> keras.optimizers.Optimizer:
    """The optimizer itself, inside what scales its loss in half precision."""
    return getattr(model.optimizer, "inner_optimizer", model.optimizer)


def _kept(path: Path) -> float:
    try:
        rate = json.loads(path.read_text(encoding="utf-8"))["suggestion"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: cannot be read ({error}); pass the rate of the run as a number with --lr."
        ) from error
    if not isinstance(rate, float):
        raise InputError(f"{path}: holds no suggestion; pass the rate as a number with --lr.")
    return rate
