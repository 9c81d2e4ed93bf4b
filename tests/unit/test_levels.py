"""Black and white point of an alpha."""

import numpy as np
import pytest
from PIL import Image

from matting_keras import Matter, cli
from matting_keras.errors import InputError
from matting_keras.evaluate import evaluate
from matting_keras.inference.finish import Finish, Finished
from matting_keras.inference.levels import SHIPPED, UNTOUCHED, stretched
from matting_keras.weights.presets import find


class Ramp:
    """A network that says 0 at the left and 1 at the right."""

    name, device, metadata = "ramp", "CPU", {"matting_keras.area": "1024"}

    def run(self, batch):
        row = np.linspace(0, 1, batch.shape[2], dtype=np.float32)
        return np.broadcast_to(row[:, None], (*batch.shape[:3], 1))


def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (96, 64, 3), dtype=np.uint8)


def test_what_is_nearly_nobody_is_nobody_and_what_is_nearly_sure_is():
    alpha = stretched(np.linspace(0, 1, 11, dtype=np.float32), 0.2, 0.7)
    wanted = [0, 0, 0, 0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1]
    np.testing.assert_allclose(alpha, wanted, atol=1e-6)
    assert alpha.dtype == np.float32


@pytest.mark.parametrize(
    "levels", [(0.5, 0.5), (0.9, 0.1), (-0.1, 1), (0, 1.2), (np.nan, 1), (0.1,), ()]
)
def test_levels_out_of_order_are_refused(levels):
    with pytest.raises(InputError, match="0 <= LOW < HIGH <= 1"):
        Matter("dark-light", levels=levels)


def test_a_runtime_is_stretched():
    levelled = Finished(Ramp(), Finish(levels=(0.2, 0.7)))
    batch = np.zeros((2, 32, 32, 3), np.float32)
    wanted = stretched(Ramp().run(batch), 0.2, 0.7)
    np.testing.assert_array_equal(levelled.run(batch), wanted)
    assert levelled.metadata == Ramp.metadata


def test_nan_is_left_to_whoever_asked():
    class Broken(Ramp):
        def run(self, batch):
            return np.full((*batch.shape[:3], 1), np.nan, np.float32)

    broken = Finished(Broken(), Finish(levels=(0.1, 0.9)))
    assert np.isnan(broken.run(np.zeros((1, 32, 32, 3)))).all()


def test_shipped_weights_have_levels_and_others_what_they_are_told(tiny_onnx):
    for shipped in ("dark-light", find("dark-light")):
        assert Matter(shipped).levels == SHIPPED
        assert Matter(shipped, levels=(0, 1)).levels == UNTOUCHED
    assert Matter(tiny_onnx).levels == UNTOUCHED
    assert Matter(tiny_onnx, levels=(0.1, 0.8)).levels == (0.1, 0.8)


def test_a_photos_alpha_is_the_networks_stretched():
    options = {"area": 96 * 64, "refine": "off", "parts": "all"}
    raw = Matter("dark-light", levels=(0, 1), **options)(photo())
    alpha = Matter("dark-light", levels=(0.02, 0.6), **options)(photo())
    assert np.ptp(raw) > 0.01, "a constant alpha would prove nothing"
    np.testing.assert_allclose(alpha, stretched(raw, 0.02, 0.6), atol=1e-6)


def test_the_command_passes_them_on(tmp_path, capsys):
    Image.fromarray(photo()).save(tmp_path / "a.png")
    alphas = {}
    for words in ("--levels 0 1", "--levels 0.05 0.95", "--levels 0 0.1", ""):
        told = ["--weights", "dark-light", "--parts", "all", "--alpha-only", *words.split()]
        out = tmp_path / f"out{words}"
        assert cli.main(["matte", str(tmp_path / "a.png"), *told, "--output", str(out)]) == 0
        alphas[words] = np.array(Image.open(out / "a.png"))
    np.testing.assert_array_equal(alphas[""], alphas["--levels 0.05 0.95"])
    assert alphas["--levels 0 1"].mean() < alphas["--levels 0 0.1"].mean()
    told = ["--weights", "dark-light", "--levels", "0.9", "0.1"]
    assert cli.main(["matte", str(tmp_path / "a.png"), *told, "--output", str(tmp_path / "b")]) == 1
    assert "LOW < HIGH <= 1, for example 0.05 0.95; got 0.9 0.1" in capsys.readouterr().err


def test_evaluate_takes_them_for_ours_and_for_peers(tmp_path, monkeypatch):
    class Veil:
        area = None

        def __init__(self, path):
            pass

        def __call__(self, image):
            return np.full(image.shape[:2], 0.1, np.float32)

    monkeypatch.setattr("matting_keras.evaluate.Peer", Veil)
    Image.fromarray(photo()).save(tmp_path / "room.png")
    told = {"people": "none", "refine": "guided", "quiet": True}

    def mean_alpha(model, **options):
        return evaluate(model, tmp_path, **told, **options).rows[0]["MAD"]

    assert mean_alpha("veil.onnx", peer=True) == pytest.approx(0.1)
    assert mean_alpha("veil.onnx", peer=True, levels=(0.1, 1)) == pytest.approx(0, abs=1e-6)
    raw, wide = (mean_alpha("dark-light", parts="all", levels=x) for x in ((0, 1), (0, 0.5)))
    assert 0 < raw < wide
