import json
import sys

import numpy as np
import pytest
from PIL import Image

from matting_keras.errors import InputError
from matting_keras.training.lr_curve import judged, smooth
from matting_keras.training.lr_plot import draw


def test_the_steepest_rate_does_not_lag():
    # A fall around 1e-3, by construction; a running average would see it later.
    rates = np.geomspace(1e-6, 1, 121)
    losses = 1 / (1 + np.exp(4 * np.log10(rates / 1e-3)))
    noise = np.random.default_rng(0).normal(0, 0.01, 121)
    found = judged(
        rates.tolist(), (losses + 1 + noise).tolist(), "complete", None,
        smoothing=4.0, ramp="exponential",
    )  # fmt: skip
    assert found.steepest == pytest.approx(1e-3, rel=0.6)


def test_one_spike_is_no_divergence_and_does_not_hide_the_fall():
    rates = np.geomspace(1e-4, 1, 60)
    losses = 2 - 1 / (1 + np.exp(-np.arange(-30, 30) / 3))
    losses[-1] = 1e9
    found = judged(rates.tolist(), losses.tolist(), "diverged", 1.0, smoothing=2.0, ramp="linear")
    assert found.steepest == pytest.approx(rates[30], rel=0.5)


def test_a_fall_to_a_hundredth_is_seen_where_it_is():
    rates = np.geomspace(1e-6, 1, 121)
    losses = 0.01 + 1 / (1 + (rates / 1e-3) ** 2)
    found = judged(
        rates.tolist(), losses.tolist(), "complete", None, smoothing=2.0, ramp="exponential"
    )
    assert found.smoothed[0] == pytest.approx(1.01, rel=1e-3)
    assert found.steepest == pytest.approx(1e-3, rel=0.3)


def test_noise_before_the_fall_is_not_taken_for_it():
    rates = np.geomspace(1e-6, 1, 121)
    losses = 4 - 2 / (1 + (rates / 1e-2) ** -1)
    losses[:4] += 3
    found = judged(
        rates.tolist(), losses.tolist(), "complete", None, smoothing=1.0, ramp="exponential"
    )
    assert found.steepest == pytest.approx(1e-2, rel=0.3)


def test_smoothing_keeps_a_constant_and_a_total():
    np.testing.assert_allclose(smooth(np.full(20, 3.0), 2.0), 3.0)
    np.testing.assert_allclose(smooth(np.full(3, 3.0), 5.0), 3.0)
    spike = np.zeros(41)
    spike[20] = 1
    smoothed = smooth(spike, 2.0)
    assert smoothed.sum() == pytest.approx(1)
    assert smoothed[20] == smoothed.max()
    np.testing.assert_allclose(smoothed, smoothed[::-1], atol=1e-12)


@pytest.mark.parametrize("ramp", ["exponential", "linear"])
@pytest.mark.parametrize("ended", ["complete", "diverged", "not finite"])
def test_plot_and_json(ramp, ended, tmp_path):
    rates = np.geomspace(1e-4, 1, 40)
    losses = 1 / (1 + (rates / 1e-2) ** 2)
    end = None if ended == "complete" else 1.0
    found = judged(rates.tolist(), losses.tolist(), ended, end, smoothing=2.0, ramp=ramp)
    draw(found, tmp_path / "rates.png")
    with Image.open(tmp_path / "rates.png") as picture:
        assert picture.format == "PNG"
        assert picture.size == (1200, 720)
        colours = {colour for _, colour in picture.convert("RGB").getcolors(2**24)}
        assert (0xD5, 0x5E, 0) in colours, "the suggestion is marked"
    found.save(tmp_path / "rates.json")
    facts = json.loads((tmp_path / "rates.json").read_text())
    assert facts["steepest"] == found.steepest
    assert facts["suggestion"] == found.suggestion
    assert len(facts["rates"]) == len(facts["losses"]) == len(facts["smoothed"])


def test_plot_and_json_without_a_suggestion(tmp_path):
    flat = judged([1.0, 2.0], [1.0, 1.0], "complete", None, smoothing=0, ramp="linear")
    draw(flat, tmp_path / "flat.png")
    assert (tmp_path / "flat.png").is_file()
    flat.save(tmp_path / "flat.json")
    assert json.loads((tmp_path / "flat.json").read_text())["suggestion"] is None


def test_plot_without_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    flat = judged([1.0, 2.0], [1.0, 1.0], "complete", None, smoothing=0, ramp="linear")
    with pytest.raises(InputError, match=r"\.\[plots\]"):
        draw(flat, tmp_path / "rates.png")
    assert not list(tmp_path.iterdir())
