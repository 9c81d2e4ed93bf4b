import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from matting_keras.cli import main
from matting_keras.data import sources
from matting_keras.data.synthetic import synthetic_scene
from matting_keras.data.trimap import unknown_band
from matting_keras.errors import InputError
from matting_keras.inference.matter import Matter
from matting_keras.media.images import read_alpha
from matting_keras.workshop import shards
from matting_keras.workshop.label import Settings, label
from matting_keras.workshop.refine import disagreement, refine, rough_trimap
from tests.masks import roughened


@pytest.fixture
def photos(tmp_path) -> Path:
    """A folder of photos and, beside it, their rough masks."""
    for number in range(5):
        scene = synthetic_scene(number, 48, 40, people=1)
        for name, values in (("photos", scene.image), ("masks", roughened(scene.alpha) * 255)):
            (tmp_path / name).mkdir(exist_ok=True)
            picture = Image.fromarray(values.astype("uint8"))
            picture.save(tmp_path / name / f"p{number}.png")
    return tmp_path / "photos"


@pytest.mark.parametrize("seed", [0, 2, 4])
def test_refined_masks_have_less_than_half_the_error(seed):
    pytest.importorskip("pymatting")
    scene = synthetic_scene(seed, 192, 160, people=1)
    band, mask = unknown_band(scene.alpha), roughened(scene.alpha)
    refined = refine(scene.image, mask, "closed-form")
    before, after = (np.abs(a - scene.alpha)[band].mean() for a in (mask, refined))
    assert after <= before / 2
    # Where the mask is certain it stays.
    far = ~unknown_band(mask, 12)
    np.testing.assert_array_equal(refined[far], mask[far])


def test_a_teacher_decides_inside_the_band_only():
    mask = np.zeros((60, 80), "float32")
    mask[:, 40:] = 1
    image, teacher = np.zeros((60, 80, 3), "uint8"), np.full((60, 80), 0.25, "float32")
    refined = refine(image, mask, "teacher", teacher, outside=5, inside=8)
    assert (refined[:, :35] == 0).all()
    assert (refined[:, 35:48] == 0.25).all()
    assert (refined[:, 48:] == 1).all()


def test_a_mask_without_border_stays():
    empty = np.zeros((20, 20), "float32")
    image = np.zeros((20, 20, 3), "uint8")
    for method in ("closed-form", "teacher"):
        assert (refine(image, empty, method) == 0).all()
        assert (refine(image, empty + 1, method) == 1).all()


def test_a_tiny_person_all_unknown_gives_no_crash():
    mask = np.zeros((40, 40), "float32")
    mask[20, 20] = 1
    assert (refine(np.zeros((40, 40, 3), "uint8"), mask, "closed-form") == 0).all()


def test_what_cannot_be_refined_is_said():
    image, mask = np.zeros((20, 20, 3), "uint8"), np.zeros((20, 20), "float32")
    with pytest.raises(InputError, match="--refine magic: there are closed-form, teacher, mean"):
        refine(image, mask, "magic")
    with pytest.raises(InputError, match=r"the mask is \(20, 20\) but its photo \(10, 20\)"):
        refine(image[:10], mask, "teacher")
    mask[:, 10:] = 1
    with pytest.raises(InputError, match="needs a network's alpha"):
        refine(image, mask, "teacher")


def test_the_band_reaches_to_both_sides_as_told():
    mask = np.zeros((1, 20), "float32")
    mask[:, 10:] = 1
    assert (rough_trimap(mask, 2, 4) == 128)[0].nonzero()[0].tolist() == [8, 9, 10, 11, 12, 13]


def test_disagreement():
    a, b = np.zeros((2, 2)), np.ones((2, 2))
    assert disagreement(a, a) == 0
    assert disagreement(a, b) == 1
    assert disagreement(np.array([[1, 1, 1, 0]]), np.array([[0, 1, 1, 1]])) == 0.5


