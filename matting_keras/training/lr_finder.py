"""The learning rate range test: raise the rate step by step and watch what the loss does."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np
from keras import ops

from matting_keras.atomic import atomic_path
from matting_keras.errors import InputError

log = logging.getLogger(__name__)

RAMPS = ("exponential", "linear")

DIVERGED = 5.0
"""The test ends where the mean of the last three losses is this many times the best such mean."""

FALL = 0.02
"""By this share at least the smoothed loss must have fallen for there to be a suggestion."""


@dataclass(frozen=True)
class RangeTest:
    """What a range test saw.

    Attributes:
        rates: the learning rate of each step.
        losses: the loss of each step, before it was taken.
        smoothed: the losses averaged with their neighbours.
        ended: "complete", "diverged" or "not finite".
        divergence: the rate at which the test ended early, or None.
        steepest: the rate at which the smoothed loss falls fastest, or None where it never does.
        conservative: a tenth of the divergence rate, or None.
        ramp: "exponential" or "linear".
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    ended: str
    divergence: float | None
    steepest: float | None
    conservative: float | None
    ramp: str = "exponential"

    @property
    def suggestion(self) -> float:
        """The smaller of `steepest` and `conservative`, for `--lr auto`.

        Raises:
            InputError: the loss never fell.
        """
        if self.steepest is None:
            raise InputError(
                f"the loss did not fall at any rate from {self.rates[0]:.2g} to "
                f"{self.rates[-1]:.2g}; test more steps or other rates, or check the data."
            )
        return min(self.steepest, self.conservative or self.steepest)

    def save(self, path: str | os.PathLike) -> None:
        """Write everything as JSON, with the suggestion, which is null where there is none."""
        suggestion = None if self.steepest is None else self.suggestion
        facts = asdict(self) | {"suggestion": suggestion}
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(facts, indent=1, allow_nan=False), encoding="utf-8")

    def plot(self, path: str | os.PathLike) -> None:
        """Draw losses over rates, with the suggestions, as a PNG.

        Args:
            path: the file to write.

        Raises:
            InputError: matplotlib is not installed.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise InputError(
                f"a plot of learning rates needs matplotlib ({error}); pip install "
                "'matting-keras[plots]', that is '.[plots]' in a checkout."
            ) from error
        figure = Figure(figsize=(8, 5), layout="constrained")
        axes = figure.add_subplot()
        axes.plot(self.rates, self.losses, color="#999999", linewidth=0.8, label="loss")
        axes.plot(self.rates, self.smoothed, color="#0072b2", linewidth=2, label="smoothed")
        for name, colour in (("steepest", "#d55e00"), ("conservative", "#009e73")):
            if rate := getattr(self, name):
                axes.axvline(rate, color=colour, linestyle="--", label=f"{name} {rate:.2g}")
        axes.set_xscale("log" if self.ramp == "exponential" else "linear")
        # One exploded loss would flatten everything that matters.
        low, high = min(self.smoothed), max(self.smoothed)
        margin = max(high - low, 1e-3 * abs(high), 1e-12)
        axes.set_ylim(low - 0.2 * margin, high + 0.5 * margin)
        axes.set(xlabel="learning rate", ylabel="loss", title="learning rate range test")
        axes.legend()
        with atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=120, format="png")


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
        steps: batches at most.
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
    _check(model, low, high, steps, ramp, smoothing)
    rates, losses, ended = [], [], "complete"
    with unchanged(model), ramped(model, low, high, steps, ramp) as set_rate:
        for step, batch in zip(range(steps), _endless(batches, steps), strict=False):
            rate = set_rate(step)
            loss = _step(model, batch)
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


def found_rate(model: keras.Model, batches: Iterable, folder: Path) -> float:
    """The rate for `--lr auto`: from a range test, or from the one that the run began with.

    Args:
        model: compiled and built, unchanged afterwards.
        batches: of the run.
        folder: of the run; lr-find.json and, where matplotlib is installed, lr-find.png are
            written to it.

    Raises:
        InputError: the loss never fell.
    """
    path = Path(folder) / "lr-find.json"
    if path.is_file():
        return float(json.loads(path.read_text(encoding="utf-8"))["suggestion"])
    found = range_test(model, batches)
    rate = found.suggestion
    found.save(path)
    if importlib.util.find_spec("matplotlib"):
        found.plot(path.with_suffix(".png"))
    log.info("--lr auto: %.3g, see %s", rate, path)
    return rate


def judged(
    rates: list[float],
    losses: list[float],
    ended: str,
    divergence: float | None,
    *,
    smoothing: float,
    ramp: str,
) -> RangeTest:
    """Make suggestions from a curve; arguments as for `RangeTest` and `range_test`.

    The steepest descent is the largest fall from step to step on the way down: from where the
    smoothed loss last was near its beginning, at most a tenth of the whole fall below, to where it
    is lowest. What it does before is noise.
    """
    # An exploding last loss would be smeared over the steps before it, so after the best step
    # none counts as worse than the worst before it.
    ceiling = max(losses[: int(np.argmin(losses)) + 1])
    curve = smooth(np.minimum(losses, ceiling), smoothing)
    lowest = int(np.argmin(curve))
    steepest = None
    top, bottom = float(np.median(curve[: max(1, lowest // 5)])), curve[lowest]
    if lowest > 0 and bottom < (1 - FALL) * top:
        high = np.flatnonzero(curve[:lowest] >= top - 0.1 * (top - bottom))
        begin = int(high[-1])
        steepest = rates[begin + int(np.argmin(np.gradient(curve[begin : lowest + 1])))]
    return RangeTest(
        rates=tuple(rates),
        losses=tuple(losses),
        smoothed=tuple(curve.tolist()),
        ended=ended,
        divergence=divergence,
        steepest=steepest,
        conservative=divergence and divergence / 10,
        ramp=ramp,
    )


def smooth(values: np.ndarray, sigma: float) -> np.ndarray:
    """Average values with their neighbours, by a Gaussian whose weights sum to 1 at the ends too.

    Args:
        values: float (N,).
        sigma: its deviation in steps; 0 changes nothing.
    """
    if not sigma:
        return np.asarray(values, float)
    reach = int(np.ceil(3 * sigma))
    kernel = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    parts = (np.convolve(row, kernel)[reach:-reach] for row in (values, np.ones(len(values))))
    total, weight = parts
    return total / weight


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
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    own = optimizer._learning_rate
    traced, at_once = model.train_function, model.steps_per_execution
    scheduled = not isinstance(own, keras.Variable)
    if scheduled:
        # A schedule cannot be replaced by a number, only by another schedule.
        optimizer.learning_rate = _Ramp(low, high, steps, ramp, int(optimizer.iterations))
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

    def __init__(self, low: float, high: float, steps: int, ramp: str, first: int):
        self.settings = (low, high, steps, ramp)
        self.first = first

    def __call__(self, step):
        return at(ops.cast(step - self.first, "float32"), *self.settings)


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


def _check(
    model: keras.Model, low: float, high: float, steps: int, ramp: str, smoothing: float
) -> None:
    if not 0 < low < high < float("inf"):
        raise InputError(f"rates must rise from low, above 0, to high; got {low} and {high}.")
    if steps < 10:
        raise InputError(f"a range test needs 10 steps at least, got {steps}.")
    if ramp not in RAMPS:
        raise InputError(f"ramp must be one of {', '.join(RAMPS)}, got {ramp!r}.")
    if not smoothing >= 0:
        raise InputError(f"smoothing is a number of steps, 0 or more, got {smoothing}.")
    if not model.weights or getattr(model, "optimizer", None) is None:
        raise InputError("a range test needs a model that is built and compiled.")
