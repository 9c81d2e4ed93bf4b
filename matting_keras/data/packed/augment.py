"""The layer that turns packed photos into images and targets, on the device and in the step."""

from __future__ import annotations

import keras
from keras import ops

from matting_keras.data.band import unknown
from matting_keras.data.packed import draws
from matting_keras.data.packed.colour import grain, recolour, relight
from matting_keras.data.packed.jpeg import BEST, WORST
from matting_keras.data.packed.scenes import eased, over
from matting_keras.data.packed.warp import warp
from matting_keras.data.placement import Person
from matting_keras.data.strengths import AugmentConfig


class Augment(keras.layers.Layer):
    """Makes a batch as `data.pipeline` makes it with `targets=True`, from what `batches` gives.

    It draws nothing itself: the numbers come with the batch, so that every backend makes the same
    picture of them. Photos held back come already placed and are only unpacked.

    Args:
        config: how strongly photos are changed.
        taught: whether photos to learn from have an alpha; where not, their target is empty.
        judged: the same of photos held back.
    """

    def __init__(self, config: AugmentConfig, taught: bool = True, judged: bool = True):
        super().__init__(name="augment", dtype="float32", autocast=False)
        self.config = config
        self.taught = taught
        self.judged = judged
        self.built = True

    def call(self, batch: dict) -> tuple:
        """Make a batch.

        Args:
            batch: from `TrainingBatches` or `HeldBatches`.

        Returns:
            image float32 (batch, height, width, channels) in 0..255, and the target: "alpha" and
            "unknown" float32 (batch, height, width, 1) in 0..1, "refined" float32 (batch,).
        """
        if "placed" in batch:
            values = ops.cast(batch["placed"], "float32")
            alpha = values[..., -1:] / 255
            return values[..., :-1], _target(alpha, batch["rough"]) if self.judged else {}
        shape, config = ops.shape(batch["canvas"])[1:3], self.config
        signed = 2 * batch["draw"] - 1
        anew = self._anew(batch)
        person = Person(batch["people"]["cut"], anew, batch["draw"][:, draws.BODY])
        moved = warp(batch["people"], signed[:, draws.WARP], shape, config, person)
        image, alpha, rough = moved[..., :-1], moved[..., -1:] / 255, batch["rough"]
        channels = image.shape[-1]
        if "scenes" in batch:
            image, alpha, rough = self._composited(image, alpha, anew, batch, signed)
        alpha = ops.clip(alpha, 0.0, 1.0)
        if config.relight:
            image = relight(image, alpha, signed[:, draws.RELIGHT], config)
        image = recolour(
            image,
            signed[:, draws.COLOUR],
            signed[:, draws.EXTRA],
            grain(batch["key"], (*shape, channels)) if config.noise else None,
            ops.floor(WORST + (BEST - WORST) * batch["draw"][:, draws.QUALITY]),
            config,
        )
        return image, _target(alpha, rough) if self.taught else {}

    def _anew(self, batch: dict):
        """Who is placed in front of another background, or gives way to it: bool (batch,)."""
        if "scenes" not in batch:
            return ops.zeros_like(batch["cutout"])
        chance = batch["draw"][:, draws.CHANCE]
        return ops.logical_or(chance < self.config.composite + self.config.empty, batch["cutout"])

    def _composited(self, image, alpha, anew, batch: dict, signed) -> tuple:
        config, drawn, shape = self.config, batch["draw"], ops.shape(image)[1:3]
        scene = warp(batch["scenes"], signed[:, draws.SCENE_WARP], shape, config)[..., :-1]
        colour = 255 * drawn[:, draws.FLAT][:, : image.shape[-1]]
        scene = eased(scene, batch["hard"], colour)
        # An empty scene is a composite with nobody in it, in any light down to none: a network that
        # never saw a dark room finds people in it.
        empty = (drawn[:, draws.CHANCE] < config.empty)[:, None, None, None]
        shown = ops.where(empty, 0.0, alpha)
        scene = ops.where(empty, drawn[:, draws.LIGHT, None, None, None] * scene, scene)
        made, truth = over(image, shown, scene, batch["rough"], signed[:, draws.LIGHT])
        # The alpha that a composite was made with is its truth.
        rough = ops.logical_and(batch["rough"], ops.logical_not(anew))
        anew = anew[:, None, None, None]
        return ops.where(anew, made, image), ops.where(anew, truth, alpha), rough


def _target(alpha, rough) -> dict:
    return {"alpha": alpha, "unknown": unknown(alpha), "refined": 1 - ops.cast(rough, "float32")}
