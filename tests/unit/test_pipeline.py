"""A picture's way to the network and its alpha's way back, in every engine."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from matting_keras import Matter
from matting_keras.errors import InputError
from matting_keras.inference.matter import AREA
from matting_keras.inference.pipeline import BATCH, prepare
from matting_keras.inference.runtimes import RUNTIMES, open_runtime
from matting_keras.media.images import Photo
from tests.conftest import write_tiny_onnx

SIZES = [(1, 1), (1, 2000), (2000, 1), (33, 47), (288, 384), (300, 200), (1080, 1920)]


@pytest.fixture(scope="module")
def matter(tiny_onnx):
    return Matter(tiny_onnx)


def smooth(height: int, width: int) -> np.ndarray:
    rows = np.linspace(0, 200, height)[:, None]
    columns = np.linspace(0, 55, width)[None]
    return np.repeat((rows + columns)[..., None], 3, axis=-1).round().astype(np.uint8)


@pytest.mark.parametrize("size", SIZES)
def test_alpha_has_the_pictures_size_and_lies_where_the_picture_lies(matter, size):
    picture = smooth(*size)
    alpha = matter(picture)
    assert alpha.dtype == np.float32 and alpha.shape == size
    # The network's alpha is the brightness: any shift, flip or crop would show.
    assert np.abs(alpha - picture[..., 0] / 255).max() < 0.03


def test_a_batch_gives_what_single_calls_give_in_order(matter):
    pictures = [smooth(*size) + np.uint8(index) for index, size in enumerate(SIZES * 2)]
    for alone, together in zip(map(matter, pictures), matter.batch(pictures), strict=True):
        np.testing.assert_allclose(together, alone, atol=1e-6)


def test_pictures_of_one_shape_run_together(matter, monkeypatch):
    shapes = []
    run = matter.runtime.run
    monkeypatch.setattr(
        matter.runtime, "run", lambda batch: (shapes.append(batch.shape), run(batch))[1]
    )
    matter.batch([smooth(288, 384)] * (BATCH + 2) + [smooth(384, 288)])
    assert sorted(shape[0] for shape in shapes) == [1, 2, BATCH]


def test_an_empty_batch_is_empty(matter):
    assert matter.batch([]) == []


def test_own_transparency_multiplies(matter):
    picture = np.full((50, 40, 4), 255, np.uint8)
    picture[:25, :, 3] = 51
    alpha = matter(picture)
    np.testing.assert_allclose(alpha[:25], 0.2, atol=1e-3)
    np.testing.assert_allclose(alpha[25:], 1, atol=1e-3)


def test_padding_repeats_the_edge():
    prepared = prepare(Photo(smooth(100, 90), None), 128 * 96)
    height, width = prepared.canvas.inner
    values = prepared.values
    assert values.shape == (*prepared.canvas.outer, 3) != (height, width, 3)
    last = values[height - 1 : height, width - 1 : width]
    beyond = values[height - 1 :, width - 1 :]
    np.testing.assert_array_equal(beyond, np.broadcast_to(last, beyond.shape))


def test_shrinking_averages_every_pixel():
    """Stripes one pixel wide become their mean; a plain sampler would keep or lose them."""
    stripes = np.zeros((640, 640, 3), np.uint8)
    stripes[:, ::2] = 200
    values = prepare(Photo(stripes, None), 64 * 64).values
    assert np.abs(values.astype(int) - 100).max() <= 4, "a little more at the border"
    assert np.abs(values[1:-1, 1:-1].astype(int) - 100).max() <= 1


@pytest.mark.parametrize(
    ("given", "metadata", "wanted"),
    [
        (None, {}, AREA),
        (None, {"matting_keras.area": "4096"}, 4096),
        (9216, {}, 9216),
        (9216, {"matting_keras.area": "4096"}, 9216),
    ],
)
def test_the_area_is_the_callers_then_the_files(tmp_path, given, metadata, wanted):
    path = write_tiny_onnx(tmp_path / "net.onnx", metadata=metadata)
    assert Matter(path, area=given).area == wanted


def test_alpha_is_limited_to_0_and_1(tmp_path):
    path = write_tiny_onnx(tmp_path / "bright.onnx", weights=(1, 1, -0.5))
    alpha = Matter(path)(smooth(64, 64))
    assert alpha.min() >= 0 and alpha.max() == 1


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_engines_for_onnx_agree(tiny_onnx, runtime):
    if runtime == "openvino":
        pytest.importorskip("openvino")
    engine = open_runtime(tiny_onnx, runtime)
    batch = np.random.default_rng(0).uniform(0, 255, (2, 64, 96, 3)).astype(np.float32)
    alpha = engine.run(batch)
    assert engine.name == runtime and alpha.shape == (2, 64, 96, 1)
    np.testing.assert_allclose(alpha, batch.mean(-1, keepdims=True) / 255, atol=1e-6)
    np.testing.assert_allclose(engine.run(batch[:1, :32]), alpha[:1, :32], atol=1e-6)


def test_a_missing_engine_names_its_package(tiny_onnx, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(InputError, match="pip install openvino"):
        open_runtime(tiny_onnx, "openvino")


@pytest.mark.parametrize(
    ("model", "runtime", "message"),
    [
        ("none.onnx", "auto", "none.onnx: no such file"),
        ("tiny.onnx", "gpu", "no runtime 'gpu'; there are auto, onnxruntime"),
        ("tiny.onnx", "litert", "litert does not run .onnx files but .tflite"),
        ("tiny.onnx", "keras", "keras does not run .onnx files but .keras"),
        ("notes.txt", "auto", "cannot be run; expected a network"),
    ],
)
def test_a_model_that_cannot_be_run_says_why(tmp_path, tiny_onnx, model, runtime, message):
    (tmp_path / "tiny.onnx").write_bytes(tiny_onnx.read_bytes())
    (tmp_path / "notes.txt").write_text("weights")
    with pytest.raises(InputError, match=message):
        Matter(tmp_path / model, runtime=runtime)


def test_an_area_must_be_positive(tiny_onnx):
    with pytest.raises(InputError, match="positive number of pixels, got 0"):
        Matter(tiny_onnx, area=0)


def test_a_pil_image_and_its_array_give_the_same(matter, gradient):
    np.testing.assert_array_equal(matter(Image.fromarray(gradient)), matter(gradient))


def test_every_engine_has_its_name():
    assert all(RUNTIMES[name].name == name for name in RUNTIMES)
