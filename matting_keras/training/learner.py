"""A network with a recipe's loss: what Keras trains."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import keras

from matting_keras.training.metrics import AlphaMeanIoU
from matting_keras.training.norms import quicken
from matting_keras.training.recipes.loss import RecipeLoss


class Timed:
    """Hands out another iterator's items and adds up how long each was waited for.

    Attributes:
        waited: seconds so far.
    """

    def __init__(self):
        self.waited = 0.0

    def over(self, iterator: Iterator) -> Timed:
        """The same, of another iterator."""
        self._iterator = iterator
        return self

    def __iter__(self):
        return self

    def __next__(self):
        began = time.perf_counter()
        try:
            return next(self._iterator)
        finally:
            self.waited += time.perf_counter() - began


def outlined(function: Callable, *given):
    """What a function returns, or only its outline where computing it once is slow."""
    if keras.backend.backend() != "jax":
        return function(*given)
    import jax

    # Outside of a compiled step jax compiles every operation by itself.
    return jax.eval_shape(function, *given)


class Learner(keras.Model):
    """Runs a network on images and its recipe's loss on all of its outputs.

    `fit` gives it images and targets as `data.pipeline` makes them with `targets=True`. Each part
    of the loss is logged under its own name, beside mIoU and MAD of the alpha, and its MAD inside
    the unknown band.

    Args:
        network: any of this package, in training or inference form.
        recipe: what to minimise.
        batch: one (image, target), to find out which parts the loss has.

    Attributes:
        network: the same; it is what checkpoints keep.
        batches: knows how long steps have waited for data.
        monitor: the figure that says which epoch is best; larger is better.
        prepare: a layer that makes image and target of what `fit` is given, inside the step, as
            `data.packed.augment.Augment` does; None where it is given them.
    """

    monitor = "val_mIoU"
    prepare = None

    def __init__(self, network: keras.Model, recipe: RecipeLoss, batch: tuple):
        # Images stay float32: half precision cannot tell 200.3 from 200.4, and the network
        # scales them itself.
        super().__init__(name=network.name, autocast=False)
        quicken(network)
        self.network = network
        self.recipe = recipe
        self.batches = Timed()
        images, target = batch
        names = list(outlined(self._named, images, target))
        self.parts = {name: keras.metrics.Mean(name=name) for name in names if len(names) > 1}
        self.scores = [AlphaMeanIoU(), keras.metrics.MeanAbsoluteError(name="MAD")]
        self.band = keras.metrics.MeanAbsoluteError(name="band_MAD")
        # The network is, and what is still to be called has nothing to build.
        self.built = True

    def call(self, images, training=None):
        outputs = self.network(images, training=training)
        return outputs if isinstance(outputs, dict) else {"alpha": outputs}

    def _named(self, images, target) -> dict:
        return self.judged(images, target, self.call(images, training=False))

    def judged(self, images, target, outputs) -> dict:
        """The parts of the loss."""
        return self.recipe({"image": images, **target}, outputs)

    def callbacks(self) -> list[keras.callbacks.Callback]:
        """What has to happen beside the steps for this way of learning."""
        return []

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        parts = self.judged(x, y, y_pred)
        for name, mean in self.parts.items():
            mean.update_state(parts[name])
        return sum(parts.values())

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        for score in self.scores:
            score.update_state(y["alpha"], y_pred["alpha"])
        self.band.update_state(y["alpha"], y_pred["alpha"], y["unknown"][..., 0])
        return self.get_metrics_result()

    def train_step(self, *given):
        # The batch comes last; jax has its state before it.
        return super().train_step(*given[:-1], self._prepared(given[-1]))

    def test_step(self, *given):
        return super().test_step(*given[:-1], self._prepared(given[-1]))

    def _prepared(self, batch):
        if self.prepare is None:
            return batch
        return self.prepare(batch[0] if isinstance(batch, tuple) else batch)

    def make_train_function(self, force=False):
        before = self.train_function
        super().make_train_function(force)
        if self.train_function is not before:
            steps = self.train_function
            # Its last argument is the iterator of batches; jax has its state before it.
            self.train_function = lambda *given: steps(*given[:-1], self.batches.over(given[-1]))
