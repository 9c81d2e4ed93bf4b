import numpy as np
import pytest

from matting_keras import build
from matting_keras.cli import main
from matting_keras.errors import InputError
from matting_keras.weights.average import average
from matting_keras.weights.files import load, save, transfer
from tests.networks import lively


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    paths = [folder / f"{seed}.keras" for seed in range(3)]
    for seed, path in enumerate(paths):
        save(lively("dark-light", seed, asymmetric=True), path)
    return paths


def arrays(path):
    return [np.array(weight) for weight in load(path).weights]


def test_each_network_counts_by_its_share(runs, tmp_path, capsys):
    target = tmp_path / "all.keras"
    line = ["average", *map(str, runs), "--shares", "1", "2", "1", "--output", str(target)]
    assert main(line) == 0
    assert f"{target}: dark-light, " in capsys.readouterr().out
    for averaged, *parts in zip(arrays(target), *map(arrays, runs), strict=True):
        wanted = 0.25 * parts[0] + 0.5 * parts[1] + 0.25 * parts[2]
        np.testing.assert_allclose(averaged, wanted, rtol=1e-5, atol=1e-7)


def test_without_shares_all_count_the_same(runs):
    for averaged, *parts in zip(average(runs[:2]).weights, *map(arrays, runs[:2]), strict=True):
        np.testing.assert_allclose(np.array(averaged), (parts[0] + parts[1]) / 2, atol=1e-7)


def test_the_average_of_one_network_with_itself_is_that_network(runs):
    for averaged, weight in zip(average([runs[0]] * 3).weights, arrays(runs[0]), strict=True):
        np.testing.assert_array_equal(np.array(averaged), weight)


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ([1.0], "1 shares for 2 networks; give one each"),
        ([1.0, 0.0], "each must be a number above 0"),
        ([1.0, float("nan")], "each must be a number above 0"),
    ],
)
def test_shares_that_mean_nothing(runs, shares, said):
    with pytest.raises(InputError, match=said):
        average(runs[:2], shares)


def test_gray_weights_are_averaged_in_colour(runs, tmp_path):
    colour = tmp_path / "colour.keras"
    save(lively("night-lite", 5, asymmetric=True), colour)
    twin = build("night-lite", asymmetric=True)
    transfer(load(runs[0]), twin)
    found = average([runs[0], colour])
    assert found.name == "night-lite"
    parts = zip(found.weights, twin.weights, arrays(colour), strict=True)
    for averaged, gray, tinted in parts:
        np.testing.assert_allclose(np.array(averaged), (np.array(gray) + tinted) / 2, atol=1e-6)


def test_networks_that_cannot_be_averaged(runs, tmp_path, capsys):
    with pytest.raises(InputError, match="name two or more"):
        average(runs[:1])
    save(lively("dark", asymmetric=True), tmp_path / "large.keras")
    with pytest.raises(InputError, match=r"large\.keras and .*0\.keras: one is 'dark'"):
        average([runs[0], tmp_path / "large.keras"])
    save(lively("dark-light"), tmp_path / "plain.keras")
    target = tmp_path / "out.keras"
    line = ["average", str(runs[0]), str(tmp_path / "plain.keras"), "--output", str(target)]
    assert main(line) == 1
    said = capsys.readouterr().err
    assert "have other layers or blocks, first conv1/kernel (3, 3, " in said
    assert "and conv1/square" in said and "not one of them fused" in said
    assert not target.exists()
    assert main([*line[:-1], str(tmp_path / "out.onnx")]) == 1
    assert "must end in .keras" in capsys.readouterr().err


def test_half_precision_makes_a_file_of_one_or_more_smaller(runs, tmp_path):
    whole, half = tmp_path / "whole.keras", tmp_path / "half.keras"
    line = ["average", *map(str, runs[:2]), "--output"]
    assert main([*line, str(whole)]) == main([*line, str(half), "--half"]) == 0
    assert half.stat().st_size < 0.75 * whole.stat().st_size
    for rounded, weight in zip(arrays(half), arrays(whole), strict=True):
        wanted = weight.astype("float16").astype("float32") if weight.ndim > 1 else weight
        np.testing.assert_array_equal(rounded, wanted)
    one = tmp_path / "one.keras"
    assert main(["average", str(whole), "--half", "--output", str(one)]) == 0
    for again, rounded in zip(arrays(one), arrays(half), strict=True):
        np.testing.assert_array_equal(again, rounded)


def test_half_precision_that_would_be_infinite_is_refused(runs, tmp_path, capsys):
    model = load(runs[0])
    alpha = model.get_layer("alpha").kernel
    alpha.assign(np.full(alpha.shape, 1e6))
    save(model, tmp_path / "steep.keras")
    out = tmp_path / "out.keras"
    assert main(["average", str(tmp_path / "steep.keras"), "--half", "--output", str(out)]) == 1
    said = capsys.readouterr().err
    assert "'alpha/kernel' reach 1000000, and half precision ends at 65504" in said
    assert not out.exists()
