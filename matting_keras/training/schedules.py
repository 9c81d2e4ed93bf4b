"""Learning rates, and Adam's momentum, as functions of the step.

Every length is in steps of the optimizer, never in epochs: a rate that knows only the step goes on
where it was when a run is resumed.
"""

from __future__ import annotations

import math
from itertools import pairwise

import keras
from keras import ops

from matting_keras.errors import InputError

END = 0.01
"""What share of itself a triangular rate's tail leaves at the end."""

Schedule = keras.optimizers.schedules.LearningRateSchedule


@keras.saving.register_keras_serializable("matting_keras")
class OneCycle(Schedule):
    """One rise to the peak and one long fall, on cosines, ending far below where it began.

    From peak / start to peak in the first `rise` of the steps, then down to
    peak / start / final at the last step, steps - 1, and there it stays. With `annihilation`, the
    fall ends at peak / start that share of the steps before the end, and a last cosine goes down
    to the end from there.

    Args:
        peak: the highest rate.
        steps: of the whole run.
        rise: share of the steps until the peak.
        start: how many times lower than the peak it begins.
        final: how many times lower than the beginning it ends.
        annihilation: share of the steps for a tail of its own; 0, as published, lets the fall
            run through to the end in one.

    Raises:
        InputError: no steps, a peak that is not above 0, or shares that do not fit into the run.

    Source: Smith and Topin, "Super-Convergence", 2018, in the form of torch's OneCycleLR, whose
    defaults seed 002's cyclical recipe uses; with annihilation=1 - 2 * rise it is torch's
    three-phase form, but for one step. Seed 002 calls the deep end of the fall its annihilation.

    Example:
        >>> rate = OneCycle(1e-3, steps=100)
        >>> [f"{float(rate(step)):.1e}" for step in (0, 29, 99)]
        ['4.0e-05', '1.0e-03', '4.0e-09']
    """

    def __init__(
        self,
        peak: float,
        steps: int,
        rise: float = 0.3,
        start: float = 25.0,
        final: float = 1e4,
        annihilation: float = 0.0,
    ):
        _positive(peak=peak, steps=steps, start=start, final=final)
        _shares(rise, annihilation)
        self.peak = peak
        self.steps = steps
        self.rise = rise
        self.start = start
        self.final = final
        self.annihilation = annihilation

    def __call__(self, step):
        low = self.peak / self.start
        times = cycle_times(self.steps, self.rise, self.annihilation)
        values = [low, self.peak, *([low] if self.annihilation else []), low / self.final]
        return through(step, list(zip(times, values, strict=True)))

    def get_config(self):
        return {
            "peak": self.peak,
            "steps": self.steps,
            "rise": self.rise,
            "start": self.start,
            "final": self.final,
            "annihilation": self.annihilation,
        }


@keras.saving.register_keras_serializable("matting_keras")
class OneCycleMomentum(Schedule):
    """The momentum of one-cycle: low where the rate is high.

    From `high` to `low` while the rate rises, and back while it falls, on cosines; `high` during
    an annihilation.

    Args:
        steps: of the whole run.
        rise: share of the steps until the rate's peak.
        high: momentum at the beginning and the end.
        low: momentum at the rate's peak.
        annihilation: as for `OneCycle`.

    Source: as for `OneCycle`; 0.95 and 0.85 are torch's.

    Example:
        >>> momentum = OneCycleMomentum(steps=100)
        >>> [round(float(momentum(step)), 3) for step in (0, 29, 99)]
        [0.95, 0.85, 0.95]
    """

    def __init__(
        self,
        steps: int,
        rise: float = 0.3,
        high: float = 0.95,
        low: float = 0.85,
        annihilation: float = 0.0,
    ):
        _positive(steps=steps)
        _shares(rise, annihilation)
        self.steps = steps
        self.rise = rise
        self.high = high
        self.low = low
        self.annihilation = annihilation

    def __call__(self, step):
        times = cycle_times(self.steps, self.rise, self.annihilation)
        values = [self.high, self.low, *[self.high] * (len(times) - 2)]
        return through(step, list(zip(times, values, strict=True)))

    def get_config(self):
        return {
            "steps": self.steps,
            "rise": self.rise,
            "high": self.high,
            "low": self.low,
            "annihilation": self.annihilation,
        }


@keras.saving.register_keras_serializable("matting_keras")
class Triangular(Schedule):
    """Up and down between two rates in straight lines, over and over.

    Args:
        low: the lowest rate, at the beginning of each cycle.
        high: the highest rate of the first cycle.
        half: steps from low to high, and from high to low.
        decay: what each cycle's height above `low` is multiplied by in the next; 0.5 is Smith's
            "triangular2".
        tail: steps in which the rate is brought down to a hundredth of itself at the end of the
            run, on a straight line; 0 for none.
        steps: of the whole run; only a tail needs to know.

    Raises:
        InputError: a length, rate or decay that is not above 0, high below low, or a tail longer
            than the run.

    Source: Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017.

    Example:
        >>> rate = Triangular(0.1, 0.5, half=10, decay=0.5)
        >>> [round(float(rate(step)), 2) for step in (0, 5, 10, 20, 30)]
        [0.1, 0.3, 0.5, 0.1, 0.3]
    """

    def __init__(
        self,
        low: float,
        high: float,
        half: int,
        decay: float = 1.0,
        tail: int = 0,
        steps: int = 0,
    ):
        _positive(low=low, high=high, half=half, decay=decay, tail=tail + 1)
        if tail > steps:
            raise InputError(f"a tail of {tail} steps does not fit into a run of {steps}.")
        if high < low:
            raise InputError(f"a triangular rate goes from low up to high, got {low} and {high}.")
        self.low = low
        self.high = high
        self.half = half
        self.decay = decay
        self.tail = tail
        self.steps = steps

    def __call__(self, step):
        step = ops.cast(step, "float32")
        halves = step / self.half
        cycle = ops.floor(halves / 2)
        height = 1 - ops.abs(halves - 2 * cycle - 1)
        rate = self.low + (self.high - self.low) * height * ops.power(self.decay, cycle)
        if not self.tail:
            return rate
        done = ops.clip((step - self.steps + self.tail) / self.tail, 0.0, 1.0)
        return rate * (1 - (1 - END) * done)

    def get_config(self):
        names = ("low", "high", "half", "decay", "tail", "steps")
        return {name: getattr(self, name) for name in names}


