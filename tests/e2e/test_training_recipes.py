"""Every recipe, from the command line to a loss that falls, on portraits that are drawn."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from matting_keras.architectures.registry import ARCHITECTURES
from matting_keras.training.command import main, read_config
from tests.places import ROOT
from tests.toy import TOYS

CONFIGS = ROOT / "train" / "configs"
SMALL = [
    *("data=tiny", "data.area=4096", "data.ratios=[1.0]", "data.synthetic=24", "seed=1"),
    *("trainer.epochs=3", "trainer.steps_per_epoch=6", "trainer.batch_size=4"),
]
# The default network and MODNet's own; what the others do is seen on a toy too, in less time.
TOY = ["--arch", "toy", "recipe.learning_rate=0.02", "trainer.epochs=8"]
OWN = {
    "likeunet": ["recipe.schedule.warmup=2"],
    "muon": [*TOY, "recipe.schedule.warmup=2"],
    "portrait": [*TOY, "recipe.schedule.warmup=2"],
    "cyclical": TOY,
    "easy-to-hard": TOY,
    "easy-to-hard-2": TOY,
    # Its loss of a few batches goes up and down more than three epochs take off.
    "modnet": ["--arch", "modnet", "trainer.epochs=6"],
}


def epochs(folder) -> list[dict]:
    with open(folder / "log.csv", newline="") as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


@pytest.mark.parametrize("recipe", OWN)
def test_a_recipe_trains_from_the_command_line(recipe, tmp_path, monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "toy", TOYS["toy"])
    rng = np.random.default_rng(0)
    scenes = tmp_path / "scenes"
    scenes.mkdir()
    for number in range(2):
        pixels = rng.integers(0, 255, (64, 64, 3), "uint8")
        Image.fromarray(pixels).save(scenes / f"{number}.png")
    words = ["--recipe", recipe, "--backgrounds", str(scenes), *SMALL, *OWN[recipe]]
    assert main(CONFIGS, [*words, "--output", str(tmp_path / "run")]) == 0
    log = epochs(tmp_path / "run")
    assert log[-1]["loss"] < log[0]["loss"]
    assert all(np.isfinite(value) for row in log for value in row.values())
    assert all(0 <= row["data_wait"] < 1 for row in log)
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["config"]["recipe"]["name"] == recipe
    if recipe == "easy-to-hard-2":
        assert facts["config"]["data"]["augment"]["composite"] == 1.0


def test_a_run_is_repeated_from_its_own_file(tmp_path, monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "toy", TOYS["toy"])
    words = ["--arch", "toy", "--recipe", "cyclical", *SMALL, "recipe.options.boundary=2.0"]
    assert main(CONFIGS, [*words, "--output", str(tmp_path / "one")]) == 0
    again = [f"experiment={tmp_path / 'one' / 'config.yaml'}", "--output", str(tmp_path / "two")]
    assert main(CONFIGS, again) == 0
    first, second = (epochs(tmp_path / name)[0] for name in ("one", "two"))
    for name in ("loss", "val_loss", "val_mIoU"):
        assert first[name] == pytest.approx(second[name], rel=1e-3)
    other = read_config(CONFIGS, [again[0], "recipe.options.boundary=0.0"])
    assert other.recipe.options["boundary"] == 0


def test_an_experiment_of_the_group_chooses_groups(tmp_path):
    config = read_config(CONFIGS, ["experiment=smoke", "seed=5"])
    assert (config.arch.name, config.recipe.name, config.seed) == ("night-lite", "portrait", 5)


def test_an_experiment_that_is_not_there_is_named(tmp_path, capsys):
    assert main(CONFIGS, [f"experiment={tmp_path / 'none.yaml'}"]) == 1
    assert "none.yaml: cannot be read" in capsys.readouterr().err
