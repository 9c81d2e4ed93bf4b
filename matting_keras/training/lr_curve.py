"""What a learning rate range test saw, and which rate to make of it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass

import numpy as np

from matting_keras.atomic import atomic_path
from matting_keras.errors import InputError

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
        facts = asdict(self) | {"suggestion": self.suggestion if self.steepest else None}
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(facts, indent=1, allow_nan=False), encoding="utf-8")


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
