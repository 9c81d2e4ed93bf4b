from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from matting_keras import export as export_module
from matting_keras.architectures import ARCHITECTURES, registry
from matting_keras.cli import main
from matting_keras.errors import InputError
from matting_keras.export import export
from matting_keras.inference.matter import Matter
from matting_keras.reparameterize import with_rgb_input
from matting_keras.weights.files import load
from tests.networks import lively, noise


@pytest.fixture(scope="module")
def model():
    return lively("dark-light", asymmetric=True)


@pytest.mark.parametrize("format", ["saved_model", "keras"])
def test_other_formats(format, model, tmp_path):
    suffix = ".keras" if format == "keras" else ""
    report = export(model, tmp_path / f"model{suffix}", format, tolerance=1e-5)
    assert report.parameters == (322_929, 219_505)
    assert report.layers[1] == 33
    assert report.bytes > 800_000
    assert "largest difference" in str(report)
    x = noise(with_rgb_input(model), (1, 64, 96))
    wanted = np.array(with_rgb_input(model)(x))
    if format == "saved_model":
        artifact = tf.saved_model.load(str(report.path))
        found = np.array(artifact.serve(x))
    else:
        found = np.array(with_rgb_input(load(report.path))(x))
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_rgb_networks_are_not_converted():
    model = lively("night-lite")
    assert with_rgb_input(model) is model


def test_a_file_that_differs_is_not_kept(model, tmp_path, monkeypatch):
    (tmp_path / "model.onnx").write_text("the old one")
    monkeypatch.setattr(export_module, "verify", lambda *_: {(1, 32, 32): 0.2})
    with pytest.raises(InputError, match=r"differs from the trained model by 2\.0e-01"):
        export(model, tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_text() == "the old one"
    assert len(list(tmp_path.iterdir())) == 1


def test_nan_is_a_difference(model, tmp_path, monkeypatch):
    found = {(1, 32, 32): 1e-6, (1, 64, 64): float("nan")}
    monkeypatch.setattr(export_module, "verify", lambda *_: found)
    with pytest.raises(InputError, match="differs"):
        export(model, tmp_path / "model.onnx")


def test_a_folder_with_other_things_is_not_replaced(model, tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.txt").write_text("years of it")
    for format in ("saved_model", "onnx"):
        with pytest.raises(InputError, match=r"would be lost|must end in"):
            export(model, tmp_path / "work", format)
    assert (tmp_path / "work" / "thesis.txt").read_text() == "years of it"


@pytest.mark.parametrize(("format", "name"), [("keras", "net"), ("onnx", "net.bin")])
def test_the_suffix_is_checked_first(model, format, name, tmp_path):
    with pytest.raises(InputError, match=r"must end in \."):
        export(model, tmp_path / name, format)


def test_unknown_format(model, tmp_path):
    with pytest.raises(InputError, match="format must be one of onnx"):
        export(model, tmp_path / "model.pb", "pb")


def test_matter_runs_what_was_exported_like_the_model(model, samples, tmp_path):
    export(model, tmp_path / "model.onnx")
    photo = samples / "astronaut.png"
    # Without drawn edges, which make more of a last digit's difference where colours are even.
    exported, trained = (Matter(x, refine="off") for x in (tmp_path / "model.onnx", model))
    assert exported.area == 320 * 256
    np.testing.assert_allclose(exported(photo), trained(photo), atol=1e-4)


def test_export_command_says_what_is_wrong(tmp_path, capsys):
    assert main(["export", str(tmp_path / "none.keras"), "--output", str(tmp_path / "x.onnx")]) == 1
    assert "none.keras: no such file" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_convert_command_wants_a_keras_file(tmp_path, capsys):
    line = ["convert", "x.h5", "--arch", "dark", "--output", str(tmp_path / "x.h5")]
    assert main(line) == 1
    assert "must end in .keras" in capsys.readouterr().err


def test_info_command_lists_every_network(capsys, monkeypatch):
    rows = {**ARCHITECTURES, "new": replace(ARCHITECTURES["dark"], counts=None)}
    monkeypatch.setattr(registry, "ARCHITECTURES", rows)
    assert main(["info"]) == 0
    printed = capsys.readouterr().out
    lines = {line.split()[0]: line.split()[1:] for line in printed.splitlines() if line.strip()}
    assert lines["u2netp"][:5] == ["1,136,877", "12.64", "G", "50.58", "G"]
    assert lines["new"][:5] == lines["dark"][:5]
    assert set(rows) <= set(lines)
    assert "0.9 MB; research use" in printed


def test_the_area_asked_for_is_the_one_that_is_used(tmp_path):
    model = registry.build("dark-light")
    export(model, tmp_path / "small.onnx", sizes=[(1, 64, 64)], area=49152)
    export(model, tmp_path / "plain.onnx", sizes=[(1, 64, 64)])
    assert Matter(tmp_path / "small.onnx").area == 49152
    assert Matter(tmp_path / "plain.onnx").area == ARCHITECTURES["dark-light"].area
    with pytest.raises(InputError, match=r"keras files cannot say theirs.* with --area 4096"):
        export(model, tmp_path / "none.keras", "keras", area=4096)
    with pytest.raises(InputError, match="area must be a positive number of pixels, got 0"):
        export(model, tmp_path / "none.onnx", area=0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plain.onnx", "small.onnx"]
