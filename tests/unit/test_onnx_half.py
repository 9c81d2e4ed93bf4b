import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from matting_keras import Matter
from matting_keras.cli import main
from matting_keras.errors import InputError
from matting_keras.export import export
from matting_keras.onnx_half import halve, widen
from matting_keras.quantize import _float_network
from matting_keras.weights.presets import find
from tests.networks import lively


@pytest.fixture(scope="module")
def model():
    return lively("night-lite")


@pytest.fixture(scope="module")
def files(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("half")
    export(model, folder / "whole.onnx")
    export(model, folder / "half.onnx", half=True)
    return folder / "whole.onnx", folder / "half.onnx"


def test_half_the_file(files):
    whole, half = (path.stat().st_size for path in files)
    assert 0.5 < half / whole < 0.53


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_it_computes_in_float32_with_rounded_weights(files, runtime, samples):
    if runtime == "openvino":
        pytest.importorskip("openvino", reason="an extra: pip install '.[openvino]'")
    photo = samples / "grace_hopper.jpg"
    whole, half = (Matter(path, runtime, 128 * 96)(photo) for path in files)
    apart = np.abs(whole - half)
    assert 0 < apart.mean() < 0.002
    rounded = onnx.load(files[0])
    for tensor in rounded.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT and np.prod(tensor.dims) >= 64:
            values = numpy_helper.to_array(tensor).astype("float16").astype("float32")
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    onnx.save(rounded, files[0].parent / "rounded.onnx")
    same = Matter(files[0].parent / "rounded.onnx", runtime, 128 * 96)(photo)
    np.testing.assert_allclose(half, same, atol=1e-5)


def test_widened_it_is_as_before_but_for_the_rounding(files):
    whole, half = map(onnx.load, files)
    widen(half)
    assert [node.name for node in half.graph.node] == [node.name for node in whole.graph.node]
    old = {tensor.name: numpy_helper.to_array(tensor) for tensor in whole.graph.initializer}
    for tensor in half.graph.initializer:
        found = numpy_helper.to_array(tensor)
        assert found.dtype == old[tensor.name].dtype
        np.testing.assert_allclose(found, old[tensor.name], rtol=1e-3, atol=1e-7)
    # A file that was never in half precision stays what it is.
    before = whole.SerializeToString()
    widen(whole)
    assert whole.SerializeToString() == before


def test_it_says_how_many_bits_it_has_and_is_timed_beside_whole_ones(tmp_path, capsys):
    told = {entry.key: entry.value for entry in onnx.load(find("night")).metadata_props}
    assert told["matting_keras.bits"] == "16"
    assert told["matting_keras.area"] == "73728"
    runs = ["--runtimes", "onnxruntime", "litert", "--sizes", "64x64", "--rounds", "1"]
    assert main(["benchmark", "night", "--parts", "latency", *runs]) == 0
    assert "litert" in capsys.readouterr().out


def test_quantizing_begins_with_whole_weights(files):
    network = _float_network(files[1])
    assert not any(node.op_type == "Cast" for node in network.graph.node)


def test_a_weight_that_half_precision_cannot_hold_is_named(files):
    network = onnx.load(files[0])
    tensor = next(t for t in network.graph.initializer if t.name == "constant/stem.kernel")
    values = numpy_helper.to_array(tensor) * 0 + 1e5
    tensor.CopyFrom(numpy_helper.from_array(values.astype("float32"), tensor.name))
    with pytest.raises(InputError, match=r"stem.kernel' reach 100000.* leave out --half"):
        halve(network)


def test_a_network_that_rounding_changes_is_not_written(model, tmp_path):
    with pytest.raises(InputError, match=r"more than 1e-06; .*Export it without --half"):
        export(model, tmp_path / "model.onnx", half=True, tolerance=1e-6, sizes=[(1, 64, 96)])
    assert not list(tmp_path.iterdir())


def test_only_onnx_files(model, tmp_path):
    with pytest.raises(InputError, match="half precision is for ONNX files alone"):
        export(model, tmp_path / "model.keras", "keras", half=True)


def test_command(tmp_path):
    out = tmp_path / "net.onnx"
    assert main(["export", "dark-light", "--half", "--output", str(out)]) == 0
    assert out.stat().st_size < 0.53 * find("dark-light").stat().st_size
