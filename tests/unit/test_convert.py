"""Weights of other projects: what the originals computed, our networks compute."""

from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

from matting_keras import Matter, build, fold
from matting_keras.cli import main
from matting_keras.errors import InputError
from matting_keras.weights.convert import convert, to_pytorch
from matting_keras.weights.files import load, save, transfer
from matting_keras.weights.pytorch import read_state_dict, write_state_dict
from matting_keras.weights.state_dict import assign, extract
from tests.networks import alpha_of, lively, noise
from tests.places import DATA

GOLDEN, TEACHERS = DATA / "golden", DATA / "teachers"
IMAGENET = np.array((0.485, 0.456, 0.406), "float32"), np.array((0.229, 0.224, 0.225), "float32")

golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"golden files not found in {GOLDEN}")
teachers = pytest.mark.skipif(not TEACHERS.is_dir(), reason=f"teachers not found in {TEACHERS}")


@golden
@pytest.mark.parametrize("file", sorted(GOLDEN.glob("u2netp-*.pth")), ids=lambda f: f.stem)
def test_u2netp_checkpoint_gives_all_seven_maps(file):
    model = convert(file, "u2netp", training=True)
    known = np.load(file.with_suffix(".npz"))
    mean, deviation = IMAGENET
    for size in ("64x96", "75x53"):
        raw = (known[f"x_{size}"].transpose(0, 2, 3, 1) * deviation + mean) * 255
        outputs = model(raw, training=False)
        for number in range(7):
            ours = np.array(outputs[f"side{number}" if number else "alpha"])[..., 0]
            # Seed 11 overflows to NaN in the original too: its convolutions have weights near 1.
            np.testing.assert_allclose(ours, known[f"d{number}_{size}"][:, 0], atol=1e-4)


@golden
@pytest.mark.parametrize("file", sorted(GOLDEN.glob("modnet-*.ckpt")), ids=lambda f: f.stem)
def test_modnet_checkpoint_gives_semantic_detail_and_matte(file):
    model = convert(file, "modnet", training=True)
    known = np.load(file.with_suffix(".npz"))
    for size in ("64x96", "128x64"):
        outputs = model((known[f"x_{size}"].transpose(0, 2, 3, 1) + 1) * 127.5, training=False)
        for ours, theirs in (("alpha", "matte"), ("semantic",) * 2, ("detail",) * 2):
            wanted = known[f"{theirs}_{size}"][:, 0]
            assert wanted.std() > 0.05, "a constant output would prove nothing"
            np.testing.assert_allclose(np.array(outputs[ours])[..., 0], wanted, atol=1e-4)


@golden
@pytest.mark.parametrize(
    ("name", "file"),
    [("u2netp", "u2netp-seed11.pth"), ("modnet", "modnet-fp16-seed11.ckpt")],
)
def test_back_to_pytorch_is_exact(name, file, tmp_path):
    model = convert(GOLDEN / file, name, training=True)
    to_pytorch(model, tmp_path / "back.pth")
    original = read_state_dict(GOLDEN / file)
    back = read_state_dict(tmp_path / "back.pth")
    assert set(back) == {key.removeprefix("module.") for key in original}
    for key, value in original.items():
        np.testing.assert_array_equal(back[key.removeprefix("module.")], value)


@teachers
@pytest.mark.parametrize("size", [(320, 320), (64, 96), (75, 53)])
def test_u2netp_onnx_is_the_same_network(size):
    """The exported original runs at odd sizes too, once its declared input size is lifted."""
    proto = onnx.load(TEACHERS / "u2netp.onnx")
    for side, value in zip((2, 3), size, strict=True):
        proto.graph.input[0].type.tensor_type.shape.dim[side].dim_value = value
    for output in proto.graph.output:
        output.type.tensor_type.ClearField("shape")
    original = onnxruntime.InferenceSession(proto.SerializeToString())
    model = convert(TEACHERS / "u2netp.onnx", "u2netp", training=True)
    image = portrait(*size)
    mean, deviation = IMAGENET
    normed = ((image / 255 - mean) / deviation).transpose(0, 3, 1, 2)
    wanted = original.run(None, {"input.1": normed})
    outputs = model(image, training=False)
    assert wanted[0].std() > 0.1
    for number, theirs in enumerate(wanted):
        ours = np.array(outputs[f"side{number}" if number else "alpha"])[..., 0]
        np.testing.assert_allclose(ours, theirs[:, 0], atol=1e-4)


