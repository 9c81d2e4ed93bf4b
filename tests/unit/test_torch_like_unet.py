"""Dark-Light, as benchmarks train it in PyTorch, is the same network and learns the same."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from matting_keras import build, fuse
from matting_keras.weights.files import transfer
from tests.networks import lively, noise

torch = pytest.importorskip("torch", reason="PyTorch is not installed; pip install torch")

FORMS = ("three branches", "weight space", "plain")


@pytest.fixture(scope="module")
def ours():
    return lively("dark-light", asymmetric=True)


@pytest.fixture
def theirs(ours):
    """Makes PyTorch's network of a form, with our weights."""
    from benchmarks.keras_training import tensors
    from benchmarks.torch_like_unet import LikeUnet

    def make(form: str):
        weights = tensors(fuse(ours) if form == "plain" else ours)
        network = LikeUnet(form)
        network.load_state_dict({k: torch.tensor(v) for k, v in weights.items()}, strict=True)
        return network

    return make


@pytest.mark.parametrize("form", FORMS)
def test_pytorchs_alpha_is_ours(ours, theirs, form):
    from benchmarks.torch_like_unet import network_input

    images = noise(ours, (2, 64, 96))
    wanted = np.array(ours(images, training=False))
    assert np.ptp(wanted) > 0.01, "the alpha is constant; agreement would prove nothing"
    with torch.inference_mode():
        (found,) = theirs(form).eval()(network_input(images))
    np.testing.assert_allclose(found.numpy().transpose(0, 2, 3, 1), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_pytorch_learns_the_same(ours, theirs, form):
    from benchmarks.keras_training import training_step as our_step
    from benchmarks.torch_like_unet import network_input
    from benchmarks.torch_training import training_step as their_step

    images = noise(ours, (2, 64, 96))
    alphas = np.random.default_rng(1).uniform(0, 1, (*images.shape[:3], 1)).astype("float32")
    model = build("dark-light", asymmetric=form != "plain")
    transfer(fuse(ours) if form == "plain" else ours, model)
    network = theirs(form)
    wanted = our_step(model, keras.ops.array(images), keras.ops.array(alphas), False)
    truth = torch.tensor(alphas.transpose(0, 3, 1, 2))
    found = their_step(network, network_input(images), truth, "float32")
    losses = [(wanted(), found())]
    norm = model.get_layer("conv1_norm")
    peer = network.get_submodule("conv1_norm")
    np.testing.assert_allclose(peer.running_mean.numpy(), norm.moving_mean, rtol=1e-4, atol=1e-5)
    # PyTorch keeps the variance times n / (n - 1); here n is 12288.
    np.testing.assert_allclose(peer.running_var.numpy(), norm.moving_variance, rtol=2e-4)
    losses += [(wanted(), found()) for _ in range(3)]
    assert losses[0][0] - losses[-1][0] > 1e-3, "nothing is learned; agreement proves nothing"
    np.testing.assert_allclose(*np.transpose(losses), rtol=1e-3)
