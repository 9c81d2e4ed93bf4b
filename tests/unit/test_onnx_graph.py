"""Graphs written layer by layer, and by tracing where a layer is not ours."""

from pathlib import Path

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from keras import layers

from matting_keras import build, fold
from matting_keras.export import FORMATS, export
from matting_keras.layers import TwoClassAlpha, Upsample2x
from matting_keras.onnx_graph import OPSET, drop_unread, picture, tidied, write_onnx, written
from matting_keras.onnx_tracing import restore_axes, traced
from tests.networks import awake, lively, noise

CONTRIBUTING = Path(__file__).resolve().parents[2] / "CONTRIBUTING.md"
FEW_SIZES = ((1, 64, 96), (2, 32, 32))


def run(path, x):
    return onnxruntime.InferenceSession(str(path)).run(["alpha"], {"image": x})[0]


def test_traced_and_written_graphs_are_the_same_network(tmp_path):
    model = fold(lively("night-lite"))
    x = noise(model, (2, 64, 96))
    wanted = np.array(model(x))
    write_onnx(model, tmp_path / "written.onnx", {})
    graph = tidied(traced(model, tmp_path / "raw.onnx", OPSET))
    proto = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)])
    proto.ir_version = 8
    onnx.save(proto, tmp_path / "traced.onnx")
    np.testing.assert_allclose(run(tmp_path / "written.onnx", x), wanted, atol=1e-5)
    np.testing.assert_allclose(run(tmp_path / "traced.onnx", x), wanted, atol=1e-5)
    assert len(onnx.load(tmp_path / "written.onnx").graph.node) < len(graph.node)


