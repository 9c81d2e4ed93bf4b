"""A picture that is looked at as it is and mirrored."""

import numpy as np
import pytest
from PIL import Image

from matting_keras import Matter, cli
from matting_keras.evaluate import evaluate
from matting_keras.inference.mirrored import Mirrored
from matting_keras.inference.runtimes import for_frames
from matting_keras.weights.presets import find


class Leftist:
    """A network that takes what is bright for a person, and likes the left half better."""

    name, device, metadata = "leftist", "CPU", {"matting_keras.area": "1024"}

    def __init__(self):
        self.looks = 0

    def run(self, batch):
        self.looks += 1
        alpha = batch[..., :1] / 255
        alpha[:, :, batch.shape[2] // 2 :] *= 0.5
        return alpha


def picture() -> np.ndarray:
    batch = np.zeros((2, 32, 64, 3), np.float32)
    batch[0, 8:, :10], batch[1, :, 40:] = 255, 255
    return batch


def test_the_surer_look_counts_for_more_and_stays_in_place():
    network = Leftist()
    twice = Mirrored(network).run(picture())
    assert network.looks == 2 and twice.dtype == np.float32
    sure, doubtful = 0.55**2, 0.05**2
    wanted = (sure + 0.5 * doubtful) / (sure + doubtful)
    np.testing.assert_allclose(twice, wanted * picture()[..., :1] / 255, atol=1e-6)


def test_frames_are_looked_at_once():
    network = Leftist()
    inner, calls = for_frames(Mirrored(network), ahead=True)
    assert inner is network and calls == 1


def test_says_what_it_is_like_the_network_inside():
    network = Leftist()
    twice = Mirrored(network)
    assert (twice.name, twice.device, twice.metadata) == (
        network.name,
        network.device,
        network.metadata,
    )


def test_an_output_of_another_shape_is_left_to_whoever_asked():
    class Wrong(Leftist):
        def run(self, batch):
            return np.zeros((3, 4, 4))

    assert Mirrored(Wrong()).run(picture()).shape == (3, 4, 4)


def test_shipped_networks_look_twice_and_others_when_told(tiny_onnx):
    for shipped in ("dark-light", find("dark-light")):
        assert Matter(shipped).looks == 2
        assert Matter(shipped, looks=1).looks == 1
    assert Matter(tiny_onnx).looks == 1
    assert Matter(tiny_onnx, looks=2).looks == 2


def test_a_pictures_mirror_image_has_the_alphas_mirror_image():
    photo = np.random.default_rng(0).integers(0, 256, (96, 64, 3), dtype=np.uint8)
    turned = np.ascontiguousarray(photo[:, ::-1])
    options = {"area": 96 * 64, "refine": "off", "parts": "all"}
    for looks in (1, 2):
        matter = Matter("dark-light", looks=looks, **options)
        apart = np.abs(matter(photo) - matter(turned)[:, ::-1]).max()
        assert (apart < 1e-5) == (looks == 2)


def test_the_command_passes_it_on(tmp_path):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    alphas = {}
    for words in ("--looks=2", "--looks=1", ""):
        told = ["--weights", "dark-light", "--parts", "all", "--alpha-only", *words.split()]
        out = tmp_path / f"out{words}"
        assert cli.main(["matte", str(tmp_path / "a.png"), *told, "--output", str(out)]) == 0
        alphas[words] = np.array(Image.open(out / "a.png"))
    np.testing.assert_array_equal(alphas[""], alphas["--looks=2"])
    assert (alphas["--looks=1"] != alphas["--looks=2"]).any()


def test_evaluate_says_how_often_it_looked(tmp_path, capsys):
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(tmp_path / "room.png")
    for words, shown in (([], "81,920×2"), (["--looks", "1"], "81,920 ")):
        asked = ["evaluate", "dark-light", "--data", str(tmp_path), "--people", "none"]
        assert cli.main([*asked, *words]) == 0
        assert shown in capsys.readouterr().out


def test_peers_look_twice_only_when_told(tmp_path, monkeypatch):
    class Left:
        area = None

        def __init__(self, path):
            pass

        def __call__(self, image):
            alpha = np.zeros(image.shape[:2], np.float32)
            alpha[:, : image.shape[1] // 4] = 1
            return alpha

    monkeypatch.setattr("matting_keras.evaluate.Peer", Left)
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(tmp_path / "room.png")
    for looks in (None, 1, 2):
        found = evaluate("x.onnx", tmp_path, peer=True, people="none", looks=looks, quiet=True)
        assert found.summary["MAD"] == pytest.approx(1 / 4)
        assert found.summary["MSE"] == pytest.approx(1 / 8 if looks == 2 else 1 / 4)
