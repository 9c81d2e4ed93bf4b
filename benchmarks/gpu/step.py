"""Training steps as Keras takes them, many in one call to the GPU, one program per shape."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from keras import StatelessScope

from benchmarks.gpu.batches import batch
from benchmarks.gpu.photos import Photos
from benchmarks.gpu.scenes import unknown_band
from matting_keras.training.losses import AlphaLoss

REACH = 0.02
"""Width of the unknown band, as in `matting_keras.data.trimap`."""

State = tuple[list[jax.Array], list[jax.Array], list[jax.Array]]
"""Values of what is trained, of what is not (norms' statistics), and of the optimizer."""


@dataclass(frozen=True)
class Recipe:
    """How batches are made and judged.

    Attributes:
        augment: an `AugmentConfig`, or anything with its attributes.
        batch_size: photos of a step.
        steps: of one call.
        ramp: steps after which composites get a tenth harder; 0 for none.
        crossentropy: weight of the soft cross-entropy.
        difference: weight of the absolute difference.
        band: how much more a pixel of the unknown band counts; 0 for none.
        seed: of everything random.
    """

    augment: Any
    batch_size: int = 128
    steps: int = 16
    ramp: int = 0
    crossentropy: float = 1.0
    difference: float = 0.0
    band: float = 0.0
    seed: int = 0


def optimizer(precision: str, amsgrad: bool, average: float) -> keras.optimizers.Optimizer:
    """Adam as `matting_keras.training.optimizers` makes it; its rate is given with each step."""
    adam = keras.optimizers.Adam(
        1e-3, amsgrad=amsgrad, use_ema=average > 0, ema_momentum=average or 0.99
    )
    # Gradients of half precision vanish below 6e-8 unless the loss is scaled up. Steps at whose
    # scale they overflow are left out, so it starts lower than Keras' and grows faster.
    if precision == "mixed_float16":
        return keras.optimizers.LossScaleOptimizer(
            adam, initial_scale=2**12, dynamic_growth_steps=500
        )
    return adam


class Steps:
    """A network's training, compiled.

    Args:
        model: compiled with `optimizer`, its optimizer built.
        recipe: how batches are made.
        people: photos to learn from, on the GPU.
        scenes: pictures without people, or None.
        fixed: image and alpha that every step gets, to time the step without its augmentation.
    """

    def __init__(
        self,
        model: keras.Model,
        recipe: Recipe,
        people: Photos,
        scenes: Photos | None = None,
        fixed: tuple[jax.Array, jax.Array] | None = None,
    ):
        self.model = model
        self.recipe = recipe
        self.photos = (people, scenes, fixed)
        self.loss = AlphaLoss(recipe.crossentropy, recipe.difference)
        self.state: State = self._pulled()
        self._programs: dict[tuple[int, int], Any] = {}

    def compile(self, shapes: Sequence[tuple[int, int]]) -> float:
        """Compile for some shapes, all at once; returns seconds."""
        began = time.perf_counter()
        calls = self.recipe.steps
        examples = (
            jax.ShapeDtypeStruct((calls, self.recipe.batch_size), jnp.int32),
            jax.ShapeDtypeStruct((calls,), jnp.int32),
            jax.ShapeDtypeStruct((calls,), jnp.float32),
        )
        # Keras' tracing is not made for threads; the compiler is.
        lowered = [
            jax.jit(partial(self._many, shape=shape), donate_argnums=0).lower(
                self.state, self.photos, examples
            )
            for shape in shapes
        ]
        with ThreadPoolExecutor(len(shapes)) as pool:
            made = pool.map(lambda program: program.compile(), lowered)
            self._programs |= dict(zip(shapes, made, strict=True))
        return time.perf_counter() - began

    def run(
        self, shape: tuple[int, int], photos: np.ndarray, first: int, rates: np.ndarray
    ) -> jax.Array:
        """Take steps; returns their mean loss, which may not be computed yet.

        Args:
            shape: one that was compiled.
            photos: int32 (steps * batch size,), which ones.
            first: number of the first step; decides the augmentation.
            rates: float32 (steps,), learning rates.
        """
        steps = np.arange(first, first + self.recipe.steps, dtype="int32")
        photos = np.reshape(photos, (len(steps), -1))
        self.state, losses = self._programs[shape](
            self.state, self.photos, (photos, steps, np.asarray(rates, "float32"))
        )
        return losses.mean()

    def averaged(self) -> State:
        """The state with the averages of the weights, where the optimizer keeps them."""
        inner = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        if not inner.use_ema:
            return self.state
        averages = inner._model_variables_moving_average
        places = {id(v): i for i, v in enumerate(self.model.optimizer.variables)}
        trained = [self.state[2][places[id(average)]] for average in averages]
        return trained, *self.state[1:]

    def push(self) -> None:
        """Put the values into the Keras model, for saving."""
        for variables, values in zip(self._variables(), self.state, strict=True):
            for variable, value in zip(variables, values, strict=True):
                # A copy: the next call gives the array's own memory away.
                variable.assign(jnp.array(value, copy=True))

    def _pulled(self) -> State:
        return tuple([jnp.array(v.value, copy=True) for v in part] for part in self._variables())

    def pull(self) -> None:
        """Take the values of the Keras model, after it was restored."""
        self.state = self._pulled()

    def _variables(self):
        model = self.model
        others = model.non_trainable_variables
        return model.trainable_variables, others, model.optimizer.variables

    def _many(self, state: State, photos, inputs, shape: tuple[int, int]):
        def one(state, given):
            return self._step(state, photos, given, shape)

        return jax.lax.scan(one, state, inputs)

    def _step(self, state: State, photos, given, shape: tuple[int, int]):
        (trained, others, slots), (index, step, rate), recipe = state, given, self.recipe
        people, scenes, fixed = photos
        key = jax.random.fold_in(jax.random.key(recipe.seed), step)
        image, alpha = fixed or batch(
            people, scenes, index, step, key, shape, recipe.augment, recipe.ramp
        )
        weight = self._weight(alpha, shape)
        slots = self._at_rate(slots, rate)
        compute = jax.value_and_grad(self._loss, has_aux=True)
        (_, (loss, others)), gradients = compute(trained, others, slots, image, alpha, weight)
        trained, slots = self.model.optimizer.stateless_apply(slots, gradients, trained)
        return (list(trained), list(others), list(slots)), loss

    def _loss(self, trained, others, slots, image, alpha, weight):
        found, others = self.model.stateless_call(trained, others, image, training=True)
        found = found["alpha"] if isinstance(found, dict) else found
        loss = self.loss(alpha, found, weight)
        # A loss scale is one of the optimizer's variables.
        rule = self.model.optimizer
        with StatelessScope(state_mapping=list(zip(rule.variables, slots, strict=True))):
            scaled = rule.scale_loss(loss)
        return scaled, (loss, others)

    def _weight(self, alpha: jax.Array, shape: tuple[int, int]) -> jax.Array | None:
        if not self.recipe.band:
            return None
        weight = 1 + self.recipe.band * unknown_band(alpha, max(2, round(REACH * min(shape))))
        return weight / jnp.mean(weight)

    def _at_rate(self, slots: list[jax.Array], rate: jax.Array) -> list[jax.Array]:
        rule = self.model.optimizer
        variable = getattr(rule, "inner_optimizer", rule)._learning_rate
        return [
            rate if v is variable else value for v, value in zip(rule.variables, slots, strict=True)
        ]