def test_command_makes_a_data_folder(tiny_onnx, photos, tmp_path, capsys):
    output = tmp_path / "data"
    line = ["label", str(photos), "--output", str(output), "--teacher", str(tiny_onnx)]
    assert main([*line, "--processes", "0"]) == 0
    assert "5 kept" in capsys.readouterr().out
    assert (output / "truth.txt").read_text() == "computed\n"
    for number in range(5):
        image = Image.open(output / "images" / f"p{number}.png")
        alpha = read_alpha(output / "alphas" / f"p{number}.png")
        np.testing.assert_allclose(alpha, Matter(tiny_onnx)(image), atol=0.5 / 255 + 1e-6)
    people = {sample.person for sample in sources.open_source(output)}
    assert people == {f"photos/p{number}" for number in range(5)}
    line = ["evaluate", str(tiny_onnx), "--data", str(output), "--json", str(tmp_path / "s.json")]
    assert main(line) == 0
    scores = json.loads((tmp_path / "s.json").read_text())
    assert (scores["truth"], len(scores["photos"])) == ("computed", 5)


def test_several_teachers_and_the_mask_are_one_mean(tiny_onnx, photos, tmp_path):
    output = tmp_path / "data"
    line = ["label", str(photos), "--output", str(output), "--masks", str(tmp_path / "masks")]
    line += ["--refine", "mean", "--threshold", "1", "--looks", "2", "--processes", "0"]
    line += ["--teacher", str(tiny_onnx), "dark-light"]
    assert main(line) == 0
    matters = [Matter(name, threads=1, looks=2) for name in (tiny_onnx, "dark-light")]
    for number in range(5):
        image = Image.open(output / "images" / f"p{number}.png")
        mask = read_alpha(tmp_path / "masks" / f"p{number}.png")
        wanted = (mask + np.mean([matter(image) for matter in matters], 0)) / 2
        alpha = read_alpha(output / "alphas" / f"p{number}.png")
        np.testing.assert_allclose(alpha, wanted, atol=0.5 / 255 + 1e-6)


def test_photos_on_which_mask_and_teacher_differ_are_set_aside(tiny_onnx, photos, tmp_path, capsys):
    bright = (np.asarray(Image.open(photos / "p0.png")).mean(-1) > 127.5).astype("uint8") * 255
    masks = tmp_path / "masks"
    Image.fromarray(bright).save(masks / "p0.png")
    Image.fromarray(255 - bright).save(masks / "p1.png")
    Image.open(photos / "p0.png").save(photos / "p1.png")
    for number in (2, 3, 4):
        (photos / f"p{number}.png").unlink()
    output = tmp_path / "data"
    line = ["label", str(photos), "--output", str(output), "--teacher", str(tiny_onnx)]
    assert main([*line, "--masks", str(masks), "--processes", "0"]) == 0
    assert "1 kept, 1 set aside" in capsys.readouterr().out
    reports = [json.loads(row) for row in (output / "labels.jsonl").read_text().splitlines()]
    assert [report["status"] for report in reports] == ["kept", "set aside"]
    assert reports[1]["hint"] == "mask inverted?"
    assert not (output / "images" / "p1.png").exists()
    assert (output / "set-aside" / "p1.png").is_file()


def test_failures_are_listed_and_too_many_fail_the_job(tiny_onnx, photos, tmp_path, capsys):
    (photos / "p3.png").write_bytes(b"no picture")
    line = ["label", str(photos), "--output", str(tmp_path / "data"), "--teacher", str(tiny_onnx)]
    assert main([*line, "--processes", "0"]) == 1
    printed = capsys.readouterr()
    assert "1 failed, 4 kept" in printed.out
    assert "p3.png" in printed.err
    assert "1 of 5 pictures failed, more than 1%" in printed.err


def test_impossible_jobs_are_refused_before_anything_is_written(tiny_onnx, photos, tmp_path):
    output = tmp_path / "data"
    for settings, message in (
        (Settings(None), "a --teacher is needed"),
        (Settings("nobody"), "nobody"),
        (Settings(str(tiny_onnx), others=("nobody",)), "nobody"),
        (Settings(str(photos / "p0.png")), "p0.png"),
        (Settings(str(tiny_onnx), str(tmp_path / "masks"), "magic"), "--refine magic"),
        (Settings(str(tiny_onnx), threshold=2), "0 to 1, not 2"),
        (Settings(str(tiny_onnx), str(tmp_path)), "none of its 10 masks has the name"),
    ):
        with pytest.raises(InputError, match=message):
            list(label(photos, output, settings, 0))
    Image.open(photos / "p0.png").save(photos / "p0.jpg")
    with pytest.raises(InputError, match=r"would get one label, p0\.png"):
        list(label(photos, output, Settings(str(tiny_onnx)), 0))
    assert not output.exists()


