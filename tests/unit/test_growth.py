import numpy as np
import pytest

from matting_keras import build
from matting_keras.data.synthetic import synthetic_portrait
from matting_keras.errors import InputError
from matting_keras.layers.colour import LUMA
from matting_keras.weights.files import load, transfer
from matting_keras.weights.growth import PORTRAITS
from matting_keras.weights.presets import SMALLER


def unseen(channels: int) -> np.ndarray:
    """Drawn portraits on which nothing was fitted, of another size."""
    drawn = [synthetic_portrait(PORTRAITS + seed, 128, 96)[0] for seed in range(8)]
    images = np.stack(drawn).astype("float32")
    return images if channels == 3 else images @ LUMA[:, None]


# A fit of seconds each; the gray one is the same at one channel.
LARGE = [pytest.param(n, marks=pytest.mark.thorough if n == "dark" else ()) for n in SMALLER]


@pytest.mark.parametrize("name", LARGE)
def test_large_network_begins_near_the_small_one(name):
    small, large, fresh = load(SMALLER[name]), build(name, asymmetric=True), build(name)
    transfer(small, large)
    images = unseen(small.input_shape[-1])
    wanted = np.array(small(images))

    def apart(model) -> float:
        return float(np.abs(np.array(model(images)) - wanted).mean())

    assert apart(large) < 0.1
    assert apart(fresh) > 3 * apart(large)
    # What is in the large network beyond the small one listens to something and can learn.
    kernel, _ = large.get_layer("conv5").fused_weights()
    assert kernel.shape[-1] == 256
    assert (np.abs(kernel).max((0, 1, 2)) > 0).all()


def test_networks_of_the_large_form_must_not_norm_their_branches():
    with pytest.raises(InputError, match="branch_norm"):
        transfer(build("night-lite"), build("night", asymmetric=True, branch_norm=True))
