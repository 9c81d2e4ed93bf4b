"""The demo as people start it: a process, files in, files out, names on stdout."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from matting_keras.media.images import read_photo
from tests.places import ROOT


def start(folder: Path, *arguments: object) -> subprocess.CompletedProcess:
    """Start demo.py as a process of its own, warnings being errors, as in a shell."""
    return subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "demo.py"), *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": ""},
    )


def test_a_photo_gives_a_cut_out_of_its_size(tmp_path, tiny_onnx, samples):
    done = start(tmp_path, samples / "astronaut.png", "--weights", tiny_onnx)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{Path('output/astronaut-cutout.png')}\n"
    cutout = read_photo(tmp_path / "output/astronaut-cutout.png")
    original = read_photo(samples / "astronaut.png")
    assert cutout.rgb.shape == original.rgb.shape
    # The tiny network's alpha is the brightness.
    difference = np.abs(cutout.alpha - original.rgb.mean(-1) / 255)
    assert difference.mean() < 0.03


def test_no_training_framework_is_loaded(tmp_path, tiny_onnx, samples):
    code = (
        "import sys; from matting_keras.inference.studio import main;"
        f"status = main([{str(samples / 'astronaut.png')!r}, '--weights', {str(tiny_onnx)!r}]);"
        "print(status, sorted({'tensorflow', 'keras', 'jax', 'torch', 'tqdm', 'pymatting', 'av'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.splitlines()[-1] == "0 []", done.stderr


def test_a_wrong_path_is_one_line_and_status_1(tmp_path, tiny_onnx):
    done = start(tmp_path, "none.jpg", "--weights", tiny_onnx)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: none.jpg: no such file; check the spelling.\n"
    assert os.listdir(tmp_path) == []


def test_without_a_path_all_samples_are_done(demo):
    status, names, error = demo()
    assert (status, error) == (0, "")
    assert [Path(name).name for name in names] == [
        "astronaut-cutout.png",
        "grace_hopper-cutout.png",
    ]
    assert all(Path(name).is_file() for name in names)


def test_a_turned_photo_comes_out_upright(demo, tmp_path, gradient):
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.fromarray(gradient).transpose(Image.Transpose.ROTATE_90)
    stored.save(tmp_path / "phone.jpg", exif=exif, quality=100, subsampling=0)
    assert demo("phone.jpg", "--background", "white")[0] == 0
    result = Image.open("output/phone-cutout.png")
    assert result.size == (60, 40) and not result.getexif()
    rgb = np.asarray(result).astype(int)
    assert rgb[35, 30, 0] > rgb[5, 30, 0]  # red grows downwards, as in the picture


def test_a_folder_keeps_its_tree_and_goes_on_past_bad_files(demo, tmp_path, gradient):
    for name in ("in/a.png", "in/sub/a.png", "in/sub/a.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(gradient).save(tmp_path / name)
    (tmp_path / "in/broken.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    status, names, error = demo("in", "missing.jpg")
    assert status == 1
    assert [Path(name).as_posix() for name in names] == [
        "output/a-cutout.png",
        "output/sub/a-cutout.png",
        "output/sub/a-png-cutout.png",
    ]
    assert [line[:7] for line in error.splitlines()] == ["error: ", "error: "]
    assert "broken.jpg" in error and "missing.jpg: no such file" in error


def test_pictures_of_one_name_do_not_overwrite_each_other(demo, tmp_path, gradient):
    for folder in "abcd":
        (tmp_path / folder).mkdir()
        Image.fromarray(gradient).save(tmp_path / folder / "me.png")
    status, names, _ = demo(*(f"{folder}/me.png" for folder in "abcd"))
    assert status == 0 and len(set(names)) == 4
    assert sorted(os.listdir("output")) == sorted(Path(name).name for name in names)


@pytest.mark.skipif(os.name != "posix", reason="needs a shell that closes standard output")
def test_a_standard_output_that_is_closed_or_full_is_one_line(tmp_path, tiny_onnx, film):
    words = [sys.executable, str(ROOT / "demo.py"), str(film), "--weights", str(tiny_onnx)]
    for where, message in ((">&-", "is closed"), ("> /dev/full", "cannot be written (No space")):
        if "full" in where and not os.path.exists("/dev/full"):
            continue
        line = f"{shlex.join(words)} --output - {where}"
        done = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and done.stderr.startswith("error: standard output")
        assert message in done.stderr and done.stderr.count("\n") == 1


def test_its_own_output_is_not_taken_as_input(demo, tmp_path, gradient):
    Image.fromarray(gradient).save(tmp_path / "a.png")
    for _ in range(2):
        assert demo(".")[:2] == (0, [str(Path("output/a-cutout.png"))])


@pytest.mark.parametrize("background", ["teal", "blur", "photo"])
def test_a_jpeg_with_a_background(demo, tmp_path, gradient, samples, background):
    Image.fromarray(gradient).save(tmp_path / "a.png")
    if background == "photo":
        background = samples / "grace_hopper.jpg"
    status, names, _ = demo("a.png", "--background", background, "--output", "out/b.jpg")
    assert (status, names) == (0, [str(Path("out/b.jpg"))])
    assert read_photo("out/b.jpg").rgb.shape == (40, 60, 3)
