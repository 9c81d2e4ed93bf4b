"""A training that may be one of several workers, in a process of its own.

    python -m tests.worker MOMENT RECORD WORDS...

trains as `tests.survivor MOMENT WORDS...` does, also the network "still", a toy that drops nothing
out. At its end the losses that it saw, the weights and the optimizer are in the file RECORD.
"""

import sys

import keras
import numpy as np

from matting_keras.architectures.registry import ARCHITECTURES, Architecture
from tests.survivor import CONFIGS, arm
from tests.toy import TOYS


def still(asymmetric=False, branch_norm=False, original=False) -> keras.Model:
    """Gray to alpha, with a norm over batches and nothing random."""
    image = keras.Input((None, None, 1), name="image")
    x = keras.layers.Rescaling(1 / 255, name="scale")(image)
    # A bias before a norm has no gradient but rounding errors, which Adam makes as large as any.
    x = keras.layers.Conv2D(6, 3, padding="same", use_bias=False, name="first")(x)
    x = keras.layers.ReLU(name="relu")(keras.layers.BatchNormalization(name="norm")(x))
    alpha = keras.layers.Conv2D(1, 3, padding="same", activation="sigmoid", name="alpha")(x)
    return keras.Model(image, alpha, name="still")


def record(path: str) -> None:
    """Have the end of a training written down."""
    from matting_keras.training.progress import Progress

    look, losses = Progress.on_train_batch_end, []

    def listen(self, batch, logs=None):
        look(self, batch, logs)
        losses.append(logs["loss"])

    def end(self, logs=None):
        variables = [*self.model.network.variables, *self.model.optimizer.variables]
        values = {f"value_{i}": keras.ops.convert_to_numpy(v) for i, v in enumerate(variables)}
        np.savez(path, losses=losses, **values)

    Progress.on_train_batch_end, Progress.on_train_end = listen, end


# The processes of `--strategy mirrored` import it; pytest does too, and has to be left as it is.
if __name__ in ("__main__", "__mp_main__"):
    ARCHITECTURES.update(TOYS, still=Architecture(still, 1, 64 * 64, "for tests"))

if __name__ == "__main__":
    from matting_keras.training.command import main

    arm(sys.argv[1])
    record(sys.argv[2])
    sys.exit(main(CONFIGS, sys.argv[3:]))
