import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from matting_keras import metrics
from matting_keras.cli import main
from matting_keras.data import sources
from matting_keras.data.trimap import unknown_band
from matting_keras.errors import InputError
from matting_keras.evaluate import evaluate
from tests.peer_files import write_peer

HARD = {"mIoU", "IoU", "MAD", "MSE", "SAD"}


@pytest.fixture
def soft_pairs(pairs):
    """A data folder of small portraits with soft alphas, and a word on where they come from."""
    from matting_keras.data.synthetic import synthetic_portrait

    def make(count: int, origin: str | None = None) -> Path:
        root = pairs(count)
        (root / "masks").rename(root / "alphas")
        for number in range(count):
            alpha = synthetic_portrait(number, 32, 24)[1]
            Image.fromarray(np.rint(alpha * 255).astype("uint8")).save(
                root / "alphas" / f"p{number}.png"
            )
        if origin:
            (root / "truth.txt").write_text(f"{origin}\n")
        return root

    return make


def test_command_scores_at_the_photos_size(tiny_onnx, pairs, tmp_path, capsys):
    root = pairs(3)
    line = ["evaluate", str(tiny_onnx), "--data", str(root)]
    assert main([*line, "--json", str(tmp_path / "scores.json")]) == 0
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert set(scores["summary"]) == HARD
    assert scores["truth"] == "binary"
    assert set(scores["unknown_band"]) == {"MAD", "MSE", "SAD"}
    assert len(scores["photos"]) == 3
    mean = np.mean([row["MAD"] for row in scores["photos"]])
    assert scores["summary"]["MAD"] == pytest.approx(mean)
    printed = capsys.readouterr().out
    assert "3 photos. The truth is hard masks" in printed
    assert "Grad and Conn are left out" in printed
    assert f"{scores['summary']['MAD']:.4f}" in printed


def test_a_row_is_what_the_metrics_say_of_the_same_photo(tiny_onnx, soft_pairs):
    found = evaluate(tiny_onnx, soft_pairs(3), quiet=True)
    for number, row in enumerate(found.rows):
        image, truth, alpha = found.again(number)
        assert image.shape == (row["height"], row["width"], 3)
        assert row["subject"] == pytest.approx(truth.mean())
        band = unknown_band(truth)
        assert row["unknown"] == pytest.approx(band.mean())
        assert row["SAD"] == metrics.sad(truth, alpha)
        assert row["band"]["SAD"] == metrics.sad(truth, alpha, band)
        assert row["band"]["Grad"] == metrics.grad(truth, alpha, band)
        assert 0 < row["band"]["SAD"] < row["SAD"]


def test_an_empty_truth_does_not_dilute_the_band(tiny_onnx, pairs):
    root = pairs(2)
    Image.new("L", (24, 32)).save(root / "masks" / "p1.png")
    found = evaluate(tiny_onnx, root, quiet=True)
    first, second = (row["band"] for row in found.rows)
    assert second == {}
    assert found.band_summary == first


@pytest.mark.parametrize("origin", [None, "computed", "hand-made"])
def test_soft_truth_has_grad_and_conn_and_says_where_it_comes_from(tiny_onnx, soft_pairs, origin):
    found = evaluate(tiny_onnx, soft_pairs(2, origin), quiet=True)
    assert found.truth == (origin or "soft")
    assert set(found.summary) == HARD | {"Grad", "Conn"}


def test_an_origin_nobody_knows_is_refused(tiny_onnx, soft_pairs):
    with pytest.raises(InputError, match=r"truth\.txt: says 'divine'; expected one of computed"):
        evaluate(tiny_onnx, soft_pairs(1, "divine"), quiet=True)


def test_hard_masks_are_binary_wherever_they_lie(tiny_onnx, pairs):
    root = pairs(2)
    (root / "masks").rename(root / "alphas")
    found = evaluate(tiny_onnx, root, quiet=True)
    assert found.truth == "binary"
    assert set(found.summary) == HARD
    assert "Grad" in evaluate(tiny_onnx, root, edges=True, quiet=True).summary


def test_mattes_made_by_something_else_are_scored_alike(tiny_onnx, pairs, tmp_path, capsys):
    root, mattes, json_file = pairs(3), tmp_path / "mattes", tmp_path / "scores.json"
    weights = ["--weights", str(tiny_onnx), "--output", str(mattes), "--alpha-only"]
    assert main(["matte", str(root / "images"), *weights]) == 0
    line = ["evaluate", str(tiny_onnx), "--predictions", str(mattes), "--grad"]
    assert main([*line, "--data", str(root), "--json", str(json_file)]) == 0
    ours, theirs = (each["summary"] for each in json.loads(json_file.read_text()))
    assert {"Grad", "Conn"} < set(ours)
    for key, value in ours.items():
        assert theirs[key] == pytest.approx(value, rel=0.02, abs=5e-3), key
    next(mattes.rglob("*.png")).unlink()
    assert main(["evaluate", "--predictions", str(mattes), "--data", str(root)]) == 1
    assert "has no matte for 1 of 3 photos" in capsys.readouterr().err


