import cv2
import keras
import numpy as np
import onnx
import pytest

from matting_keras import Matter
from matting_keras.cli import main
from matting_keras.data.synthetic import synthetic_portrait
from matting_keras.errors import InputError
from matting_keras.export import export
from matting_keras.quantize import quantize
from matting_keras.weights.presets import find


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(12):
        image, _ = synthetic_portrait(seed, 160, 128)
        cv2.imwrite(str(folder / f"{seed:02}.png"), image[..., ::-1])
    return folder


@pytest.fixture(scope="module")
def small(pictures, tmp_path_factory):
    path = tmp_path_factory.mktemp("small") / "small.onnx"
    return quantize("dark-light", pictures, path, area=96 * 128, tolerance=0.05)


def test_a_third_of_the_size_and_nearly_the_same_alpha(small):
    assert small.path.stat().st_size == small.bytes[0] < 0.35 * small.bytes[1]
    assert small.calibrated == 9
    assert len(small.changes) == 3
    assert 0 < small.mean < 0.05, "not a copy, and not another network"


def test_what_the_change_is_said_to_be_is_what_it_is(small, pictures):
    before, after = (
        Matter(path, "onnxruntime", 96 * 128, refine="off", parts="all", looks=1, levels=(0, 1))
        for path in ("dark-light", small.path)
    )
    for name, change in small.changes.items():
        apart = np.abs(before(pictures / name) - after(pictures / name)).mean()
        assert apart == pytest.approx(change, abs=1e-6)


def test_convolutions_are_in_eight_bits_and_the_alpha_is_not(small):
    network = onnx.load(small.path)
    kinds = {tensor.name: tensor.data_type for tensor in network.graph.initializer}
    float32 = [name for name, kind in kinds.items() if kind == 1 and "kernel" in name]
    assert [name for name in float32 if not name.endswith("_scale")] == ["constant/alpha.kernel"]
    told, before = (
        {entry.key: entry.value for entry in file.metadata_props}
        for file in (network, onnx.load(find("dark-light")))
    )
    asked = {"matting_keras.bits": "8", "matting_keras.area": str(96 * 128)}
    assert told == before | asked


def test_the_last_convolution_stays_as_it_is_whatever_it_is_called(pictures, tmp_path):
    image = x = keras.Input((None, None, 3), name="image")
    x = keras.layers.Conv2D(8, 3, padding="same", activation="relu", name="first")(x)
    alpha = keras.layers.Conv2D(1, 3, padding="same", activation="sigmoid", name="outconv")(x)
    export(keras.Model(image, alpha, name="tiny"), tmp_path / "tiny.onnx")
    found = quantize(tmp_path / "tiny.onnx", pictures, tmp_path / "x.onnx", tolerance=1)
    held = {tensor.name: tensor.data_type for tensor in onnx.load(found.path).graph.initializer}
    assert held["constant/outconv.kernel"] == onnx.TensorProto.FLOAT
    assert "constant/first.kernel" not in held


def test_openvino_computes_the_same(small, pictures):
    pytest.importorskip("openvino")
    ours, theirs = (
        Matter(small.path, engine, 96 * 128, refine="off") for engine in ("onnxruntime", "openvino")
    )
    picture = next(iter(small.changes))
    assert np.abs(ours(pictures / picture) - theirs(pictures / picture)).mean() < 0.01


def test_benchmark_times_both_engines_on_it(small, capsys):
    pytest.importorskip("openvino")
    words = ["--parts", "latency", "--sizes", "64x64", "--threads", "1", "--rounds", "2"]
    line = ["benchmark", str(small.path), *words, "--runtimes", "onnxruntime", "openvino"]
    assert main(line) == 0
    assert "openvino" in capsys.readouterr().out


def test_nothing_is_written_where_it_would_be_another_network(pictures, tmp_path):
    with pytest.raises(InputError, match=r"alpha changes by 0\.\d+ in the mean, more than 1e-06"):
        quantize("dark-light", pictures, tmp_path / "x.onnx", area=96 * 128, tolerance=1e-6)
    assert list(tmp_path.iterdir()) == []


def test_refusals_name_the_way_out(small, pictures, tmp_path):
    few = tmp_path / "few"
    few.mkdir()
    (few / "one.png").write_bytes((pictures / "00.png").read_bytes())
    with pytest.raises(InputError, match="has 1 pictures; the ranges of 8 bits want 8 or more"):
        quantize("dark-light", few, tmp_path / "x.onnx")
    with pytest.raises(InputError, match="is in 8 bits already"):
        quantize(small.path, pictures, tmp_path / "x.onnx")
    with pytest.raises(InputError, match="is the network itself"):
        quantize(small.path, pictures, small.path)
    with pytest.raises(InputError, match=r"must end in \.onnx"):
        quantize("dark-light", pictures, tmp_path / "x.xml")
    with pytest.raises(InputError, match="'matting-keras export' makes one"):
        quantize(tmp_path / "model.keras", pictures, tmp_path / "x.onnx")


def test_networks_for_any_size_are_refused(pictures, tmp_path):
    network = onnx.load(find("dark-light"))
    resize = next(node for node in network.graph.node if node.op_type == "Resize")
    resize.input[:] = [resize.input[0], "", "", "measured"]
    onnx.save(network, tmp_path / "any.onnx")
    with pytest.raises(InputError, match=r"any\.onnx: takes pictures of any size"):
        quantize(tmp_path / "any.onnx", pictures, tmp_path / "x.onnx")


def test_command(pictures, tmp_path, capsys):
    line = ["quantize", "dark-light", "--pictures", str(pictures), "--area", "12288"]
    assert main([*line, "--output", str(tmp_path / "a.onnx"), "--tolerance", "0.05"]) == 0
    assert "change of alpha on 3 others: mean 0.0" in capsys.readouterr().out
    assert main([*line, "--output", str(tmp_path / "b.onnx"), "--tolerance", "0"]) == 1
    assert not (tmp_path / "b.onnx").exists()
