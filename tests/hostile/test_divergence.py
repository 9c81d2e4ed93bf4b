"""A loss that is no number: said with the photos it came from, and never kept."""

import csv
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from matting_keras.architectures.registry import ARCHITECTURES
from matting_keras.training.command import main, read_config
from matting_keras.training.photos import gather
from tests.places import ROOT
from tests.toy import TOYS

CONFIGS = ROOT / "train" / "configs"
WORDS = [
    *("data=tiny", "trainer=smoke", "data.area=1024", "data.ratios=[1.0]", "data.validation=0.3"),
    *("trainer.steps_per_epoch=6", "trainer.batch_size=2"),
    # What is white stays white.
    *(f"data.augment.{name}=0" for name in ("composite", "empty", "brightness", "noise", "jpeg")),
]
OFTEN = "trainer.checkpoint_minutes=1e-9"


@pytest.fixture(autouse=True)
def networks(monkeypatch):
    for name in ("toy", "fussy"):
        monkeypatch.setitem(ARCHITECTURES, name, TOYS[name])


@pytest.fixture
def white(pairs):
    """Paints a photo white, to learn from or held back: white("train") -> words, its name."""

    def paint(part: str) -> tuple[list[str], str]:
        words = [*WORDS, "arch=fussy", f"data.folders=[{pairs(16)}]"]
        name = getattr(gather(read_config(CONFIGS, words)), part).store.samples[2].name
        with Image.open(name) as photo:
            size = photo.size
        Image.new("RGB", size, "white").save(name)
        return words, name

    return paint


def lists(said: str) -> list[list[str]]:
    """The photos in a message, by the paragraph that they are in."""
    blocks = re.findall(r"(?:^  .+\n)+", said, re.MULTILINE)
    return [[line.strip() for line in block.splitlines()] for block in blocks]


def kept(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def is_sound(folder: Path) -> bool:
    with np.load(folder / "state.npz") as state:
        return all(np.isfinite(state[name]).all() for name in state.files if name != "facts")


def test_a_photo_without_a_loss_is_named(white, tmp_path, capsys):
    words, name = white("train")
    assert main(CONFIGS, [*words, f"output={tmp_path / 'run'}"]) == 1
    said = capsys.readouterr().err
    assert re.search(r"the loss was nan at step \d of 12 \(epoch 1, learning rate \S+\)", said)
    assert name in lists(said)[0]
    assert len(lists(said)[0]) == 2
    assert f"Nothing is kept in {tmp_path / 'run'}" in said
    assert "begin again with --lr 0.0005" in said
    assert set(kept(tmp_path / "run")) == {"config.yaml", "run.json"}


def test_so_is_one_among_several_batches_at_once(white, tmp_path, capsys):
    words, name = white("train")
    words += ["trainer.steps_per_execution=3", f"output={tmp_path / 'run'}"]
    assert main(CONFIGS, words) == 1
    said = capsys.readouterr().err
    assert "the loss was nan at one of the steps" in said
    assert name in lists(said)[0]
    assert 4 < len(lists(said)[0]) <= 6
    assert "trainer.steps_per_execution=1 tells the very step" in said


@pytest.mark.parametrize("often", [False, True])
def test_a_slope_that_is_none_breaks_weights_that_are_not_kept(often, white, tmp_path, capsys):
    words, name = white("train")
    words += ["arch.options.about=gradient", f"output={tmp_path / 'run'}"]
    assert main(CONFIGS, [*words, *([OFTEN] if often else [])]) == 1
    said = capsys.readouterr().err
    if often:
        assert "fussy/scale became NaN or infinite at step" in said
        assert name in lists(said)[0]
    else:
        # The weights were broken by one step, and the next, or the epoch's end, comes upon it.
        assert name in lists(said)[0] + lists(said)[1]
    assert "best.keras" not in kept(tmp_path / "run")
    assert not (tmp_path / "run" / "state.npz").exists() or is_sound(tmp_path / "run")


def test_the_last_good_weights_are_kept_and_gone_on_with(tmp_path, capsys):
    folder = tmp_path / "run"
    words = [*WORDS, "arch=toy", "data.synthetic=16", f"output={folder}"]
    assert main(CONFIGS, words) == 0
    before = kept(folder)
    more = [*words, "trainer.resume=true", "trainer.epochs=3"]
    assert main(CONFIGS, [*more, "recipe.learning_rate=1e38"]) == 1
    said = capsys.readouterr().err
    assert f"Kept in {folder}: state.npz and best.keras, with 2 epochs done." in said
    assert "go on with --resume --lr" in said
    assert len(lists(said)) == 2
    for name in ("state.npz", "best.keras"):
        assert kept(folder)[name] == before[name]
    assert main(CONFIGS, [*more, "recipe.learning_rate=1e-4"]) == 0
    with open(folder / "log.csv", newline="") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2", "3"]
    assert is_sound(folder)


def test_a_validation_that_gives_no_number_is_no_best(white, tmp_path, capsys, caplog):
    words, name = white("held")
    assert main(CONFIGS, [*words, f"output={tmp_path / 'run'}"]) == 1
    warned = [r.getMessage() for r in caplog.records if "cannot be the best" in r.getMessage()]
    assert len(warned) == 2
    assert "val_loss nan" in warned[0]
    assert name in lists(warned[0] + "\n")[0]
    assert len(lists(warned[0] + "\n")[0]) <= 2
    assert "no epoch is the best one" in capsys.readouterr().err
    # The weights learned from sound photos.
    assert is_sound(tmp_path / "run")
    assert "best.keras" not in kept(tmp_path / "run")


def test_the_best_weights_that_a_run_left_behind_are_missed(tmp_path, capsys):
    words = [*WORDS, "arch=toy", "data.synthetic=16", f"output={tmp_path / 'run'}"]
    assert main(CONFIGS, words) == 0
    (tmp_path / "run" / "best.keras").unlink()
    assert main(CONFIGS, [*words, "--resume"]) == 1
    said = capsys.readouterr().err
    assert "best.keras: is missing, and no epoch since has scored more than its 0." in said
    assert "take last.keras" in said
    assert is_sound(tmp_path / "run")


def test_half_precision_is_pointed_at(white, tmp_path, capsys):
    words, _ = white("train")
    words += ["trainer.precision=mixed_float16", "trainer.jit=off", f"output={tmp_path / 'run'}"]
    assert main(CONFIGS, words) == 1
    assert "--precision mixed_bfloat16 does not" in capsys.readouterr().err
    assert keras.config.dtype_policy().name == "float32"
