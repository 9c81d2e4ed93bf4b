"""A process that trains one of our networks one step at a time when told to.

python -m benchmarks.keras_training --network dark-light --form "weight space" --weights FILE
--batch FILE: the counterpart of benchmarks/torch_training.py, with the same commands on stdin.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from benchmarks.answering import answer
from benchmarks.branches import lifelike
from matting_keras import build, fuse, load
from matting_keras.architectures.like_unet import SPECS
from matting_keras.layers import AsymmetricConv2D
from matting_keras.layers.asymmetric import BRANCHES
from matting_keras.training.losses import AlphaLoss
from matting_keras.training.norms import quicken
from matting_keras.training.precision import JITS, resolve
from matting_keras.weights.convert import to_pytorch
from matting_keras.weights.files import save, transfer
from matting_keras.weights.pytorch import write_state_dict

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
OPTIONS: dict[str, dict] = {"u2netp": {"training": True}, "dark-light": {}}
"""Of `build`, for the form that is trained."""

NORM = ("weight", "bias", "running_mean", "running_var")
"""PyTorch's names of a norm's weights, in Keras' order."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Load what the command line names, say so, then answer commands until stdin ends."""
    flags = parser().parse_args(arguments)
    tf.config.threading.set_intra_op_parallelism_threads(flags.threads)
    policy, compiled = resolve(POLICIES[flags.precision], flags.jit)
    keras.config.set_dtype_policy(policy)
    model = network(flags.network, flags.form, flags.weights)
    with np.load(flags.batch) as batch:
        images, alphas = tf.constant(batch["images"]), tf.constant(batch["alphas"])
    step = training_step(model, images, alphas, compiled)
    answer(step, {"keras": keras.__version__, "tensorflow": tf.__version__})
    return 0


def parser() -> argparse.ArgumentParser:
    """The process's options."""
    made = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    made.add_argument("--network", required=True, choices=sorted(OPTIONS))
    made.add_argument("--form", default="plain", choices=("plain", "weight space"))
    made.add_argument("--weights", required=True, metavar="FILE", help=".keras, with branches")
    made.add_argument("--batch", required=True, metavar="FILE", help="as for torch_training")
    made.add_argument("--precision", default="float32", choices=sorted(POLICIES))
    made.add_argument("--jit", default="auto", choices=JITS)
    made.add_argument("--threads", type=int, default=0, help="0: as many as TensorFlow takes")
    return made


def network(name: str, form: str, weights: str | Path) -> keras.Model:
    """Ours as it is trained: plain, or with asymmetric blocks that add their kernels."""
    source = load(weights)
    model = build(name, asymmetric=form == "weight space", **OPTIONS[name])
    transfer(source if form == "weight space" else fuse(source), model)
    return model


def training_step(
    model: keras.Model, images: tf.Tensor, alphas: tf.Tensor, compiled: bool
) -> Callable[[], float]:
    """A step of Adam on the sum of all outputs' cross-entropies; no metrics, as PyTorch has none.

    Returns:
        A function that takes a step and returns its loss, so it has ended by then.
    """
    several = isinstance(model.output, dict)
    quicken(model)  # as `train.py` does
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3, amsgrad=True),
        loss={name: AlphaLoss() for name in model.output} if several else AlphaLoss(),
        jit_compile=compiled,
    )
    truth = dict.fromkeys(model.output, alphas) if several else alphas
    return lambda: float(model.train_on_batch(images, truth, return_dict=True)["loss"])


def write(name: str, folder: str | Path) -> None:
    """Write random weights that all start from, norms included.

    Args:
        name: of the network.
        folder: where `branches.keras`, `plain.pth` and, for a LikeUnet, `branches.pth` go.
    """
    model, folder = lifelike(name), Path(folder)
    save(model, folder / "branches.keras")
    if name in SPECS:
        write_state_dict(tensors(model), folder / "branches.pth")
        write_state_dict(tensors(fuse(model)), folder / "plain.pth")
    else:
        to_pytorch(model, folder / "plain.pth")


def tensors(model: keras.Model) -> dict[str, np.ndarray]:
    """A LikeUnet's weights under the names of `torch_like_unet.LikeUnet`, in PyTorch's layouts."""
    found: dict[str, np.ndarray] = {}
    for layer in model.layers:
        if isinstance(layer, AsymmetricConv2D):
            for branch in BRANCHES:
                found[f"{layer.name}.{branch}.weight"] = _array(layer.kernels[branch])
                found[f"{layer.name}.{branch}.bias"] = _array(layer.biases[branch])
        else:
            for name, weight in zip(NORM, layer.weights, strict=False):
                found[f"{layer.name}.{name}"] = _array(weight)
    return found


def fed(name: str, side: int, batch: int, threads: int, rounds: int, steps: int) -> dict:
    """Images a second of ours alone and fed by the pipeline, in turn; see `throughput.training`."""
    from matting_keras.benchmark import throughput

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    return throughput.training([name], side * side, batch, rounds, steps)


def _array(weight) -> np.ndarray:
    value = np.asarray(weight, "float32")
    # (height, width, in, out), for a transposed convolution (height, width, out, in): PyTorch has
    # both the other way round.
    return np.ascontiguousarray(value.transpose(3, 2, 0, 1)) if value.ndim == 4 else value


if __name__ == "__main__":
    sys.exit(main())
