"""`matting-keras lr-find` and `train.py --lr auto`, from the command line to a rate."""

import json

import pytest
from PIL import Image

import matting_keras
from matting_keras import cli
from matting_keras.architectures.registry import ARCHITECTURES, Architecture
from matting_keras.training import command
from matting_keras.training.flags import parsed, run_words
from matting_keras.training.interruption import Interruption
from tests.places import ROOT
from tests.run_folders import assert_same_run
from tests.toy import toy

CONFIGS = ROOT / "train" / "configs"
SMALL = [
    *("--arch", "toy", "data=tiny", "data.area=4096", "data.ratios=[1.0]", "data.synthetic=24"),
    *("trainer.batch_size=4", "trainer.steps_per_execution=2"),
]
RUN = [*SMALL, "trainer.epochs=2", "trainer.steps_per_epoch=6", "recipe.schedule.warmup=2"]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "toy", Architecture(toy, 1, 64 * 64, "for tests"))


def suggestion(folder) -> float:
    return json.loads((folder / "lr-find.json").read_text())["suggestion"]


def test_it_prints_a_rate_and_shows_why(tmp_path, capsys):
    line = ["lr-find", *SMALL, "--low", "1e-5", "--high", "30", "--steps", "40"]
    assert cli.main([*line, "--output", str(tmp_path / "new")]) == 0
    said = capsys.readouterr().out
    assert said == f"{suggestion(tmp_path / 'new'):.3g}\n", "a script can take it as it is"
    facts = json.loads((tmp_path / "new" / "lr-find.json").read_text())
    assert facts["rates"][0] == pytest.approx(1e-5)
    assert 1e-5 < facts["suggestion"] < 30
    with Image.open(tmp_path / "new" / "lr-find.png") as picture:
        assert picture.size == (1200, 720)
    assert cli.main([*line, "--ramp", "linear", "--steps", "12"]) in (0, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new"]


def test_a_rate_that_is_not_there_is_an_error_with_a_curve(tmp_path, capsys):
    line = ["lr-find", *SMALL, "--low", "1e-12", "--high", "1e-11", "--steps", "10"]
    assert cli.main([*line, "--smoothing", "4", "--output", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "error: the loss did not fall at any rate" in said.err
    assert suggestion(tmp_path) is None
    assert (tmp_path / "lr-find.png").is_file()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["--low", "2", "--high", "1"], "rates must rise from low"),
        (["--steps", "3"], "a range test needs 10 steps at least"),
        (["--smoothing", "-1"], "smoothing is a number of steps"),
        (["--recipe", "nothing"], "there is no recipe 'nothing'"),
        (["--recipe", "modnet"], "recipe 'modnet' needs the outputs"),
        (["--arch", "modnet", "--recipe", "modnet-soc"], "name a network that works already"),
        (["--output", "taken"], "--output taken: cannot be made"),
        (["--data", "nowhere"], "--data nowhere: no such folder"),
    ],
)
def test_what_cannot_be_tested_is_said(line, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_text("")
    assert cli.main(["lr-find", *SMALL, *line]) == 1
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_it_is_told_what_a_run_is_told(tmp_path):
    odd = tmp_path / "it's, a = folder"
    odd.mkdir()
    line = [
        *("--arch", "night", "--recipe", "portrait", "--weights", "start.keras", "--jit", "off"),
        *("--precision", "float32", "--backgrounds", "rooms"),
        *("--data", str(odd), "p3m:/b", "trainer.batch_size=3", "seed=7"),
    ]
    run = command.overrides(command.parser().parse_args(line))
    tested = run_words(cli.parser().parse_args(["lr-find", *line]))
    assert command.read_config(CONFIGS, tested) == command.read_config(CONFIGS, run)
    assert command.read_config(CONFIGS, run).data.folders == [str(odd), "p3m:/b"]


@pytest.mark.parametrize("command_line", [["lr-find"], []])
def test_settings_may_stand_anywhere_among_flags(command_line):
    parser = cli.parser() if command_line else command.parser()
    line = [*command_line, "seed=1", "--arch", "dark", "seed=2", "--jit", "off", "seed=3"]
    assert parsed(parser, line).overrides == ["seed=1", "seed=2", "seed=3"]
    assert parsed(parser, [*line, "~recipe.options"]).overrides[-1] == "~recipe.options"
    for wrong in ("seed", "--seed=3"):
        with pytest.raises(SystemExit) as stopped:
            parsed(parser, [*line, wrong])
        assert stopped.value.code == 2
    with pytest.raises(SystemExit):
        parsed(cli.parser(), ["info", "seed=1"])


def test_settings_are_found_in_a_checkout_and_in_an_installed_package(tmp_path, monkeypatch):
    assert command.configs_folder() == CONFIGS
    monkeypatch.setattr(command, "__file__", str(tmp_path / "a" / "b" / "command.py"))
    package = matting_keras.__path__[0]
    assert str(command.configs_folder()) == f"{package}/configs"


class Cut(Exception):
    """The process ends here, as far as a test is concerned."""


def train(folder, *words: str) -> int:
    return command.main(CONFIGS, [*RUN, "--output", str(folder), *words])


def test_a_found_rate_is_as_one_that_was_given_and_stays_when_a_run_goes_on(tmp_path, monkeypatch):
    more = ["recipe.optimizer.name=adam", "trainer.accumulate=2", "trainer.average=0.9"]
    auto, given, parted = (tmp_path / name for name in ("auto", "given", "parted"))
    assert train(auto, *more, "--lr", "auto") == 0
    assert train(given, *more, "--lr", repr(suggestion(auto))) == 0
    assert_same_run(auto, given)
    with monkeypatch.context() as patched:
        patched.setattr(Interruption, "on_epoch_end", cut)
        with pytest.raises(Cut):
            train(parted, *more, "--lr", "auto")
    assert train(parted, *more, "--lr", "auto", "--resume") == 0
    assert_same_run(auto, parted)


def test_a_found_rate_in_half_precision(tmp_path):
    half = ["--precision", "mixed_float16", "--jit", "off", "trainer.epochs=1"]
    assert train(tmp_path / "auto", *half, "--lr", "auto") == 0
    assert train(tmp_path / "given", *half, "--lr", repr(suggestion(tmp_path / "auto"))) == 0
    assert_same_run(tmp_path / "auto", tmp_path / "given")


def cut(self, epoch, logs=None):
    """Ends a run after its first epoch."""
    raise Cut