def test_nothing_to_evaluate_is_said(pairs, capsys):
    root = str(pairs(1))
    assert main(["evaluate", "--data", root]) == 1
    assert "name weights, a folder after --predictions, or a file" in capsys.readouterr().err
    assert main(["evaluate", "--peer", "no.onnx", "--data", root]) == 1
    assert "--peer no.onnx: no such file; expected an .onnx file of" in capsys.readouterr().err
    assert main(["evaluate", "--predictions", "nowhere", "--data", root]) == 1
    assert "--predictions nowhere: no such folder" in capsys.readouterr().err


def test_a_published_network_in_the_wrong_place_is_told_where_to_go(pairs, tmp_path, capsys):
    path = write_peer(tmp_path / "modnet.onnx", ["n", 3, "h", "w"], 1)
    root = str(pairs(1))
    assert main(["evaluate", str(path), "--data", root]) == 1
    assert "is a file of MODNet, not of ours; pass it after --peer" in capsys.readouterr().err
    assert main(["evaluate", "--peer", str(path), "--data", root]) == 0
    assert "modnet.onnx" in capsys.readouterr().out


def test_the_report_shows_what_the_table_says(tiny_onnx, pairs, tmp_path, capsys):
    line = ["evaluate", str(tiny_onnx), "--data", str(pairs(2))]
    assert main([*line, "--report", str(tmp_path / "report")]) == 0
    page = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    printed = capsys.readouterr().out
    figures = [word for word in printed.splitlines()[3].split() if "." in word][1:6]
    assert len(figures) == 5
    assert all(figure in page for figure in figures)
    assert str(tmp_path / "report" / "index.html") in printed


def test_pictures_without_people_are_scored_by_their_mean_alpha(tiny_onnx, tmp_path, capsys):
    for name, level in (("dark", 0), ("bright", 200)):
        Image.new("RGB", (40, 30), (level,) * 3).save(tmp_path / f"{name}.png")
    found = evaluate(tiny_onnx, tmp_path, people="none", quiet=True)
    assert found.truth == "empty" and found.figures == ("MAD", "MSE", "SAD")
    by_name = {row["name"]: row["MAD"] for row in found.rows}
    assert by_name["bright.png"] == pytest.approx(found.again(0)[2].mean())
    line = ["evaluate", str(tiny_onnx), "--people", "none", "--data", str(tmp_path)]
    assert main([*line, "--report", str(tmp_path / "report")]) == 0
    said = capsys.readouterr().out
    assert "(nobody in it): 2 photos. Nobody is in these pictures" in said
    name = max(by_name, key=by_name.get)
    assert f"at worst {by_name[name]:.4f}, {name}; over 0.01 on" in said


def test_scenes_that_training_held_back_are_scored_alone(tiny_onnx, tmp_path):
    for number in range(30):
        Image.new("RGB", (40, 30), (number,) * 3).save(tmp_path / f"{number}.png")
    held = evaluate(tiny_onnx, tmp_path, people="none-held-back", quiet=True)
    learned = sources.split(sources.backgrounds(tmp_path), 0.1)[0]
    names = {Path(sample.name).name for sample in learned}
    assert names.isdisjoint(row["name"] for row in held.rows)
    assert len(names) + len(held.rows) == 30
    with pytest.raises(InputError, match="holds back none of its pictures; take none"):
        evaluate(tiny_onnx, tmp_path, people="none-held-back", fraction=0.0, quiet=True)


def test_photos_are_also_scored_when_they_are_worse(tiny_onnx, pairs, tmp_path, capsys):
    line = ["evaluate", str(tiny_onnx), "--data", str(pairs(2)), "--changed", "noisy", "half-lit"]
    assert main([*line, "--json", str(tmp_path / "scores.json")]) == 0
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert [one["data"].partition(" (")[2] for one in scores] == [
        "all)",
        "all, noisy)",
        "all, half-lit)",
    ]
    assert len({one["summary"]["MAD"] for one in scores}) == 3


def test_ready_made_mattes_cannot_be_changed(pairs, tmp_path):
    with pytest.raises(InputError, match="holds mattes of the photos as they are"):
        evaluate(tmp_path, pairs(2), change="rotated", quiet=True)
