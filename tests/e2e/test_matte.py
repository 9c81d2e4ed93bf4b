import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from matting_keras import Matter
from matting_keras.cli import main
from matting_keras.inference import bulk


@pytest.fixture
def tree(tmp_path, gradient):
    root = tmp_path / "photos"
    (root / "deep").mkdir(parents=True)
    for i in range(10):
        Image.fromarray(gradient).save(root / f"{i}.png")
    Image.fromarray(gradient[:, :33]).save(root / "deep" / "narrow.png")
    return root


def test_mirrors_the_tree_with_alphas_of_the_sources_size(tree, tmp_path, tiny_onnx, capsys):
    out = tmp_path / "out"
    line = ["matte", str(tree), "--output", str(out), "--weights", str(tiny_onnx)]
    assert main([*line, "--alpha-only"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 11
    assert len(list(out.rglob("*.png"))) == 11
    with Image.open(out / "deep" / "narrow.png") as matte:
        assert (matte.mode, matte.size) == ("L", (33, 40))
    expected = np.asarray(Image.open(tree / "0.png"), "float32").mean(-1)
    with Image.open(out / "0.png") as matte:
        np.testing.assert_allclose(np.asarray(matte), expected, atol=6)


def test_goes_on_past_bad_files_and_does_not_repeat_itself(tree, tmp_path, tiny_onnx, capsys):
    out = tmp_path / "out"
    (tree / "3.png").write_bytes(b"")
    line = ["matte", str(tree), "--output", str(out), "--weights", str(tiny_onnx)]
    assert main(line) == 1
    printed = capsys.readouterr()
    assert "3.png" in printed.err
    assert "1 of 11 pictures could not be cut out" in printed.err
    with Image.open(out / "0.png") as cut:
        assert cut.mode == "RGBA"
    before = (out / "0.png").stat().st_mtime_ns
    assert main(line) == 1
    assert capsys.readouterr().out == ""
    assert (out / "0.png").stat().st_mtime_ns == before
    assert main([*line, "--overwrite"]) == 1
    assert len(capsys.readouterr().out.splitlines()) == 10


def test_two_pictures_for_one_file_are_refused(tree, tmp_path, tiny_onnx, capsys):
    Image.open(tree / "0.png").save(tree / "0.jpg")
    line = ["matte", str(tree), "--output", str(tmp_path / "out"), "--weights", str(tiny_onnx)]
    assert main(line) == 1
    assert "would both become" in capsys.readouterr().err


def test_a_picture_is_never_written_over(tree, tmp_path, tiny_onnx, capsys):
    before = (tree / "0.png").read_bytes()
    line = ["--output", str(tree), "--weights", str(tiny_onnx), "--overwrite"]
    assert main(["matte", str(tree / "0.png"), *line]) == 1
    assert "0.png: would be written over a picture that is read" in capsys.readouterr().err
    assert (tree / "0.png").read_bytes() == before


def test_a_folder_onto_itself_is_said(tree, tiny_onnx, capsys):
    assert main(["matte", str(tree), "--output", str(tree), "--weights", str(tiny_onnx)]) == 1
    assert "holds all the pictures there are; write somewhere else" in capsys.readouterr().err


def test_large_pictures_do_not_wait_for_each_other(tree, tmp_path, tiny_onnx, monkeypatch):
    matter, batches = Matter(tiny_onnx), []
    batch = matter.batch
    matter.batch = lambda photos: batches.append(len(photos)) or batch(photos)
    monkeypatch.setattr(bulk, "TOGETHER", 5000)  # each has 2400 but for one
    outcomes = list(bulk.matte_pictures(bulk.pictures([tree], tmp_path / "out"), matter))
    assert len(outcomes) == 11 and not any(one.error for one in outcomes)
    assert max(batches) == 3


def test_whoever_reads_only_the_first_line_gets_no_traceback():
    command = [sys.executable, "-m", "matting_keras", "info"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        _, error = process.communicate(timeout=120)
    assert process.returncode == 1 and b"Traceback" not in error and b"Broken pipe" not in error