def test_a_folder_begun_by_another_job_is_refused(tiny_onnx, photos, tmp_path):
    list(label(photos, tmp_path / "data", Settings(str(tiny_onnx)), 0))
    with pytest.raises(InputError, match="was begun with other photos or settings"):
        list(label(photos, tmp_path / "data", Settings(str(tiny_onnx), threshold=0.5), 0))


def contents(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_a_killed_job_goes_on_to_the_same_files(tiny_onnx, photos, tmp_path, monkeypatch):
    for number in range(5, 60):
        os.link(photos / f"p{number % 5}.png", photos / f"p{number}.png")
    line = ["label", str(photos), "--teacher", str(tiny_onnx), "--processes", "2", "--output"]
    slow = (
        "import sys, time\n"
        "from matting_keras.workshop import label, shards\n"
        "shards.SIZE = 6\n"
        "from matting_keras.cli import main\n"
        "if __name__ == '__main__':\n"
        "    sys.exit(main(sys.argv[1:]))\n"
    )
    script = tmp_path / "slow.py"
    script.write_text(slow)
    command = [sys.executable, str(script), *line]
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    job = subprocess.Popen([*command, str(tmp_path / "killed")], env=environment)
    reports = tmp_path / "killed" / shards.REPORTS
    until = time.monotonic() + 60
    while len(list(reports.glob("0*.json"))) < 2 and time.monotonic() < until:
        time.sleep(0.005)
    job.send_signal(signal.SIGKILL)
    job.wait()
    time.sleep(1)  # its workers notice
    done = {path: path.stat().st_mtime_ns for path in reports.glob("0*.json")}
    assert done
    subprocess.run([*command, str(tmp_path / "killed")], env=environment, check=True)
    subprocess.run([*command, str(tmp_path / "whole")], env=environment, check=True)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    assert {path: path.stat().st_mtime_ns for path in done} == done


def test_a_full_disk_stops_the_job_and_nothing_is_lost(
    tiny_onnx, photos, tmp_path, monkeypatch, capsys
):
    line = ["label", str(photos), "--output", str(tmp_path / "data"), "--teacher", str(tiny_onnx)]
    save, written = Image.Image.save, []

    def full(image, path, *args, **kwargs):
        if len(written) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(path)
        save(image, path, *args, **kwargs)

    monkeypatch.setattr(Image.Image, "save", full)
    assert main([*line, "--processes", "0"]) == 1
    assert "p3.png: cannot be written (No space left on device)" in capsys.readouterr().err
    assert not (tmp_path / "data" / "labels.jsonl").exists()
    monkeypatch.undo()
    assert main([*line, "--processes", "0"]) == 0
    assert "5 kept" in capsys.readouterr().out


def test_beam_makes_the_same_files(tiny_onnx, photos, tmp_path):
    pytest.importorskip("apache_beam", reason="Apache Beam is an extra: pip install '.[beam]'")
    line = ["label", str(photos), "--teacher", str(tiny_onnx), "--output"]
    assert main([*line, str(tmp_path / "here"), "--processes", "0"]) == 0
    running = "--beam=--runner=DirectRunner --direct_running_mode=in_memory"
    assert main([*line, str(tmp_path / "beam"), running]) == 0
    assert contents(tmp_path / "here") == contents(tmp_path / "beam")


def test_beam_that_is_missing_is_said(tiny_onnx, photos, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    line = ["label", str(photos), "--teacher", str(tiny_onnx), "--output", str(tmp_path / "out")]
    assert main([*line, "--beam"]) == 1
    assert "--beam needs Apache Beam" in capsys.readouterr().err


@pytest.mark.parametrize("above", [False, True])
def test_labels_are_not_written_around_the_photos(above, tiny_onnx, photos, tmp_path, capsys):
    """They would all be taken for labels, and nothing would be made."""
    there = photos.parent if above else photos
    before = sorted(there.rglob("*"))
    line = ["label", str(photos), "--teacher", str(tiny_onnx), "--output", str(there)]
    assert main([*line, "--processes", "0"]) == 1
    assert f"--output {there}: the photos in {photos} lie in it" in capsys.readouterr().err
    assert sorted(there.rglob("*")) == before
