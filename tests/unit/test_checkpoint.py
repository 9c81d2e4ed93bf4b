"""States within epochs: what they hold, and what cannot go on from them."""

import signal

import keras
import numpy as np
import pytest

from matting_keras.errors import InputError
from matting_keras.training.bystander import Bystander
from matting_keras.training.checkpoint import Checkpoint, Diverged
from matting_keras.training.interruption import Interruption, Stopped
from matting_keras.training.progress import Progress

STEPS, EPOCHS = 4, 2


def compiled(precision: str = "float32", seed: int = 0) -> keras.Model:
    keras.utils.set_random_seed(seed)
    image = keras.Input((4, 4, 1))
    x = keras.layers.Conv2D(2, 3, padding="same", dtype=precision)(image)
    x = keras.layers.Dropout(0.3)(keras.layers.BatchNormalization()(x))
    model = keras.Model(image, keras.layers.Dense(1, dtype="float32")(x), name="small")
    optimizer = keras.optimizers.Adam(
        1e-2, use_ema=True, ema_momentum=0.9, gradient_accumulation_steps=2
    )
    if precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(optimizer, "mse", run_eagerly=True)
    model.optimizer.build(model.trainable_variables)
    return model


def batches(first: int):
    """Endless batches from a step of the run on; a batch follows from its number."""
    number = first
    while True:
        x = np.random.default_rng(number).normal(size=(2, 4, 4, 1)).astype("float32")
        yield x, 2 * x
        number += 1


class Figures(keras.callbacks.Callback):
    """What the epochs came to."""

    def __init__(self):
        super().__init__()
        self.seen: dict[int, dict] = {}

    def on_epoch_end(self, epoch, logs=None):
        self.seen[epoch] = dict(logs)


class Death(Exception):
    """In place of a signal."""


class Dying(keras.callbacks.Callback):
    def __init__(self, after: int):
        super().__init__()
        self.after = after

    def on_train_batch_end(self, batch, logs=None):
        self.after -= 1
        if not self.after:
            raise Death


def fit(folder, dies_after: int = 0, seed: int = 0):
    """Train, from where `folder` is, for so many steps or to the end."""
    model, progress, figures = compiled(seed=seed), Progress(STEPS), Figures()
    checkpoint = Checkpoint(folder, "loss", progress, minutes=1e-9)
    checkpoint.restore(model)
    model.fit(
        batches(progress.done),
        steps_per_epoch=STEPS,
        epochs=EPOCHS,
        initial_epoch=progress.epoch,
        shuffle=False,
        verbose=0,
        callbacks=[progress, figures, checkpoint, *([Dying(dies_after)] if dies_after else [])],
    )
    return model, progress, figures


@pytest.mark.parametrize("step", [1, 3, 5])
def test_a_run_goes_on_from_within_an_epoch(step, tmp_path):
    whole, _, figures = fit(tmp_path / "whole")
    with pytest.raises(Death):
        fit(tmp_path / "run", dies_after=step)
    # Another seed: whatever is not in the state would differ.
    again, progress, more = fit(tmp_path / "run", seed=9)
    assert (progress.epoch, progress.done) == (EPOCHS, EPOCHS * STEPS)
    for variable, other in zip(whole.variables, again.variables, strict=True):
        np.testing.assert_array_equal(variable, other, err_msg=variable.path)
    for variable, other in zip(whole.optimizer.variables, again.optimizer.variables, strict=True):
        np.testing.assert_array_equal(variable, other, err_msg=variable.path)
    for epoch, logs in more.seen.items():
        assert logs == figures.seen[epoch]


def test_steps_are_counted_over_the_run(tmp_path):
    seen = []

    class Watching(Progress):
        def on_train_batch_end(self, batch, logs=None):
            super().on_train_batch_end(batch, logs)
            seen.append((self.epoch, self.step, self.before, self.done))

    progress = Watching(STEPS)
    progress.epoch, progress.step = 1, 2
    compiled().fit(
        batches(6),
        steps_per_epoch=STEPS,
        epochs=3,
        initial_epoch=1,
        shuffle=False,
        verbose=0,
        callbacks=[progress],
    )
    assert seen == [(1, 3, 6, 7), (1, 4, 7, 8), *((2, n, 7 + n, 8 + n) for n in range(1, 5))]


