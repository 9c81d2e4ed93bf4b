"""The Keras engine: gray networks get luma, heads become one alpha, bad models are refused."""

from __future__ import annotations

import gc
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from matting_keras import Matter
from matting_keras.errors import InputError
from matting_keras.inference.engines import LUMA
from matting_keras.inference.runtimes import for_frames, open_runtime


def network(channels: int, head: str = "alpha", side: int | None = None):
    """A Keras model whose alpha is the mean of its channels over 255."""
    import keras

    image = keras.Input((side, side, channels), name="image")
    dense = keras.layers.Dense(1, use_bias=False, name="mean")
    alpha = dense(image)
    dense.set_weights([np.full((channels, 1), 1 / 255 / channels, "float32")])
    if head == "two classes":
        alpha = keras.layers.Concatenate()([keras.layers.Lambda(lambda x: 1 - x)(alpha), alpha])
    elif head == "branches":
        alpha = {"alpha": alpha, "coarse": keras.layers.AveragePooling2D(2)(alpha)}
    return keras.Model(image, alpha, name="tiny")


@pytest.fixture(scope="module")
def batch() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (2, 32, 64, 3)).astype(np.float32)


@pytest.mark.parametrize("head", ["alpha", "two classes", "branches"])
@pytest.mark.parametrize("channels", [1, 3])
def test_keras_models_take_rgb_and_give_one_alpha(batch, channels, head):
    alpha = open_runtime(network(channels, head)).run(batch)
    wanted = batch @ LUMA if channels == 1 else batch.mean(-1)
    assert alpha.shape == (2, 32, 64, 1)
    np.testing.assert_allclose(alpha[..., 0], wanted / 255, atol=1e-5)


def test_luma_is_the_one_inside_exported_networks():
    from matting_keras.layers.colour import LUMA as INSIDE

    np.testing.assert_array_equal(LUMA, INSIDE)


def test_keras_traces_once_for_all_sizes(batch):
    """A trace a size would cost seconds at each new aspect ratio."""
    calls = []
    model = network(3)
    layer = model.get_layer("mean")
    before = layer.call
    layer.call = lambda *args, **kwargs: (calls.append(1), before(*args, **kwargs))[1]
    engine = open_runtime(model)
    for rows in (32, 16, 8):
        assert engine.run(batch[:1, :rows]).shape == (1, rows, 64, 1)
    assert len(calls) == 1


def test_matter_runs_a_keras_model(gradient):
    matter = Matter(network(3))
    assert matter.runtime.name == "keras"
    np.testing.assert_allclose(matter(gradient), gradient.mean(-1) / 255, atol=0.02)


def test_nan_weights_are_refused():
    model = network(3)
    model.get_layer("mean").set_weights([np.full((3, 1), np.nan, "float32")])
    with pytest.raises(InputError, match="'tiny': mean/kernel holds NaN"):
        Matter(model)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: network(4), r"takes \(None, None, None, 4\); expected"),
        (lambda: network(3, side=64), "takes only 64x64; build it with"),
        (lambda: 3, "cannot run a int; give a file"),
    ],
)
def test_models_of_another_form_are_refused(model, message):
    with pytest.raises(InputError, match=message):
        open_runtime(model())


def test_a_keras_model_in_another_engine():
    with pytest.raises(InputError, match="openvino cannot run a Functional"):
        open_runtime(network(3), "openvino")


def test_two_threads_may_ask_one_engine(tiny_onnx):
    """As two visitors of the web page do."""
    pytest.importorskip("openvino")
    engine, wrong = open_runtime(tiny_onnx, "openvino"), []
    engine.run(np.zeros((1, 64, 64, 3), np.float32))

    def ask(level: float) -> None:
        for _ in range(150):
            try:
                alpha = engine.run(np.full((1, 256, 320, 3), level, np.float32))
            except RuntimeError as error:
                wrong.append(str(error))
            else:
                if np.abs(alpha - level / 255).max() > 0.02:
                    wrong.append("of the other thread")

    threads = [threading.Thread(target=ask, args=(level,)) for level in (30, 220)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("bfloat16", [True, False])
def test_openvino_takes_films_in_bfloat16_where_the_processor_has_it(
    tiny_onnx, monkeypatch, bfloat16
):
    openvino = pytest.importorskip("openvino")
    able = ["FP32", "INT8"] + ["BF16"] * bfloat16
    monkeypatch.setattr(openvino.Core, "get_property", lambda *given: able)
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    engine = open_runtime(tiny_onnx, "openvino")
    assert engine.precision == "f32"
    batch = np.random.default_rng(0).uniform(0, 255, (1, 64, 96, 3)).astype("float32")
    for ahead in (False, True):
        quick, calls = for_frames(engine, ahead)
        assert calls == (4 if ahead else 1)
        assert (quick is engine) == (not ahead and not bfloat16)
        with ThreadPoolExecutor(calls) as pool:
            for found in pool.map(quick.run, [batch] * 3 * calls):
                np.testing.assert_allclose(found, engine.run(batch), atol=0.02)
    assert quick.name == "openvino"
    assert quick.metadata == engine.metadata


@pytest.mark.parametrize(("bfloat16", "expected"), [(True, "bf16"), (False, "f32")])
def test_a_camera_in_openvino(tiny_onnx, monkeypatch, bfloat16, expected):
    openvino = pytest.importorskip("openvino")
    able = ["FP32"] + ["BF16"] * bfloat16
    monkeypatch.setattr(openvino.Core, "get_property", lambda *given: able)
    assert for_frames(open_runtime(tiny_onnx, "openvino"), ahead=False)[0].precision == expected


def test_openvino_with_counted_threads_keeps_their_number(tiny_onnx, monkeypatch):
    openvino = pytest.importorskip("openvino")
    monkeypatch.setattr(openvino.Core, "get_property", lambda *given: ["FP32"])
    engine = open_runtime(tiny_onnx, "openvino", threads=1)
    assert for_frames(engine, ahead=True) == (engine, 1)


def test_ctrl_c_after_openvino_has_gone(tiny_onnx):
    """Engines put the stack for signals back in the order in which they are given up."""
    pytest.importorskip("openvino")
    batch = np.zeros((1, 32, 32, 3), np.float32)
    engines = [open_runtime(tiny_onnx, "openvino") for _ in range(3)]
    for number in range(3):
        engines[number].run(batch)
    while engines:
        del engines[0]
    gc.collect()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