@teachers
def test_modnet_onnx_is_the_same_network():
    original = onnxruntime.InferenceSession(str(TEACHERS / "modnet_photographic.onnx"))
    model = convert(TEACHERS / "modnet_photographic.onnx", "modnet")
    for size in ((512, 512), (512, 384), (288, 512)):
        image = portrait(*size)
        wanted = original.run(None, {"input": (image / 127.5 - 1).transpose(0, 3, 1, 2)})[0]
        assert wanted.std() > 0.1
        ours = np.array(model(image, training=False))[..., 0]
        np.testing.assert_allclose(ours, wanted[:, 0], atol=3e-4)


@teachers
def test_selfie_tflite_is_the_same_network():
    engine = pytest.importorskip("ai_edge_litert.interpreter", reason="LiteRT is an extra")
    original = engine.Interpreter(str(TEACHERS / "selfie_segmentation.tflite"))
    original.allocate_tensors()
    image = portrait(256, 256)
    original.set_tensor(original.get_input_details()[0]["index"], image / 255)
    original.invoke()
    wanted = original.get_tensor(original.get_output_details()[0]["index"])
    assert wanted.std() > 0.1
    model = convert(TEACHERS / "selfie_segmentation.tflite", "selfie")
    np.testing.assert_allclose(np.array(model(image)), wanted, atol=1e-4)


@teachers
def test_running_mediapipes_file_says_how_to_convert_it():
    pytest.importorskip("ai_edge_litert.interpreter", reason="LiteRT is an extra")
    with pytest.raises(InputError, match=r"matting-keras convert .*\.tflite --arch selfie"):
        Matter(TEACHERS / "selfie_segmentation.tflite")


@pytest.fixture
def selfie_tensors(monkeypatch):
    """The selfie network's weights as its file names and lays them out."""
    tensors = {}
    for layer in build("selfie").layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            axes = (2, 0, 1, 3) if layer.name == "segment" else (3, 0, 1, 2)
            tensors[f"{layer.name}/Kernel"] = kernel.transpose(axes)
            tensors[f"{layer.name}/Bias"] = bias
    monkeypatch.setattr("matting_keras.weights.tflite._tensors", lambda path: tensors)
    return tensors


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("conv2d_3/Bias"), "has no tensor 'conv2d_3.bias'"),
        (lambda t: t.clear(), "It holds 0 tensors"),
        (lambda t: t.update({"conv2d_99/Bias": np.zeros(3, "f4")}), "no place for, 'conv2d_99"),
        (lambda t: t.update({"conv2d/Bias": np.zeros(3, "f4")}), r"conv2d.bias has shape"),
    ],
    ids=["lacking", "empty", "more", "wide"],
)
def test_tflite_files_of_another_network_are_refused(change, message, selfie_tensors, tmp_path):
    path = tmp_path / "file.tflite"
    path.touch()
    convert(path, "selfie")
    change(selfie_tensors)
    with pytest.raises(InputError, match=message):
        convert(path, "selfie")


@pytest.fixture(scope="module")
def modnet():
    return lively("modnet", training=True)


@pytest.mark.parametrize("dialect", ["plain", "parallel", "half", "mindspore"])
def test_dialects_of_state_dicts(dialect, modnet):
    tensors = extract(modnet)
    if dialect == "parallel":
        tensors = {f"module.{key}": value for key, value in tensors.items()}
    elif dialect == "half":
        tensors = {key: value.astype("float16") for key, value in tensors.items()}
    elif dialect == "mindspore":
        tensors = mindspore_names(modnet, tensors)
    other = build("modnet", training=True)
    assign(other, tensors, "a test")
    wanted = 0 if dialect != "half" else 1e-3
    for new, old in zip(other.weights, modnet.weights, strict=True):
        np.testing.assert_allclose(np.array(new), np.array(old), rtol=wanted, atol=wanted)


