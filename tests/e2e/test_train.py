"""The whole life of a network: train a few steps, stop, go on, fuse, export, cut out."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from matting_keras.architectures.registry import ARCHITECTURES
from matting_keras.errors import InputError
from matting_keras.geometry import buckets
from matting_keras.training.command import main, overrides, parser, read_config
from matting_keras.training.run import train
from tests.places import ROOT
from tests.toy import TOYS

CONFIGS = ROOT / "train" / "configs"
TINY = ["data=tiny", "trainer=smoke", "data.area=4096", "data.synthetic=40"]


def losses(folder) -> list[tuple[str, str]]:
    with open(folder / "log.csv", newline="") as file:
        return [(row["loss"], row["val_loss"]) for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """What `python train/train.py` does and says when it is given no data."""
    folder = tmp_path_factory.mktemp("runs")
    return folder, subprocess.run(
        [sys.executable, ROOT / "train" / "train.py", *TINY],
        capture_output=True,
        text=True,
        cwd=folder,
    )


@pytest.fixture(scope="module")
def trained(run):
    folder, done = run
    assert done.returncode == 0, done.stderr
    return folder / "runs" / "dark-light"


def test_train_py_says_that_it_uses_synthetic_portraits(run, trained):
    folder, done = run
    assert "no --data given: training on 40 synthetic portraits" in done.stderr
    assert folder / done.stdout.strip().splitlines()[-1] == trained / "best.keras"


def test_run_folder_says_what_was_done(trained):
    facts = json.loads((trained / "run.json").read_text())
    assert facts["config"]["arch"]["name"] == "dark-light"
    assert facts["photos"]["train"] + facts["photos"]["validation"] == 40
    assert len(facts["held_back"]) == facts["photos"]["validation"]
    assert len(losses(trained)) == 2
    events = list((trained / "tensorboard").rglob("events.out.tfevents*"))
    assert sum(e.stat().st_size for e in events) > 10_000, "scalars and image grids"


@pytest.mark.thorough  # A toy does, by any way of stopping, in test_survival.
def test_resumed_run_has_the_same_losses(trained, tmp_path):
    output = ["--output", str(tmp_path)]
    # The schedule spans both epochs, so the first half is a run of two that is cut short.
    config = read_config(CONFIGS, overrides(parser().parse_args([*TINY, *output])))
    stop_after(config, 1)
    assert len(losses(tmp_path)) == 1
    assert main(CONFIGS, [*TINY, *output, "--resume"]) == 0
    # Not to the bit: threads add up a real network's gradients in any order. A toy's are the same.
    found, expected = (np.array(losses(folder), float) for folder in (tmp_path, trained))
    np.testing.assert_allclose(found, expected, rtol=1e-3)
    first, second = (np.load(f / "state.npz") for f in (trained, tmp_path))
    assert sorted(first.files) == sorted(second.files)
    for name in first.files:
        if name != "facts":
            np.testing.assert_allclose(
                second[name], first[name], rtol=0.05, atol=0.01, err_msg=name
            )


def stop_after(config, epochs: int) -> None:
    """Train, but be interrupted in the middle of the epoch after `epochs`."""
    from matting_keras.training import callbacks

    class Interrupted(Exception):
        pass

    original = callbacks.Throughput.on_train_batch_end

    def interrupt(self, batch, logs=None):
        original(self, batch, logs)
        if self.model.optimizer.iterations >= epochs * 4 + 2:
            raise Interrupted

    callbacks.Throughput.on_train_batch_end = interrupt
    try:
        with pytest.raises(Interrupted):
            train(config)
    finally:
        callbacks.Throughput.on_train_batch_end = original


def test_trained_weights_export_and_cut_out(trained, tmp_path):
    exported = tmp_path / "mine.onnx"
    export = [sys.executable, "-m", "matting_keras", "export", trained / "best.keras"]
    done = subprocess.run([*export, "--output", exported], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "largest difference" in done.stdout
    facts = json.loads(exported.with_suffix(".json").read_text())
    assert facts["architecture"] == "dark-light"
    photo = ROOT / "samples" / "astronaut.png"
    demo = [sys.executable, ROOT / "demo.py", photo, "--weights", exported]
    done = subprocess.run([*demo, "--output", tmp_path / "cut.png"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "cut.png") as cut, Image.open(photo) as original:
        assert cut.mode == "RGBA"
        assert cut.size == original.size


def test_a_run_is_not_written_over(trained, capsys):
    assert main(CONFIGS, [*TINY, "--output", str(trained)]) == 1
    assert "holds a run already; pass --resume" in capsys.readouterr().err


def test_half_precision_with_xla_works_on_every_bucket(tmp_path, monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "toy", TOYS["toy"])
    # XLA compiles once per shape, for training and for validation: two shapes show it.
    ratios = (0.5, 1.0)
    assert len(buckets(64 * 64, ratios)) == 2
    line = [
        *("arch=toy", "data=tiny", "trainer=smoke", "data.area=4096", "data.ratios=[0.5,1.0]"),
        *("data.synthetic=16", "data.validation=0.3"),
        *("trainer.epochs=1", "trainer.steps_per_epoch=3", "trainer.batch_size=3"),
        *("--precision", "mixed_float16", "--jit", "on", "--output", str(tmp_path)),
    ]
    assert main(CONFIGS, line) == 0
    loss, validation = losses(tmp_path)[0]
    assert np.isfinite(float(loss))
    assert np.isfinite(float(validation))


def test_folders_of_pairs_train(pairs, tmp_path):
    line = [*TINY, "--data", str(pairs(24)), "trainer.epochs=1", "data.validation=0.3"]
    assert main(CONFIGS, [*line, "--output", str(tmp_path / "run")]) == 0
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["photos"]["train"] + facts["photos"]["validation"] == 24


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["--data", "nowhere"], "--data nowhere: no such folder"),
        (["--arch", "dark", "--weights", "nowhere.keras"], "nowhere.keras: no such file"),
        (["recipe.learning_rate=0"], "recipe.learning_rate must be above 0"),
        (["trainer.batch_size=999"], "fewer than one batch of 999"),
        (["data.repeat=[1,2]"], "data.repeat has 2 numbers for 1 folders"),
    ],
)
def test_what_cannot_be_trained_is_said(line, message, tmp_path, capsys):
    assert main(CONFIGS, [*TINY, *line, "--output", str(tmp_path / "run")]) == 1
    assert message in capsys.readouterr().err


def test_unknown_architecture_from_python():
    config = read_config(CONFIGS, ["arch.name=darker"])
    with pytest.raises(InputError, match="--arch must be one of"):
        train(config)
