"""Learning from photos without any alpha: a network's outputs are held to each other."""

from __future__ import annotations

import keras
import numpy as np

from matting_keras.errors import InputError
from matting_keras.training.learner import Learner
from matting_keras.training.recipes.loss import RecipeLoss

BEFORE = "photo, alpha before, alpha now, difference"
"""What TensorBoard shows in place of the truth."""


class SelfTaught(Learner):
    """Adapts a converged network to photos that nobody has cut out.

    What the loss takes for the truth are the outputs of a backup: a frozen copy of the network,
    made anew at the beginning of each epoch, `recipe(backup(images), network(images))`. It is
    nothing but the weights that the epoch began with, so a run that goes on after an epoch has
    the same backup as one that never stopped.

    The norms use their stored statistics and do not update them, in training too. Their scales
    and shifts learn like all other weights.

    Training targets are empty. Where a batch for validation has an alpha, it gives the figures of
    `Learner`; where it has none, there are only the loss and `agreement`, which is minus the loss
    and then says which epoch is best. It tells how well the outputs fit each other and how near
    they stayed to the backup on photos that were not learned from, not how good they are.

    Args:
        network: in training form, with the outputs that the recipe needs.
        recipe: that is not supervised.
        batch: one (image, target) of validation; the target has "alpha" or is empty.

    Attributes:
        backup: the frozen copy.

    Source: ZHKKKe/MODNet, src/trainer.py, soc_adaptation_iter and its example. `freeze_norm`
    there puts the norms into evaluation mode; the optimizer still gets all of their weights.
    """

    backup = None

    def __init__(self, network: keras.Model, recipe: RecipeLoss, batch: tuple):
        super().__init__(network, recipe, batch)
        self.backup = keras.models.clone_model(network)
        self.backup.trainable = False
        self.back_up()
        self.agreement = keras.metrics.Mean(name="agreement")
        if "alpha" not in batch[1]:
            self.monitor = "val_agreement"

    def back_up(self) -> None:
        """Make the backup what the network is now."""
        for kept, value in zip(self.backup.weights, self.network.weights, strict=True):
            # A copy: two variables that share an array cannot both be given to a step under jax.
            kept.assign(keras.ops.copy(value))

    def callbacks(self) -> list[keras.callbacks.Callback]:
        return [BackUp()]

    def call(self, images, training=None):
        return super().call(images, training=False)

    def judged(self, images, target, outputs) -> dict:
        # Before there is a backup only the names of the parts are asked for.
        frozen = self.network if self.backup is None else self.backup
        return self.recipe(frozen(images, training=False), outputs)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        self.agreement.update_state(-loss)
        return loss

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        if "alpha" in y:
            return super().compute_metrics(x, y, y_pred, sample_weight)
        needing_truth = {metric.name for metric in (*self.scores, self.band)}
        results = self.get_metrics_result()
        return {name: value for name, value in results.items() if name not in needing_truth}


class BackUp(keras.callbacks.Callback):
    """Renews the backup of a `SelfTaught` at the beginning of each epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        self.model.back_up()


def untold(image, target) -> tuple:
    """A batch without its truth, for `tf.data.Dataset.map`."""
    return image, {}


def pictures_before(learner: Learner, images: np.ndarray) -> tuple:
    """What TensorBoard draws of photos without truth: images, alphas before training, title."""
    alphas = learner(images, training=False)["alpha"]
    return images, np.array(alphas, "float32"), BEFORE


def check_start(weights: str | None, loss: RecipeLoss) -> None:
    """Refuse to begin with random weights where a network is to teach itself.

    Raises:
        InputError: no weights are named.
    """
    if not (loss.supervised or weights):
        raise InputError(
            "this recipe teaches a network by its own outputs, and one that was never trained only "
            "learns to agree with itself; name a network that works already: --weights FILE."
        )


def check_source(source: keras.Model, loss: RecipeLoss, weights: str) -> None:
    """Refuse weights without the outputs that a network teaches itself with.

    Raises:
        InputError: naming them.
    """
    given = source.output if isinstance(source.output, dict) else {"alpha": source.output}
    missing = [name for name in loss.needs if name not in given]
    if missing and not loss.supervised:
        raise InputError(
            f"--weights {weights}: has no outputs {', '.join(missing)}, which would begin at "
            "random and teach the alpha nonsense; name the best.keras of a training, or convert "
            "the published checkpoint with --training."
        )