def mindspore_names(model, tensors):
    norms = {key.removesuffix(".running_mean") for key in tensors if key.endswith("running_mean")}
    words = {
        "weight": "gamma",
        "bias": "beta",
        "running_mean": "moving_mean",
        "running_var": "moving_variance",
    }
    renamed = {}
    for key, value in tensors.items():
        head, _, last = key.rpartition(".")
        if last != "num_batches_tracked":
            renamed[f"{head}.{words[last]}" if head in norms else key] = value
    slots = {f"moments.{key}": value for key, value in renamed.items()}
    return {**renamed, **slots, "global_step": np.array([7]), "learning_rate": np.array([0.1])}


def test_asymmetric_network_starts_from_a_checkpoint(tmp_path):
    plain = lively("u2netp")
    to_pytorch(plain, tmp_path / "plain.pth")
    blocks = convert(tmp_path / "plain.pth", "u2netp", asymmetric=True)
    x = noise(plain, (1, 64, 64))
    np.testing.assert_allclose(np.array(blocks(x)), np.array(plain(x)), atol=1e-4)
    to_pytorch(blocks, tmp_path / "back.pth")
    again = read_state_dict(tmp_path / "back.pth")
    for key, value in read_state_dict(tmp_path / "plain.pth").items():
        np.testing.assert_array_equal(again[key], value)


def test_training_starts_from_inference_weights():
    inference, training = lively("modnet"), build("modnet", training=True)
    transfer(inference, training)
    x = noise(inference, (1, 64, 64))
    np.testing.assert_array_equal(alpha_of(training(x)), alpha_of(inference(x)))


def test_training_only_heads_start_anew_where_a_file_lacks_them(tmp_path):
    inference = lively("modnet")
    to_pytorch(inference, tmp_path / "inference.pth")
    training = convert(tmp_path / "inference.pth", "modnet", training=True)
    x = noise(inference, (1, 64, 64))
    np.testing.assert_array_equal(alpha_of(training(x)), alpha_of(inference(x)))
    with pytest.raises(InputError, match="exported to run and not to learn"):
        convert(tmp_path / "inference.pth", "modnet", whole=True, training=True)


def test_folded_networks_do_not_go_back_to_pytorch(tmp_path):
    with pytest.raises(InputError, match="folded for running"):
        to_pytorch(fold(build("modnet")), tmp_path / "back.pth")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["cut", "shapeless", "biasless"])
def test_damaged_onnx_is_refused(kind, tmp_path):
    kernel = onnx.numpy_helper.from_array(np.zeros((4, 3, 3, 3), "float32"), "1")
    if kind == "shapeless":
        kernel.dims[0] = 5
    inputs = ["x", "1", "missing"] if kind == "biasless" else ["x", "1"]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Conv", inputs, ["y"])], "damaged", [], [], [kernel]
    )
    data = onnx.helper.make_model(graph).SerializeToString()
    (tmp_path / "damaged.onnx").write_bytes(data[:-20] if kind == "cut" else data)
    with pytest.raises(InputError, match=r"damaged|without a name"):
        convert(tmp_path / "damaged.onnx", "modnet")


def test_weights_of_another_colour_range_are_refused():
    half, imagenet = build("u2netp", input_norm="half"), build("u2netp")
    with pytest.raises(InputError, match="input_norm"):
        transfer(half, imagenet)