@keras.saving.register_keras_serializable("matting_keras")
class ConstantThenExponential(Schedule):
    """A constant rate, then one that is multiplied by a factor every so many steps.

    rate * factor ** floor(max(0, step - hold) / every): the first fall is at hold + every.

    Args:
        rate: the constant one.
        hold: steps for which it stays.
        every: steps between two falls, those of one epoch as published.
        factor: what each fall multiplies it by.

    Raises:
        InputError: a rate, length or factor that is not above 0; hold may be 0.

    Source: seed 003, U2Net_protrait: 1e-3 up to epoch 10, then 0.95 ** (epoch - 10); in its second
    stage 0.975 ** (epoch - 11 * plateau).

    Example:
        >>> rate = ConstantThenExponential(1.0, hold=10, every=2)
        >>> [round(float(rate(step)), 4) for step in (0, 11, 12, 14)]
        [1.0, 1.0, 0.95, 0.9025]
    """

    def __init__(self, rate: float, hold: int, every: int, factor: float = 0.95):
        _positive(rate=rate, every=every, factor=factor, hold=hold + 1)
        self.rate = rate
        self.hold = hold
        self.every = every
        self.factor = factor

    def __call__(self, step):
        after = ops.maximum(ops.cast(step, "float32") - self.hold, 0.0)
        # Half a step away from where the floor jumps: XLA divides by multiplying with a rounded
        # reciprocal, which may end just below a whole number.
        return self.rate * ops.power(self.factor, ops.floor((after + 0.5) / self.every))

    def get_config(self):
        return {
            "rate": self.rate,
            "hold": self.hold,
            "every": self.every,
            "factor": self.factor,
        }


def stepped(rate: float, every: int, factor: float = 0.1) -> Schedule:
    """A rate that is multiplied by a factor every so many steps.

    Source: MODNet, 0.01 times 0.1 each 10 epochs; its MindSpore port, factor 0.5.

    Raises:
        InputError: a rate, length or factor that is not above 0.

    Example:
        >>> rate = stepped(0.01, every=10)
        >>> [round(float(rate(step)), 4) for step in (9, 10, 20)]
        [0.01, 0.001, 0.0001]
    """
    return ConstantThenExponential(rate, 0, every, factor)


def warmup_cosine(peak: float, steps: int, warmup: int = 0, final: float = 0.01) -> Schedule:
    """A straight rise from 0, then a cosine down to a share of the peak; Keras' own schedule.

    Args:
        peak: the highest rate, reached after `warmup` steps.
        steps: of the whole run, warm-up included.
        warmup: steps of the rise; 0 begins at the peak.
        final: the share of the peak that is left at the end.

    Raises:
        InputError: a peak or length that is not above 0.

    Example:
        >>> rate = warmup_cosine(1.0, steps=110, warmup=10)
        >>> [round(float(rate(step)), 3) for step in (0, 5, 10, 110)]
        [0.0, 0.5, 1.0, 0.01]
    """
    _positive(peak=peak, steps=steps)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else peak,
        warmup_target=peak if warmup else None,
        warmup_steps=warmup,
        alpha=final,
        decay_steps=max(1, steps - warmup),
    )


def cycle_times(steps: int, rise: float, annihilation: float) -> list[float]:
    """The steps at which one-cycle turns, counted as torch does; each a step after the last."""
    times = [0.0]
    for share in (rise, *([1 - annihilation] if annihilation else []), 1.0):
        times.append(max(times[-1] + 1, share * steps - 1))
    return times


def through(step, points: list[tuple[float, float]]):
    """A smooth way through (step, value) points: half a cosine between each two, then constant."""
    step = ops.cast(step, "float32")
    value = points[0][1]
    for (begin, before), (end, after) in pairwise(points):
        share = ops.clip((step - begin) / (end - begin), 0.0, 1.0)
        # (1 + cos) / 2 in float32 is only good to 1e-7, which is more than the last rates.
        between = after + (before - after) * ops.square(ops.cos(0.5 * math.pi * share))
        value = ops.where(step > begin, between, value)
    return value


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise InputError(f"a schedule's {name} must be above 0, got {value}.")


def _shares(rise: float, annihilation: float) -> None:
    if not (rise > 0 and annihilation >= 0 and rise + annihilation < 1):
        raise InputError(
            "rise, above 0, and annihilation, 0 or more, are shares of one run and stay below 1 "
            f"together; got {rise} and {annihilation}."
        )
