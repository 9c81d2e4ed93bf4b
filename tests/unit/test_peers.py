import numpy as np
import pytest
from PIL import Image

from matting_keras.errors import InputError
from matting_keras.inference.peers import Peer, short_side
from tests.peer_files import write_peer
from tests.places import DATA

TEACHERS = DATA / "teachers"


def even(red: int, size: tuple[int, int] = (40, 30)) -> np.ndarray:
    return np.full((*size, 3), (red, 0, 0), np.uint8)


def test_modnet_sees_values_from_minus_one_to_one(tmp_path):
    peer = Peer(write_peer(tmp_path / "m.onnx", ["n", 3, "h", "w"], 1))
    assert (peer.name, peer.area) == ("MODNet", None)
    alpha = peer(even(191))
    assert alpha.shape == (40, 30)
    assert alpha.dtype == np.float32
    np.testing.assert_allclose(alpha, 191 / 127.5 - 1, atol=1e-6)


def test_u2net_sees_a_picture_divided_by_its_maximum_and_normed(tmp_path):
    peer = Peer(write_peer(tmp_path / "u.onnx", [1, 3, 320, 320], 7))
    assert (peer.name, peer.area) == ("U²-Net", 320 * 320)
    image = even(100)
    image[:20, :, 1] = 120
    # Red is 100/120 everywhere: normed to 1.5209, and an alpha ends at 1.
    np.testing.assert_allclose(peer(image), 1)
    image[:, :, 0] = 60
    np.testing.assert_allclose(peer(image), (0.5 - 0.485) / 0.229, atol=1e-5)
    np.testing.assert_allclose(peer(np.zeros((8, 8, 3), np.uint8)), 0)


def test_modnets_size_follows_the_shorter_side():
    assert short_side(512, 512) == (512, 512)
    assert short_side(600, 800) == (512, 672)
    assert short_side(1920, 1080) == (896, 512)
    assert short_side(10, 9) == (544, 512)


def test_what_is_transparent_stays_transparent(tmp_path):
    peer = Peer(write_peer(tmp_path / "m.onnx", ["n", 3, "h", "w"], 1))
    image = np.dstack([even(255), np.full((40, 30), 51, np.uint8)])
    np.testing.assert_allclose(peer(image), 0.2, atol=1e-6)


def test_what_is_no_peer_is_refused(tmp_path, tiny_onnx):
    for path, message in (
        (tmp_path / "no.onnx", "no such file"),
        (tiny_onnx, r"has image \['batch', 'height', 'width', 3\]"),
        (write_peer(tmp_path / "two.onnx", [1, 3, 64, 64], 2), "has x"),
    ):
        with pytest.raises(InputError, match=message):
            Peer(path)
    for name in ("x.onnx", "x.tflite"):
        (tmp_path / name).write_bytes(b"not a network")
        with pytest.raises(InputError, match=r"x\.(onnx|tflite): (cannot be loaded|running it)"):
            Peer(tmp_path / name)
    (tmp_path / "x.pth").write_bytes(b"")
    with pytest.raises(InputError, match="not one of the known forms"):
        Peer(tmp_path / "x.pth")


@pytest.mark.skipif(not TEACHERS.is_dir(), reason="needs the published networks of shared/data")
@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("u2netp.onnx", "U²-Net"),
        ("modnet_photographic.onnx", "MODNet"),
        ("selfie_segmentation.tflite", "MediaPipe selfie"),
    ],
)
def test_published_networks_find_the_astronaut(file, name, samples):
    if file.endswith("tflite"):
        pytest.importorskip("ai_edge_litert")
    peer = Peer(TEACHERS / file)
    assert peer.name == name
    alpha = peer(samples / "astronaut.png")
    with Image.open(samples / "astronaut.png") as photo:
        assert alpha.shape == photo.size[::-1]
    height, width = alpha.shape
    assert alpha[height // 2 :, width // 3 : width // 2].mean() > 0.9
    assert alpha[: height // 8, : width // 8].mean() < 0.1