def test_an_epoch_of_another_length_cannot_be_gone_on_with(tmp_path):
    with pytest.raises(Death):
        fit(tmp_path, dies_after=2)
    model = compiled()
    for steps, at_once in ((5, 1), (STEPS, 4)):
        model.steps_per_execution = at_once
        with pytest.raises(InputError, match=f"after 2 of an epoch's 4 steps.* {steps} steps"):
            Checkpoint(tmp_path, "loss", Progress(steps)).restore(model)


def trained(precision: str, folder) -> tuple[keras.Model, Checkpoint]:
    model, checkpoint = compiled(precision), Checkpoint(folder)
    checkpoint.set_model(model)
    x = np.ones((2, 4, 4, 1), "float32")
    for _ in range(3):
        model.train_on_batch(x, 2 * x)
    return model, checkpoint


@pytest.mark.parametrize("before", ["float32", "mixed_float16"])
@pytest.mark.parametrize("after", ["float32", "mixed_float16"])
def test_a_run_goes_on_in_another_precision(before, after, tmp_path):
    model, checkpoint = trained(before, tmp_path)
    checkpoint.on_epoch_end(0, {"val_mIoU": 0.5})
    other = compiled(after, seed=9)
    assert Checkpoint(tmp_path).restore(other) == 1
    for variable, again in zip(model.variables, other.variables, strict=True):
        np.testing.assert_array_equal(variable, again)
    if before == after:
        pairs = zip(model.optimizer.variables, other.optimizer.variables, strict=True)
        assert all(np.array_equal(one, two) for one, two in pairs)


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"PK"])
def test_a_damaged_state_is_said(damage, tmp_path):
    model, checkpoint = trained("float32", tmp_path)
    checkpoint.on_epoch_end(0, {})
    path = tmp_path / "state.npz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=r"state\.npz: is not the whole state of a run"):
        Checkpoint(tmp_path).restore(model)


@pytest.mark.parametrize("part", ["weights", "optimizer"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_never_written(part, value, tmp_path):
    model, checkpoint = trained("float32", tmp_path)
    checkpoint.on_epoch_end(0, {"val_mIoU": 0.5})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    variable = (model.weights if part == "weights" else model.optimizer.variables)[-1]
    variable.assign(np.full(variable.shape, value))
    with pytest.raises(Diverged, match=f"{variable.path} became NaN or infinite"):
        checkpoint.on_epoch_end(1, {"val_mIoU": 0.9})
    checkpoint.progress.steps = STEPS
    with pytest.raises(Diverged, match="became NaN or infinite"):
        checkpoint.save()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_score_beside_a_nan_is_none(tmp_path):
    _, checkpoint = trained("float32", tmp_path)
    checkpoint.on_epoch_end(0, {"val_mIoU": 0.9, "val_loss": np.nan})
    assert not (tmp_path / "best.keras").exists()
    checkpoint.on_epoch_end(1, {"val_mIoU": 0.5, "val_loss": 1.0})
    assert checkpoint.best == 0.5


def test_a_second_signal_stops_at_once(tmp_path):
    stop = Interruption(Checkpoint(tmp_path))
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with stop.heard():
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(Stopped, match="nothing was saved yet"):
                signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with Interruption(Checkpoint(tmp_path)).heard():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, usual)


def test_a_bystander_that_fails_is_left_out(caplog):
    class Failing(keras.callbacks.Callback):
        calls = 0

        def on_epoch_end(self, epoch, logs=None):
            self.calls += 1
            raise OSError("No space left")

    failing = Failing()
    model = compiled()
    model.fit(
        batches(0),
        steps_per_epoch=1,
        epochs=3,
        shuffle=False,
        verbose=0,
        callbacks=[Bystander(failing, (OSError,))],
    )
    assert failing.calls == 1
    assert failing.model is model
    assert [r.getMessage() for r in caplog.records] == [
        "Failing stops here, the run goes on: No space left"
    ]
    with pytest.raises(OSError, match="No space left"):
        model.fit(
            batches(0),
            steps_per_epoch=1,
            shuffle=False,
            verbose=0,
            callbacks=[Bystander(failing, (KeyError,))],
        )
