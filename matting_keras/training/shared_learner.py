"""A learner that is one of several workers: same weights, its own rows of every batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import keras
import tensorflow as tf
from keras import ops

from matting_keras.training.learner import Learner
from matting_keras.training.norms import slow_down

if TYPE_CHECKING:
    from matting_keras.training.distribution import Workers


def shared(kind: type[Learner], workers: Workers) -> type[Learner]:
    """A class of learners whose steps are those of all workers together.

    After each step every worker has the same weights, to the bit, as each applies the same mean of
    all gradients to the same optimizer. Against one worker with the whole batch:

    - Where a loss is a mean over pixels, as in the recipe likeunet, all shares are equally large
      and the gradient is the same, but for rounding.
    - Where it is a mean over an area, as the unknown band, or over the area of refined samples, it
      is the mean of each worker's own mean: a worker whose rows have a small band weighs its
      pixels more. With an empty band it adds 0 to a mean that is still over all workers. The root
      of the recipe cyclical is taken for each sample by itself, so nothing differs there.
    - BatchNormalization uses mean and variance of the whole batch, as one worker does.
    - Dropout on each worker drops what it would with a batch of that size.
    - Gradients are reduced before anything else happens to them: clipping, accumulation, half
      precision's search for overflows and averages of the weights are those of one worker.
    - Losses in the log are means over workers. The other figures are sums over all pixels and are
      those of one worker, in validation the losses as well.

    Args:
        kind: the learner's class.
        workers: all of them.
    """

    class Shared(kind):
        def __init__(self, network, *given):
            super().__init__(network, *given)
            share_norms(network, workers)

        def compile(self, optimizer, **options):
            super().compile(optimizer, **options)
            share_gradients(self.optimizer, workers)

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            loss = super().compute_loss(x, y, y_pred, sample_weight, training)
            return workers.agreed(loss) if training else loss

        def get_metrics_result(self):
            if not tf.executing_eagerly():
                return super().get_metrics_result()
            with pooled(self, workers):
                return super().get_metrics_result()

    Shared.__name__ = Shared.__qualname__ = kind.__name__
    return Shared


def share_gradients(optimizer: keras.optimizers.Optimizer, workers: Workers) -> None:
    """Have an optimizer apply the mean of all workers' gradients in place of this one's."""
    apply = optimizer.apply

    def apply_mean(grads, trainable_variables=None):
        return apply(workers.mean("gradients", list(grads)), trainable_variables)

    optimizer.apply = apply_mean


def share_norms(network: keras.Model, workers: Workers) -> None:
    """Have every BatchNormalization look at the whole batch while it trains."""
    for number, layer in enumerate(network._flatten_layers()):
        if isinstance(layer, keras.layers.BatchNormalization):
            slow_down(layer)
            layer._moments = partial(moments, workers, f"norm {number}", layer.axis)


def moments(workers: Workers, name: str, axis: int, inputs, mask=None) -> tuple:
    """Mean and variance of all workers' inputs, each along one axis.

    Args:
        workers: all of them; each has as many rows.
        name: of the norm.
        axis: the one that stays.
        inputs: this worker's, float32.
        mask: None; no network here has any.

    Returns:
        Two tensors of that axis' length.

    Source: Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing
    Sample Variances", 1979. The difference of mean square and squared mean, which Keras takes over
    several devices, loses the digits of a small variance.
    """
    if mask is not None:
        raise NotImplementedError("a mask in a BatchNormalization that is shared")
    axes = list(range(len(inputs.shape)))
    del axes[axis]
    own = ops.stack(ops.moments(inputs, axes))
    means, variances = tf.unstack(gathered(workers, name, own), axis=1)
    mean = ops.mean(means, 0)
    return mean, ops.mean(variances + ops.square(means - mean), 0)


def gathered(workers: Workers, name: str, own):
    """Every worker's tensor, stacked; gradients go back to the worker that each came from."""
    index, count = workers.share

    @tf.custom_gradient
    def gather(value):
        empty = tf.zeros_like(value)
        slots = [value if number == index else empty for number in range(count)]
        (everyone,) = workers.total(name, [tf.stack(slots)])

        def back(upstream):
            return workers.total(f"{name}, back", [upstream])[0][index]

        return everyone, back

    return gather(own)


def pool(learner: Learner, workers: Workers) -> None:
    """Move what all workers' figures have counted to the first one's."""
    variables = learner.metrics_variables
    values = [ops.convert_to_tensor(variable) for variable in variables]
    for variable, total in zip(variables, workers.total("figures", values), strict=True):
        variable.assign(total if workers.writes else tf.zeros_like(total))


@contextmanager
def pooled(learner: Learner, workers: Workers) -> Iterator[None]:
    """Within it the figures of a learner are of what all workers have seen."""
    variables = learner.metrics_variables
    kept = [ops.convert_to_tensor(variable) for variable in variables]
    for variable, total in zip(variables, workers.total("figures", kept), strict=True):
        variable.assign(total)
    try:
        yield
    finally:
        for variable, value in zip(variables, kept, strict=True):
            variable.assign(value)
