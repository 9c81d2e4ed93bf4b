"""A run that is killed, at whatever moment, and gone on with comes to the same result."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.places import ROOT
from tests.run_folders import FILES, assert_same_run

TINY = ["data=tiny", "trainer=smoke", "data.area=4096", "data.synthetic=40"]
# Everything that has a state: averages, gradients added up, momenta, norms, dropout, a schedule.
TOY = [
    *(*TINY, "arch=toy", "recipe=cyclical", "recipe.optimizer.amsgrad=true"),
    *("trainer.steps_per_epoch=8", "trainer.average=0.9", "trainer.accumulate=2"),
    "trainer.steps_per_execution=2",
]
OFTEN = "trainer.checkpoint_minutes=1e-9"
KILLED, STOPPED = -9, 130


def start(moment: str, words: list[str], output: Path) -> subprocess.Popen:
    """Train in another process, to be killed at `moment`; `--resume` does no harm at first."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.survivor", moment, *words, "--output", output, "--resume"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
    )


def end(process: subprocess.Popen, *expected: int) -> int:
    """Wait for a training; how it ended has to be among the expected codes."""
    said, _ = process.communicate()
    assert process.returncode in expected, (process.args, said)
    return process.returncode


def survive(moments: list[str], words: list[str], output: Path) -> None:
    """Train, be killed at each of the moments in turn, and go on to the end."""
    for moment in moments:
        expected = STOPPED if moment.startswith("stop") else KILLED
        end(start(moment, words, output), expected)
    end(start("never", words, output), 0)


def assert_same(one: Path, other: Path) -> None:
    """Everything that two runs left is the same, but for what a clock says."""
    assert_same_run(one, other)
    assert {path.name for path in other.iterdir()} == FILES, "nothing half-written stays"


def test_a_run_that_dies_over_and_over_comes_to_the_same_result(tmp_path):
    moments = [
        "half:best.keras:1",  # at the end of the first epoch, of which states are there
        "stop:1",  # at its last look, now that it goes on
        "before:state.npz:2",  # within the second epoch
    ]
    with start("never", TOY, tmp_path / "whole") as whole:
        survive(moments, [*TOY, OFTEN], tmp_path / "run")
        end(whole, 0)
    assert_same(tmp_path / "whole", tmp_path / "run")


OTHERS = {
    "as it is set": TINY,
    "half precision": [*TOY, "trainer.precision=mixed_float16", "data.ratios=[1.0]"],
    "a rate to be found": [*TOY, "recipe.find_rate=true"],
    "no averages": [*TOY, "trainer.average=0", "trainer.accumulate=1"],
}


@pytest.mark.thorough
@pytest.mark.parametrize("case", OTHERS)
def test_so_does_every_other_kind_of_run(case, tmp_path):
    end(start("never", OTHERS[case], tmp_path / "whole"), 0)
    moments = ["half:state.npz:3", "stop:2", "after:log.csv:1"]
    survive(moments, [*OTHERS[case], OFTEN], tmp_path / "run")
    assert_same(tmp_path / "whole", tmp_path / "run")


@pytest.mark.thorough
def test_so_does_a_network_that_teaches_itself(tmp_path):
    # Its backup is as old as the epoch, so a state within one has to hold it.
    taught = [*TOY, "arch=modnet", "recipe=modnet"]
    end(start("never", taught, tmp_path / "modnet"), 0)
    itself = [*TOY, "arch=modnet", "recipe=modnet-soc", "recipe.learning_rate=0.01"]
    itself += [f"weights={tmp_path / 'modnet' / 'best.keras'}"]
    end(start("never", itself, tmp_path / "whole"), 0)
    survive(["step:3", "before:state.npz:2"], [*itself, OFTEN], tmp_path / "run")
    assert_same(tmp_path / "whole", tmp_path / "run")


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(4))
def test_so_does_a_run_that_dies_at_random(seed, tmp_path):
    rng, words = np.random.default_rng(seed), [*TOY, "trainer.epochs=3"]
    end(start("never", words, tmp_path / "whole"), 0)
    for _ in range(6):
        kind = rng.choice(["step", "half", "before", "after"])
        file = rng.choice(["state.npz", "best.keras", "log.csv", "run.json", "config.yaml"])
        number = rng.integers(1, 4)
        moment = f"step:{number}" if kind == "step" else f"{kind}:{file}:{number}"
        often = [OFTEN] * int(rng.integers(2))
        end(start(moment, [*words, *often], tmp_path / "run"), KILLED, 0)
    end(start("never", words, tmp_path / "run"), 0)
    assert_same(tmp_path / "whole", tmp_path / "run")
