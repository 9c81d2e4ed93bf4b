"""A run whose loss is no number any more: stopped, and told what it was learning from."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import keras
import numpy as np

from matting_keras.data.order import in_order, training_plan
from matting_keras.data.sample import Sample
from matting_keras.errors import InputError
from matting_keras.geometry import buckets
from matting_keras.training.callbacks import averaged
from matting_keras.training.checkpoint import Checkpoint, Diverged, check_sound
from matting_keras.training.progress import Progress
from matting_keras.training.setup import Setup

log = logging.getLogger(__name__)

MOST = 100
"""Photos to name in one list."""


class Divergence(keras.callbacks.Callback):
    """Ends a run at the first loss that is NaN or infinite.

    A validation alone that gives no number ends nothing, as sound weights can mend it in the next
    epoch: it is told with the photos that did it, and `Checkpoint` does not take it for a best.

    Args:
        setup: of the run.
    """

    def __init__(self, setup: Setup):
        super().__init__()
        self.setup = setup

    def on_train_batch_end(self, batch, logs=None):
        loss = (logs or {}).get("loss", 0.0)
        if not np.isfinite(loss):
            raise Diverged(f"the loss was {loss}")

    def on_epoch_end(self, epoch, logs=None):
        odd = {k: v for k, v in (logs or {}).items() if k[:4] == "val_" and not np.isfinite(v)}
        if odd:
            check_sound(self.model)
            figures = ", ".join(f"{name} {value}" for name, value in odd.items())
            log.warning(
                "epoch %d: %s, so it cannot be the best one. The loss is not finite on one of\n%s",
                *(epoch + 1, figures, _listed(odd_photos(self.setup))),
            )


def odd_photos(setup: Setup) -> list[Sample]:
    """The photos held back in whose batches the loss is not finite."""
    held, data = setup.photos.held, setup.config.data
    shapes = buckets(data.area, data.ratios)
    batches = setup.share.whole(in_order(held.sizes, shapes, setup.config.trainer.batch_size))
    found: list[Sample] = []
    with averaged(setup.learner):
        for (_, indices), batch in zip(batches, setup.held, strict=True):
            setup.learner.reset_metrics()
            parts = keras.utils.unpack_x_y_sample_weight(batch)
            if not np.isfinite(setup.learner.test_on_batch(*parts, return_dict=True)["loss"]):
                found += [held.store.samples[index] for index in indices]
    return found


def photos_between(setup: Setup, first: int, last: int) -> list[Sample]:
    """The photos of the training batches from `first` to before `last`, counted over the run."""
    config, photos = setup.config, setup.photos.train
    shapes = buckets(config.data.area, config.data.ratios)
    batches = training_plan(
        photos.store.samples,
        photos.sizes,
        shapes,
        config.trainer.batch_size,
        config.seed,
        setup.photos.scenes is not None,
        config.data.stray,
    )
    indices = [index for step in range(first, last) for index in batches[step][1]]
    return [photos.store.samples[index] for index in indices]


def explained(found: Diverged, setup: Setup, progress: Progress, checkpoint: Checkpoint):
    """The error to end the run with.

    Args:
        found: what became NaN or infinite.
        setup: of the run.
        progress: where it is.
        checkpoint: knows what was kept.

    Returns:
        An `InputError` that names the step, its photos and the ways to go on.
    """
    last, first = progress.done, progress.before
    earlier = max(0, first - (last - first))
    rate = float(setup.learner.optimizer.learning_rate)
    step = f"step {last}" if last == first + 1 else f"one of the steps {first + 1} to {last}"
    lines = [
        f"{found} at {step} of {setup.config.trainer.epochs * setup.steps} (epoch "
        f"{first // setup.steps + 1}, learning rate {rate:.2g}). It was learning from",
        _listed(photos_between(setup, first, last)),
    ]
    if earlier < first:
        lines += [
            "and just before, where the weights may have been broken already, from",
            _listed(photos_between(setup, earlier, first)),
        ]
    return InputError("\n".join([*lines, _kept(checkpoint), _ways_out(setup, checkpoint)]))


def _kept(checkpoint: Checkpoint) -> str:
    folder, saved = checkpoint.path.parent, checkpoint.saved
    if saved is None:
        return f"Nothing is kept in {folder}: the run had not come to its first checkpoint."
    done = f"{saved['epoch']} epochs" + (f" and {saved['step']} steps" if saved["step"] else "")
    best = " and best.keras" if (folder / "best.keras").is_file() else ""
    return f"Kept in {folder}: state.npz{best}, with {done} done."


def _ways_out(setup: Setup, checkpoint: Checkpoint) -> str:
    lower = f"--lr {setup.config.recipe.learning_rate / 2:.2g}"
    again = f"go on with --resume {lower}" if checkpoint.saved else f"begin again with {lower}"
    half = ""
    if keras.config.dtype_policy().name == "mixed_float16":
        half = " Half precision overflows early: --precision mixed_bfloat16 does not."
    one = ""
    if setup.config.trainer.steps_per_execution > 1:
        one = " trainer.steps_per_execution=1 tells the very step."
    return (
        f"The same settings would end here again. See whether these photos and their alphas are "
        f"sound, or {again}.{half}{one}"
    )


def _listed(samples: Sequence[Sample]) -> str:
    names = list(dict.fromkeys(sample.name for sample in samples))
    more = [f"and {len(names) - MOST} more"] if len(names) > MOST else []
    return "\n".join(f"  {name}" for name in [*names[:MOST], *more])
