"""Networks of a few hundred weights, with all that has a state, for what happens around them."""

import keras
from keras import layers, ops

from matting_keras.architectures.registry import Architecture


def toy(asymmetric=False, branch_norm=False, original=False) -> keras.Model:
    """Gray to alpha; drops features out at random and normalises them over batches."""
    image = keras.Input((None, None, 1), name="image")
    return keras.Model(image, _head("alpha")(_features(image)), name="toy")


def still(asymmetric=False, branch_norm=False, original=False) -> keras.Model:
    """The same, but for what it drops: no two backends draw the same numbers."""
    image = keras.Input((None, None, 1), name="image")
    return keras.Model(image, _head("alpha")(_normed(image)), name="still")


def fussy(asymmetric=False, branch_norm=False, original=False, about="loss") -> keras.Model:
    """As `toy`, but for `Fussy` about the photo."""
    image = keras.Input((None, None, 1), name="image")
    features = Fussy(about, name="fussy")([_features(image), image])
    return keras.Model(image, _head("alpha")(features), name="fussy")


def toy_modnet(asymmetric=False, branch_norm=False, original=False, training=False) -> keras.Model:
    """Colour to what MODNet gives: alpha, detail, and semantics at a sixteenth of the size."""
    image = keras.Input((None, None, 3), name="image")
    features = _features(image)
    outputs = {name: _head(name)(features) for name in ("alpha", "detail")}
    outputs["semantic"] = _head("semantic")(layers.AveragePooling2D(16)(features))
    return keras.Model(image, outputs if training else outputs["alpha"], name="modnet")


@keras.saving.register_keras_serializable("tests")
class Fussy(layers.Layer):
    """Hardly changes features, but has no number for those of a photo that is nearly white.

    Args:
        about: "loss", whose value is NaN then, or "gradient", which alone is.
    """

    def __init__(self, about: str, **options):
        super().__init__(**options)
        self.about = about
        self.scale = self.add_weight(name="scale", shape=(), initializer="ones")

    def call(self, inputs):
        features, image = inputs
        light = ops.mean(image, axis=(1, 2, 3), keepdims=True)
        dark = self.scale * ops.relu(240 - light)
        # Not 0 times it: TensorFlow would not compute that.
        return features + 1e-30 * (ops.log(dark) if self.about == "loss" else ops.sqrt(dark))

    def get_config(self):
        return super().get_config() | {"about": self.about}


def _normed(image):
    x = layers.Rescaling(1 / 255, name="scale")(image)
    x = layers.Conv2D(6, 3, padding="same", name="first")(x)
    x = layers.BatchNormalization(name="norm")(x)
    return layers.ReLU(name="relu")(x)


def _features(image):
    # After the other layers, as each draws its seed in turn.
    x = _normed(image)
    return layers.Dropout(0.2, name="drop")(x)


def _head(name: str) -> layers.Layer:
    return layers.Conv2D(1, 3, padding="same", activation="sigmoid", name=name)


TOYS = {
    "toy": Architecture(toy, 1, 64 * 64, "for tests"),
    "still": Architecture(still, 1, 64 * 64, "for tests"),
    "fussy": Architecture(fussy, 1, 64 * 64, "for tests"),
    "modnet": Architecture(toy_modnet, 3, 64 * 64, "for tests"),
}
"""What to put into `ARCHITECTURES`; the last in place of the real one."""
