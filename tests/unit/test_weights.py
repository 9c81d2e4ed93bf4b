import os
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from matting_keras import build, fuse
from matting_keras.architectures import dusk
from matting_keras.errors import InputError
from matting_keras.layers import Grayscale
from matting_keras.weights.convert import convert
from matting_keras.weights.files import load, save, transfer
from matting_keras.weights.legacy import convert_legacy
from matting_keras.weights.presets import GRAY_TWINS
from tests.networks import lively, noise


def write_legacy(path: Path, arrays: list[np.ndarray]) -> None:
    """A weights file in Keras 2's layout, one layer an array pair."""
    with h5py.File(path, "w") as file:
        names = []
        for i in range(0, len(arrays), 2):
            group = file.create_group(f"layer_{i}")
            names.append(f"layer_{i}")
            group.attrs["weight_names"] = ["a:0", "b:0"]
            group["a:0"], group["b:0"] = arrays[i : i + 2]
        file.attrs["layer_names"] = names


@pytest.mark.parametrize("asymmetric", [False, True])
@pytest.mark.parametrize("name", ["night", "dark"])
def test_legacy_files_convert(name, asymmetric, tmp_path):
    source = lively(name, original=True, asymmetric=asymmetric)
    write_legacy(tmp_path / "old.h5", [np.array(w) for w in source.weights])
    converted = convert_legacy(tmp_path / "old.h5", name, original=True)
    ours = convert_legacy(tmp_path / "old.h5", name)
    x = noise(source, (1, 64, 32)) / 255
    bgr = x[..., ::-1]  # the originals were trained on BGR; ours take RGB
    wanted = np.array(source(x))
    np.testing.assert_allclose(np.array(converted(bgr)), wanted, atol=1e-6)
    np.testing.assert_allclose(np.array(ours(bgr)), wanted, atol=1e-5)


def test_legacy_file_of_another_network_is_refused(tmp_path):
    write_legacy(tmp_path / "old.h5", [np.array(w) for w in build("dark").weights])
    with pytest.raises(InputError, match="do not fit 'dark-light'"):
        convert_legacy(tmp_path / "old.h5", "dark-light")
    (tmp_path / "text.h5").write_text("not weights")
    with pytest.raises(InputError, match="not a Keras 2 weights file"):
        convert_legacy(tmp_path / "text.h5", "dark-light")


def test_fused_weights_go_back_into_branches():
    plain = lively("dark-light")
    branched = build("dark-light", asymmetric=True)
    transfer(plain, branched)
    x = noise(plain, (1, 64, 32))
    np.testing.assert_allclose(np.array(branched(x)), np.array(plain(x)), atol=1e-6)
    for fused, weight in zip(fuse(branched).weights, plain.weights, strict=True):
        np.testing.assert_array_equal(np.array(fused), np.array(weight))


@pytest.mark.parametrize("asymmetric", [False, True])
@pytest.mark.parametrize("name", GRAY_TWINS)
def test_colour_network_begins_as_its_gray_twin(name, asymmetric):
    gray = lively(GRAY_TWINS[name], asymmetric=asymmetric)
    colour = build(name, asymmetric=True)
    transfer(gray, colour)
    x = np.random.default_rng(3).uniform(0, 255, (1, 64, 32, 3)).astype("float32")
    expected = gray(Grayscale()(x))
    np.testing.assert_allclose(np.array(colour(x)), np.array(expected), atol=1e-5)


@pytest.mark.parametrize("asymmetric", [False, True])
@pytest.mark.parametrize(
    ("name", "published", "last"),
    [("dusk", "modnet", f"{dusk.BACKBONE}.{dusk.LAST}.add"), ("dawn", "selfie", "re_lu_21")],
)
def test_a_network_takes_its_published_backbone(name, published, last, asymmetric):
    source = lively(published)
    target = build(name, asymmetric=asymmetric)
    before = np.array(target.get_layer("alpha").kernel)
    transfer(source, target)
    x = noise(source, (1, 64, 96))
    theirs, ours = (keras.Model(m.input, m.get_layer(last).output) for m in (source, target))
    np.testing.assert_array_equal(np.array(ours(x)), np.array(theirs(x)))
    np.testing.assert_array_equal(np.array(target.get_layer("alpha").kernel), before)


