"""The network that benchmarks compare ours with is the same network."""

from __future__ import annotations

import numpy as np
import pytest

from matting_keras.weights.convert import to_pytorch
from tests.networks import lively, noise

torch = pytest.importorskip("torch", reason="PyTorch is not installed; pip install torch")


@pytest.fixture(scope="module")
def ours():
    model = lively("u2netp", training=True)
    for number in range(1, 7):
        # Logits of hundreds would saturate the maps and hide what differs.
        kernel = model.get_layer(f"side{number}").kernel
        kernel.assign(kernel / 20)
    return model


@pytest.fixture(scope="module")
def theirs(ours, tmp_path_factory):
    from benchmarks.torch_u2netp import U2NetP

    path = tmp_path_factory.mktemp("u2netp") / "u2netp.pth"
    to_pytorch(ours, path)
    network = U2NetP()
    network.load_state_dict(torch.load(path, weights_only=True), strict=True)
    return network.eval()


@pytest.mark.parametrize("size", [(2, 64, 96), (1, 75, 53)], ids=["even", "odd"])
def test_pytorchs_seven_maps_are_ours(ours, theirs, size):
    from benchmarks.torch_u2netp import network_input

    images = noise(ours, size)
    wanted = ours(images, training=False)
    with torch.inference_mode():
        found = theirs(network_input(images))
    names = ["alpha", *(f"side{number}" for number in range(1, 7))]
    assert len(found) == len(wanted) == len(names)
    for name, theirs_map in zip(names, found, strict=True):
        ours_map = np.array(wanted[name])
        assert np.ptp(ours_map) > 0.01, f"{name} is constant; agreement would prove nothing"
        theirs_map = theirs_map.numpy().transpose(0, 2, 3, 1)
        np.testing.assert_allclose(theirs_map, ours_map, rtol=0, atol=1e-4, err_msg=name)
