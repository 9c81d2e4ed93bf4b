"""A process that trains a network in PyTorch one step at a time when told to.

python -m benchmarks.torch_training --network dark-light --weights FILE --batch FILE, then a line of
JSON a command on stdin: {"command": "step"} is answered by {"seconds": ..., "loss": ...}. The end
of stdin ends it.

It needs PyTorch and numpy and nothing of this project: its interpreter may be another one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks import torch_like_unet, torch_u2netp
from benchmarks.answering import answer

NETWORKS: dict[str, dict[str, Callable[[], nn.Module]]] = {
    "u2netp": {"plain": torch_u2netp.U2NetP},
    "dark-light": {form: partial(torch_like_unet.LikeUnet, form) for form in torch_like_unet.FORMS},
}
"""What builds each network, by the form of its blocks."""

INPUTS = {"u2netp": torch_u2netp.network_input, "dark-light": torch_like_unet.network_input}
LAYOUTS = {"NCHW": torch.contiguous_format, "channels_last": torch.channels_last}
PRECISIONS = ("float32", "bfloat16")

EPSILON = 1e-6
"""As `matting_keras.training.losses.AlphaLoss` keeps alphas away from 0 and 1."""


def training_step(
    network: nn.Module, images: Tensor, alphas: Tensor, precision: str
) -> Callable[[], float]:
    """A step of Adam on the sum of all outputs' cross-entropies, as ours takes it.

    Args:
        network: gives a tuple of alphas; put into training.
        images: as the network takes them, (batch, channels, height, width).
        alphas: (batch, 1, height, width), 0..1.
        precision: "float32" or "bfloat16", which is autocast's.

    Returns:
        A function that takes a step and returns its loss, so it has ended by then.
    """
    # Keras' epsilon: with PyTorch's own, 1e-8, the two optimizers would not be the same.
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, eps=1e-7, amsgrad=True, fused=True)
    network.train()

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            found = network(images)
        loss = sum(
            functional.binary_cross_entropy(one.clamp(EPSILON, 1 - EPSILON), alphas)
            for one in found
        )
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def main(arguments: Sequence[str] | None = None) -> int:
    """Load what the command line names, say so, then answer commands until stdin ends."""
    flags = parser().parse_args(arguments)
    torch.set_num_threads(flags.threads)
    step = training_step(*loaded(flags), flags.precision)
    answer(step, {"torch": torch.__version__})
    return 0


def loaded(flags: argparse.Namespace) -> tuple[nn.Module, Tensor, Tensor]:
    """Network, images and alphas, in the layout asked for."""
    layout = LAYOUTS[flags.layout]
    network = NETWORKS[flags.network][flags.form]()
    network.load_state_dict(torch.load(flags.weights, weights_only=True), strict=True)
    with np.load(flags.batch) as batch:
        images = INPUTS[flags.network](batch["images"]).to(memory_format=layout)
        alphas = torch.from_numpy(batch["alphas"].transpose(0, 3, 1, 2).copy())
    return network.to(memory_format=layout), images, alphas


def parser() -> argparse.ArgumentParser:
    """The process's options."""
    made = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    made.add_argument("--network", required=True, choices=sorted(NETWORKS))
    made.add_argument("--form", default="plain", help="of its blocks")
    made.add_argument("--weights", required=True, metavar="FILE", help="a state dict (.pth)")
    made.add_argument(
        "--batch",
        required=True,
        metavar="FILE",
        help=".npz: images (batch, height, width, channels) 0..255, "
        "alphas (batch, height, width, 1)",
    )
    made.add_argument("--precision", default="float32", choices=PRECISIONS)
    made.add_argument("--layout", default="NCHW", choices=sorted(LAYOUTS))
    made.add_argument("--threads", type=int, default=torch.get_num_threads())
    return made


if __name__ == "__main__":
    sys.exit(main())