def test_converting_a_whole_network_to_dusk_says_how_to_train_it_instead():
    said = r"only the backbone of 'modnet'.*train\.py --arch dusk --weights modnet\.onnx"
    with pytest.raises(InputError, match=said):
        convert("modnet.onnx", "dusk")


def test_modnet_does_not_take_dusk():
    with pytest.raises(
        InputError, match=r"'dusk' do not fit 'modnet', which takes those of modnet;"
    ):
        transfer(build("dusk"), build("modnet"))


def test_what_was_frozen_is_not_in_the_file(tmp_path):
    model = build("dark-light", asymmetric=True)
    model.get_layer("conv1").trainable = False
    save(model, tmp_path / "model.keras")
    again = load(tmp_path / "model.keras")
    assert len(again.trainable_variables) == len(model.trainable_variables) + 6
    assert not model.get_layer("conv1").trainable


def test_gray_network_takes_no_colours():
    with pytest.raises(InputError, match="'night-lite' do not fit 'dark-light'"):
        transfer(build("night-lite"), build("dark-light"))


def test_weights_of_another_architecture(tmp_path):
    save(build("night"), tmp_path / "night.keras")
    with pytest.raises(InputError, match="weights of 'night' do not fit 'dark-light'"):
        build("dark-light", weights=str(tmp_path / "night.keras"))


def test_a_network_says_whose_weights_it_takes():
    takes = r"do not fit 'night', which takes those of night or dark or night-lite; .*--arch dark-l"
    with pytest.raises(InputError, match=takes):
        transfer(build("dark-light"), build("night"))


def test_nan_weights(tmp_path):
    model = build("dark-light")
    bias = model.get_layer("conv3").bias
    bias.assign(np.full(bias.shape, np.nan))
    save(model, tmp_path / "nan.keras")
    with pytest.raises(InputError, match=r"nan\.keras: conv3/bias holds NaN"):
        load(tmp_path / "nan.keras")


def test_only_the_model_is_saved_not_its_training(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build("dark-light", asymmetric=True)
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile(keras.optimizers.Adam(amsgrad=True), "mse")
    model.optimizer.build(model.trainable_variables)
    save(model, tmp_path / "model.keras")
    assert (tmp_path / "model.keras").stat().st_size < 1.7e6
    again = load(tmp_path / "model.keras")
    assert not again.compiled
    assert {layer.compute_dtype for layer in again.layers} == {"float32"}


def test_files_are_compressed(tmp_path):
    save(build("dark-light", asymmetric=True), tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        members = archive.infolist()
    assert all(m.compress_size < m.file_size for m in members if m.file_size > 1000)


def test_damaged_anywhere_is_said_aloud(tmp_path):
    save(build("dark-light"), tmp_path / "whole.keras")
    data = (tmp_path / "whole.keras").read_bytes()
    for place in range(5000, len(data) - 1000, len(data) // 12):
        damaged = bytearray(data)
        damaged[place : place + 8] = b"\xff\x00" * 4
        (tmp_path / "damaged.keras").write_bytes(damaged)
        with pytest.raises(InputError, match=r"damaged\.keras: cannot be loaded"):
            load(tmp_path / "damaged.keras")


def test_truncated_file(tmp_path):
    save(build("dark-light"), tmp_path / "whole.keras")
    data = (tmp_path / "whole.keras").read_bytes()
    (tmp_path / "half.keras").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"half\.keras: not a whole \.keras file"):
        load(tmp_path / "half.keras")


def test_missing_file_and_unknown_preset():
    with pytest.raises(InputError, match="no such file"):
        load("nowhere/model.keras")
    with pytest.raises(InputError, match="no weights are called 'darker'"):
        load("darker")
    with pytest.raises(InputError, match="no network is called 'darker'"):
        build("darker")


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model.keras"
    save(build("dark-light"), path)
    before = path.read_bytes()
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        save(build("dark-light"), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["model.keras"]