@pytest.mark.parametrize(
    "layer",
    [
        # Named, as other tests may start keras' counting anew between these and the test's own.
        layers.LayerNormalization(name="foreign"),
        layers.ReLU(negative_slope=0.1, name="foreign"),
        layers.Conv2D(4, 3, padding="same", activation="gelu", name="foreign"),
        layers.Conv2DTranspose(4, 3, strides=2, padding="valid", name="foreign"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_that_are_not_ours_are_left_to_tracing(layer):
    image = keras.Input((None, None, 3), name="image")
    x = layer(layers.Conv2D(4, 3, padding="same")(image))
    model = keras.Model(image, layers.Conv2D(1, 1, activation="sigmoid")(x), name="foreign")
    assert written(model) is None


def test_a_network_with_a_foreign_layer_is_exported_all_the_same(tmp_path):
    image = keras.Input((None, None, 3), name="image")
    x = layers.Rescaling(1 / 255, name="scale")(image)
    x = layers.LayerNormalization()(layers.Conv2D(4, 3, padding="same")(x))
    alpha = layers.Conv2D(1, 1, activation="sigmoid")(x)
    model = keras.Model(image, alpha, name="foreign")
    assert export(model, tmp_path / "model.onnx", sizes=FEW_SIZES).largest <= 1e-5


def reshaped(shape):
    """A graph whose output is a reshape of (batch, 1, height, width), as tf2onnx writes one."""
    constant = onnx.numpy_helper.from_array(np.array(shape, np.int64), "shape")
    image = onnx.helper.make_tensor_value_info(
        "image", onnx.TensorProto.FLOAT, ["batch", 1, "height", "width"]
    )
    node = onnx.helper.make_node("Reshape", ["image", "shape"], ["alpha"])
    return onnx.helper.make_graph([node], "reshaped", [image], [picture("alpha", 1)], [constant])


@pytest.mark.parametrize("shape", [(1, -1, 0, 0, 1), (1, 1, -1, 4, 5, 1), (-1, 4, 5, 1)])
def test_a_squeeze_that_tracing_lost_is_put_back(shape, tmp_path):
    graph = reshaped(shape)
    restore_axes(graph)
    opset = [onnx.helper.make_opsetid("", OPSET)]
    proto = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, tmp_path / "model.onnx")
    x = np.random.default_rng(0).random((2, 1, 4, 5), np.float32)
    np.testing.assert_array_equal(run(tmp_path / "model.onnx", x), x.transpose(0, 2, 3, 1))


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize("kind", ["conv", "depthwise", "grouped", "pool", "average"])
def test_strides_and_paddings(kind, strides, padding, tmp_path):
    """Sizes at which "same" pads unevenly."""
    image = keras.Input((None, None, 3), name="image")
    x = layers.Conv2D(4, 1)(image)
    options = {"strides": strides, "padding": padding}
    layer = {
        "conv": lambda: layers.Conv2D(6, 4, **options),
        "depthwise": lambda: layers.DepthwiseConv2D(3, depth_multiplier=2, **options),
        "grouped": lambda: layers.Conv2D(6, 5, groups=2, use_bias=False, **options),
        "pool": lambda: layers.MaxPooling2D(3, **options),
        "average": lambda: layers.AveragePooling2D(2, **options),
    }[kind]()
    x = layers.Conv2D(1, 1, activation="relu6")(layer(x))
    model = keras.Model(image, x, name="strided")
    write_onnx(model, tmp_path / "model.onnx", {})
    pictures = noise(model, (2, 13, 11)) / 255
    np.testing.assert_allclose(
        run(tmp_path / "model.onnx", pictures), np.array(model(pictures)), atol=1e-5
    )


@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize("kernel_size", [2, 3, 4])
def test_transposed_convolutions(strides, kernel_size, tmp_path):
    image = keras.Input((None, None, 3), name="image")
    x = layers.Conv2DTranspose(5, kernel_size, strides=strides, padding="same")(image)
    model = keras.Model(image, layers.Conv2D(1, 1)(x), name="transposed")
    write_onnx(model, tmp_path / "model.onnx", {})
    pictures = noise(model, (1, 6, 9)) / 255
    np.testing.assert_allclose(
        run(tmp_path / "model.onnx", pictures), np.array(model(pictures)), atol=1e-5
    )


def test_parts_of_published_forms(tmp_path):
    image = keras.Input((None, None, 3), name="image")
    x = layers.Cropping2D(((1, 2), (0, 3)))(layers.ZeroPadding2D(2)(image))
    x = layers.ReLU(6.0)(layers.BatchNormalization()(layers.Conv2D(4, 3)(x)))
    x = layers.Multiply()([x, layers.GlobalAveragePooling2D(keepdims=True)(x)])
    x = layers.Add()([x, layers.Dropout(0.5)(x), x])
    model = keras.Model(image, TwoClassAlpha()(layers.Conv2D(2, 1)(Upsample2x()(x))), name="parts")
    write_onnx(model, tmp_path / "model.onnx", {"matting_keras.architecture": "parts"})
    pictures = noise(model, (2, 17, 12)) / 255
    np.testing.assert_allclose(
        run(tmp_path / "model.onnx", pictures), np.array(model(pictures)), atol=1e-5
    )


@pytest.mark.parametrize("name", ["u2netp", "fcn8s"])
def test_original_forms_are_exported(name, tmp_path):
    options = {"fully_connected": 8} if name == "fcn8s" else {}
    model = awake(build(name, original=True, **options))
    assert export(model, tmp_path / "model.onnx", sizes=FEW_SIZES).largest <= 1e-4


@pytest.mark.parametrize("format", sorted(set(FORMATS) - {"litert", "onnx", "keras"}))
def test_modnet_in_the_other_formats(format, tmp_path):
    if format == "openvino":
        pytest.importorskip("openvino", reason="an extra: pip install '.[openvino]'")
    suffix = {"openvino": ".xml"}.get(format, "")
    report = export(lively("modnet"), tmp_path / f"model{suffix}", format, sizes=FEW_SIZES)
    assert report.largest <= 1e-4


def test_what_nothing_reads_is_dropped():
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("Relu", ["x"], ["y"]),
            onnx.helper.make_node("Relu", ["y"], ["unread"]),
            onnx.helper.make_node("Neg", ["unread"], ["too"]),
        ],
        "graph",
        [onnx.helper.make_tensor_value_info("x", 1, [1])],
        [onnx.helper.make_tensor_value_info("y", 1, [1])],
        [onnx.numpy_helper.from_array(np.zeros(1, "float32"), "constant")],
    )
    drop_unread(graph)
    assert [node.op_type for node in graph.node] == ["Relu"]
    assert not graph.initializer


def test_the_example_in_contributing_is_a_network(tmp_path):
    text = CONTRIBUTING.read_text(encoding="utf-8")
    code = text.split("## Add an architecture")[1].split("```python\n")[1].split("```")[0]
    from matting_keras.architectures.blocks import Blocks

    scope = {"keras": keras, "layers": layers, "Blocks": Blocks, "Upsample2x": Upsample2x}
    exec(code, scope)
    assert len(code.strip().splitlines()) <= 11
    model = scope["tiny"](asymmetric=True)
    assert export(model, tmp_path / "tiny.onnx", sizes=FEW_SIZES).largest <= 1e-5
