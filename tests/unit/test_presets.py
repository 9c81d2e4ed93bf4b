"""The weights that travel with the package."""

import hashlib
import json
import shutil

import numpy as np
import pytest

from matting_keras import Matter, build
from matting_keras.errors import InputError
from matting_keras.export import HALF_TOLERANCE, describe, verify
from matting_keras.weights.files import load
from matting_keras.weights.presets import PRESETS, find
from tests.networks import noise


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("suffix", [".keras", ".onnx", ".json", ".md"])
def test_files_are_there_and_unchanged(name, suffix):
    path = find(name, suffix)
    if suffix in PRESETS[name].sha256:
        assert hashlib.sha256(path.read_bytes()).hexdigest() == PRESETS[name].sha256[suffix]


@pytest.mark.parametrize("name", PRESETS)
def test_exported_file_is_the_trained_network(name):
    differences = verify(load(name), find(name), "onnx")
    # Float32 through Dawn's sixty convolutions, or weights rounded once more in a halved file.
    assert max(differences.values()) <= (HALF_TOLERANCE if PRESETS[name].half else 1e-4)
    assert find(name, ".json").read_text(encoding="utf-8") == describe(load(name))
    assert json.loads(find(name, ".json").read_text())["architecture"] == PRESETS[name].architecture


@pytest.mark.parametrize("name", PRESETS)
def test_a_copy_of_the_file_asks_for_the_same_input(name, tmp_path):
    shutil.copy(find(name), tmp_path / "copy.onnx")
    assert Matter(tmp_path / "copy.onnx").area == PRESETS[name].area


@pytest.mark.parametrize("name", PRESETS)
def test_built_with_its_weights(name):
    model = build(PRESETS[name].architecture, weights=name, asymmetric=True)
    trained = load(name)
    for ours, theirs in zip(model.weights, trained.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


@pytest.mark.parametrize("name", PRESETS)
def test_finds_the_people_of_the_samples(name, samples):
    matter = Matter(name)
    assert matter.area == PRESETS[name].area
    astronaut, hopper = matter.batch([samples / "astronaut.png", samples / "grace_hopper.jpg"])
    assert astronaut[100:160, 190:250].mean() > 0.98, "the face"
    assert astronaut[:60, :120].mean() < 0.1, "the flag behind her"
    assert hopper[180:280, 220:300].mean() > 0.98, "the face"
    assert hopper[:80, :100].mean() < 0.05, "the wall behind her"


def test_the_default_weights_are_those_of_the_networks_name():
    model, trained = build("dark-light", weights="default", asymmetric=True), load("dark-light")
    for ours, theirs in zip(model.weights, trained.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


@pytest.mark.parametrize("name", [n for n, preset in PRESETS.items() if preset.architecture == n])
def test_the_plain_network_takes_weights_that_learned_as_branches(name):
    plain, trained = build(name, weights="default"), load(name)
    assert plain.count_params() == build(name).count_params() < trained.count_params()
    x = noise(trained, (1, 64, 96))
    np.testing.assert_allclose(plain(x).numpy(), trained(x).numpy(), atol=1e-4)


def test_unknown_preset():
    with pytest.raises(InputError, match="did you mean 'night'\\? There are dawn, dark-light"):
        find("nigth")
    with pytest.raises(InputError, match="no weights are called 'darker'"):
        find("darker")
