"""Adam with a momentum that moves while a run goes on."""

from __future__ import annotations

import keras

from matting_keras.training.schedules import Schedule


@keras.saving.register_keras_serializable("matting_keras")
class CycledAdam(keras.optimizers.Adam):
    """Adam whose first beta follows a schedule, as one-cycle wants it.

    It is an optimizer and not a callback, because `beta_1` is a plain number that the compiled
    step holds on to: a callback that sets it changes nothing. Computed from `iterations` it also
    comes back right when a run is resumed.

    Args:
        learning_rate: a number or schedule.
        momentum: a schedule for beta_1, for example `OneCycleMomentum`.
        **options: of `keras.optimizers.Adam`, but for beta_1.

    As in torch, Adam's correction of the first steps uses the beta of the moment.

    Example:
        >>> from matting_keras.training.schedules import OneCycle, OneCycleMomentum
        >>> adam = CycledAdam(OneCycle(1e-3, steps=9), momentum=OneCycleMomentum(steps=9))
        >>> round(float(adam.beta_1), 3)
        0.95
    """

    def __init__(self, learning_rate=1e-3, momentum: Schedule | None = None, **options):
        # Adam's constructor sets beta_1 before there is a schedule to ask.
        super().__init__(learning_rate, **options)
        self.momentum = momentum

    @property
    def beta_1(self):
        # The rate counts batches too, also where gradients of several make one step.
        return self.momentum(self._iterations) if self.momentum else self._beta_1

    @beta_1.setter
    def beta_1(self, value):
        self._beta_1 = value

    def get_config(self):
        momentum = keras.saving.serialize_keras_object(self.momentum)
        return super().get_config() | {"beta_1": self._beta_1, "momentum": momentum}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        momentum = keras.saving.deserialize_keras_object(config["momentum"], custom_objects)
        return super().from_config(config | {"momentum": momentum}, custom_objects)