def test_commands_convert_there_and_back(tmp_path, capsys):
    there, back = tmp_path / "ours.keras", tmp_path / "back.pth"
    write_state_dict(extract(lively("u2netp")), tmp_path / "theirs.pth")
    command = ["convert", str(tmp_path / "theirs.pth"), "--arch", "u2netp"]
    assert main([*command, "--output", str(there), "--input-norm", "half"]) == 0
    assert load(there).get_layer("scale").scale[0] == pytest.approx(2 / 255)
    assert main(["convert", str(there), "--arch", "u2netp", "--output", str(back)]) == 0
    theirs, again = read_state_dict(tmp_path / "theirs.pth"), read_state_dict(back)
    assert all(np.array_equal(again[key], value) for key, value in theirs.items())
    again = ["convert", str(there), "--arch", "u2netp", "--output", str(tmp_path / "x.keras")]
    assert main([*again, "--input-norm", "half"]) == 1
    assert "has its form already" in capsys.readouterr().err
    assert main(["convert", str(there), "--arch", "modnet", "--output", str(back)]) == 1
    assert "holds 'u2netp', not 'modnet'" in capsys.readouterr().err


@cache
def u2netp_tensors() -> dict:
    return extract(build("u2netp"))


@pytest.mark.parametrize(
    ("name", "architecture", "message"),
    [
        ("modnet.pth", "u2netp", "has no tensor 'stage1.rebnconvin.conv_s1.weight'"),
        ("wide.pth", "u2netp", "has shape .* expected"),
        ("more.pth", "u2netp", "no place for, 'stage9"),
        ("none.pth", "u2netp", "no such file"),
        ("modnet.pth", "unet", "no published weights of 'unet'"),
        ("modnet.pth", "dark", "not a Keras 2 weights file"),
        ("text.onnx", "modnet", "not an ONNX file"),
        ("text.pth", "modnet", "expected a PyTorch"),
        ("text.tflite", "selfie", "not a .tflite file, or damaged"),
        ("none.tflite", "selfie", "no such file; expected a .tflite file"),
        ("text.tflite", "modnet", "expected a PyTorch"),
        ("text.pth", "selfie", "not a .tflite file"),
        ("nan.pth", "u2netp", "NaN"),
    ],
)
def test_wrong_files_are_refused(name, architecture, message, tmp_path):
    first = "stage1.rebnconvin.conv_s1.weight"
    files = {
        "modnet.pth": lambda: {"backbone.model.features.0.0.weight": np.zeros((32, 3, 3, 3), "f4")},
        "wide.pth": lambda: {**u2netp_tensors(), first: np.zeros((64, 6, 3, 3), "f4")},
        "more.pth": lambda: {
            **u2netp_tensors(),
            "stage9.rebnconvin.conv_s1.bias": np.zeros(3, "f4"),
        },
        "nan.pth": lambda: {**u2netp_tensors(), first: np.full((64, 3, 3, 3), np.nan, "f4")},
    }
    path = tmp_path / name
    if name.startswith("text"):
        path.write_text("not weights")
    elif name in files:
        write_state_dict(files[name](), path)
    with pytest.raises(InputError, match=message):
        convert(path, architecture)


def test_exported_files_of_another_network_are_refused(tiny_onnx):
    with pytest.raises(InputError, match=r"convolutions without a name"):
        convert(tiny_onnx, "modnet")


def test_original_scales_and_stretches(tmp_path):
    network = lively("u2netp")
    save(network, tmp_path / "weights.keras")
    original = build("u2netp", original=True, weights=str(tmp_path / "weights.keras"))
    x = noise(network, (2, 64, 64)) * np.array([0.5, 0.25], "float32").reshape(2, 1, 1, 1)
    brightest = x.max(axis=(1, 2, 3), keepdims=True)
    alpha = np.array(network(x / brightest * 255))
    low, high = (f(alpha, axis=(1, 2, 3), keepdims=True) for f in (np.min, np.max))
    np.testing.assert_allclose(np.array(original(x)), (alpha - low) / (high - low), atol=1e-4)
    dark = np.array(original(np.zeros((1, 32, 32, 3), "float32")))
    assert np.isfinite(dark).all()


def portrait(height: int, width: int) -> np.ndarray:
    samples = Path(__file__).resolve().parents[2] / "samples"
    photo = sorted(samples.glob("*.jpg"))[0]
    with Image.open(photo) as image:
        return np.asarray(image.convert("RGB").resize((width, height)), "float32")[None]
