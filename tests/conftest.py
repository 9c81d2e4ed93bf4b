"""Things several tests need, small enough to be made afresh."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.torch_files import reader

HERE = Path(__file__).resolve().parent.parent

SHARING = ("test_average", "test_convert", "test_export", "test_onnx_half", "test_torch_u2netp")
"""Modules of unit tests whose fixtures take seconds."""

# As train.py does: where a processor has no AVX-512 TensorFlow leaves its fast convolutions off.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

# What a shell starts in the background is told to ignore ctrl-C, which the package respects: its
# tests of ctrl-C would fail or never end there.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def write_tiny_onnx(
    path: Path,
    *,
    image: str = "image",
    alpha: str = "alpha",
    channels: int = 3,
    weights: tuple[float, ...] = (1 / 765, 1 / 765, 1 / 765),
    metadata: dict[str, str] | None = None,
) -> Path:
    """An ONNX file in the form of our exports, giving alpha = (red + green + blue) / 765."""
    from onnx import TensorProto, checker, helper, numpy_helper, save_model

    sizes = ["batch", "height", "width"]
    kernel = np.array(weights, np.float32).reshape(-1, 1)
    graph = helper.make_graph(
        [helper.make_node("MatMul", [image, "kernel"], [alpha])],
        "tiny",
        [helper.make_tensor_value_info(image, TensorProto.FLOAT, [*sizes, channels])],
        [helper.make_tensor_value_info(alpha, TensorProto.FLOAT, [*sizes, 1])],
        [numpy_helper.from_array(kernel, "kernel")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    helper.set_model_props(model, metadata or {})
    checker.check_model(model)
    save_model(model, path)
    return path


@pytest.fixture(scope="session")
def tiny_onnx(tmp_path_factory) -> Path:
    """A network in the form of our exports whose alpha is the picture's brightness."""
    return write_tiny_onnx(tmp_path_factory.mktemp("tiny") / "tiny.onnx")


@pytest.fixture(scope="session")
def samples() -> Path:
    """The portraits that come with the project."""
    return HERE / "samples"


@pytest.fixture
def gradient() -> np.ndarray:
    """A picture, 40 x 60, no two corners of which are alike."""
    rows, columns = np.mgrid[0:40, 0:60]
    return np.stack([rows * 6, columns * 4, 128 + 0 * rows], axis=-1).astype(np.uint8)


@pytest.fixture
def saved(tmp_path) -> Callable[..., Path]:
    """Writes a PIL image to a temporary file: saved(image, "name.png", **options)."""

    def save(image: Image.Image, name: str, **options) -> Path:
        image.save(tmp_path / name, **options)
        return tmp_path / name

    return save


@pytest.fixture
def pairs(tmp_path) -> Callable[[int], Path]:
    """Makes a data folder of small portraits with masks: pairs(count) -> its path."""

    def make(count: int) -> Path:
        from matting_keras.data.synthetic import synthetic_portrait

        root = tmp_path / "portraits"
        for part in ("images", "masks"):
            (root / part).mkdir(parents=True)
        for i in range(count):
            rgb, alpha = synthetic_portrait(i, 32, 24)
            Image.fromarray(rgb).save(root / "images" / f"p{i}.png")
            mask = Image.fromarray((alpha > 0.5).astype("uint8") * 255)
            mask.save(root / "masks" / f"p{i}.png")
        return root

    return make


@pytest.fixture(params=["ours", "torch"])
def read(request, monkeypatch):
    """Reads a PyTorch checkpoint, with our own reader and with PyTorch's."""
    return reader(request.param, monkeypatch)


@pytest.fixture
def ours(monkeypatch):
    """Reads a PyTorch checkpoint with our own reader."""
    return reader("ours", monkeypatch)


@pytest.fixture
def laid(tmp_path) -> Callable[[str], Path]:
    """Draws a published data set into a folder of its own: laid("p3m") -> its path."""
    from tests.dummy_sets import SETS

    def lay(name: str) -> Path:
        root = tmp_path / name
        root.mkdir()
        SETS[name](root)
        return root

    return lay


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in its own hook, which comes before
def pytest_collection_modifyitems(items):
    """Keep in one process what shares costly fixtures: an architecture's contract, a module's."""
    for item in items:
        folder, module = item.path.parent.name, item.path.stem
        options = item.callspec.params if hasattr(item, "callspec") else {}
        if folder == "contract":
            item.add_marker(pytest.mark.xdist_group(options.get("name", item.name)))
        elif folder in ("e2e", "hostile") or module in SHARING:
            item.add_marker(pytest.mark.xdist_group(module))


def pytest_collection_finish():
    """Search for garbage less often, and not among what lives as long as the process.

    TensorFlow and a thousand collected tests are a million objects, walked again for every few
    networks that a test builds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
