"""A network with a recipe's loss: what Keras trains."""

from __future__ import annotations

import keras

from matting_keras.training.metrics import AlphaMeanIoU
from matting_keras.training.recipes.loss import RecipeLoss


class Learner(keras.Model):
    """Runs a network on images and its recipe's loss on all of its outputs.

    `fit` gives it images and targets as `data.pipeline` makes them with `targets=True`. Each part
    of the loss is logged under its own name, beside mIoU and MAD of the alpha.

    Args:
        network: any of this package, in training or inference form.
        recipe: what to minimise.
        batch: one (image, target), to find out which parts the loss has.

    Attributes:
        network: the same; it is what checkpoints keep.
    """

    def __init__(self, network: keras.Model, recipe: RecipeLoss, batch: tuple):
        # Images stay float32: half precision cannot tell 200.3 from 200.4, and the network
        # scales them itself.
        super().__init__(name=network.name, autocast=False)
        self.network = network
        self.recipe = recipe
        images, target = batch
        names = list(recipe({"image": images, **target}, self.call(images, training=False)))
        self.parts = {name: keras.metrics.Mean(name=name) for name in names if len(names) > 1}
        self.scores = [AlphaMeanIoU(), keras.metrics.MeanAbsoluteError(name="MAD")]

    def call(self, images, training=None):
        outputs = self.network(images, training=training)
        return outputs if isinstance(outputs, dict) else {"alpha": outputs}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        parts = self.recipe({"image": x, **y}, y_pred)
        for name, mean in self.parts.items():
            mean.update_state(parts[name])
        return sum(parts.values())

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        for score in self.scores:
            score.update_state(y["alpha"], y_pred["alpha"])
        return self.get_metrics_result()
