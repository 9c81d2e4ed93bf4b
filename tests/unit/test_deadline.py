"""A run that ends in time."""

from types import SimpleNamespace

import pytest

from matting_keras.errors import InputError
from matting_keras.training import deadline
from matting_keras.training.config import RunConfig, TrainerConfig, check


def epochs_within(monkeypatch, minutes: float, lengths: list[float], before: float = 0.0) -> int:
    """How many epochs are begun, by a clock that stands still between them; all in minutes."""
    clock = SimpleNamespace(now=1e6)
    monkeypatch.setattr(deadline, "time", SimpleNamespace(monotonic=lambda: clock.now))
    run = deadline.Deadline(minutes, clock.now)
    clock.now += 60 * before
    model = SimpleNamespace(stop_training=False)
    run.set_model(model)
    run.set_params({"epochs": len(lengths)})
    for epoch, length in enumerate(lengths):
        run.on_epoch_begin(epoch)
        clock.now += 60 * length
        run.on_epoch_end(epoch)
        if model.stop_training:
            return epoch + 1
    return len(lengths)


def test_a_run_ends_with_the_last_epoch_that_fits(monkeypatch):
    assert epochs_within(monkeypatch, 10, [2.0] * 9) == 5
    assert epochs_within(monkeypatch, 9.9, [2.0] * 9) == 4
    assert epochs_within(monkeypatch, 10, [2.0] * 9, before=1.0) == 4
    # The first takes longer, because everything is compiled in it.
    assert epochs_within(monkeypatch, 10, [4.5] + [1.0] * 20) == 6


def test_one_epoch_is_always_finished_and_a_short_run_ends_by_itself(monkeypatch):
    assert epochs_within(monkeypatch, 0.1, [2.0] * 9) == 1
    assert epochs_within(monkeypatch, 60, [2.0] * 9) == 9


def test_less_than_no_time_is_refused():
    with pytest.raises(InputError, match=r"trainer\.minutes must be 0"):
        check(RunConfig(trainer=TrainerConfig(minutes=-1.0)))
