"""The benchmark that lets contenders train in turn: who takes part, and what is compared."""

from __future__ import annotations

import sys

import pytest

from benchmarks import peer_training
from benchmarks.contenders import Contender, require_torch

CHILD = """
import json, sys, time
print(json.dumps({"versions": {"toy": "1"}}), flush=True)
for number, _ in enumerate(sys.stdin):
    time.sleep(float(sys.argv[1]))
    print(json.dumps({"seconds": 9 - number, "loss": float(sys.argv[2])}), flush=True)
"""


@pytest.fixture
def contend():
    """Starts a contender that sleeps and has a loss: contend("torch", seconds=0, loss=1)."""
    started = []

    def make(library: str, seconds: float = 0, loss: float = 1, layout: str = "", child=CHILD):
        facts = peer_training.identity(library, "plain", layout, "float32")
        command = [sys.executable, "-c", child, str(seconds), str(loss)]
        started.append(Contender(facts, command))
        return started[-1]

    yield make
    for one in started:
        one.end()


def test_steps_of_the_warm_up_do_not_count(contend):
    one = contend("keras")
    for _ in range(4):
        one.step()
    row = one.row(batch=14, warmup=1)
    assert (row["first_step_s"], row["median_s"], row["images_per_second"]) == (9, 7, 2)
    assert one.versions == {"toy": "1"}


def test_who_needs_too_long_for_its_warm_up_is_left_out(contend):
    slow, fast = contend("torch", seconds=60), contend("keras")
    slow.step(patience=0.1)
    slow.step()
    fast.step(patience=60)
    assert "skipped" in slow.row(batch=1, warmup=0)
    rows = [slow.row(batch=1, warmup=0), fast.row(batch=1, warmup=0)]
    assert peer_training.ratios(rows) == []


def test_a_child_that_dies_ends_the_benchmark_with_its_name(contend):
    with pytest.raises(SystemExit, match=r"torch plain NCHW float32 has ended early"):
        contend("torch", layout="NCHW", child="raise SystemExit(1)")


def test_networks_that_disagree_are_not_compared(contend):
    ours, same, other = contend("keras"), contend("torch", loss=1.0009), contend("torch", loss=1.1)
    for one in (ours, same, other):
        one.step()
    found = peer_training.check_agreement([ours, same], "float32")
    assert found == pytest.approx(9e-4)
    with pytest.raises(SystemExit, match=r"differ by 1\.0e-01.*nothing is reported"):
        peer_training.check_agreement([ours, same, other], "float32")
    with pytest.raises(SystemExit, match="nan"):
        peer_training.check_agreement(
            [ours, answered(contend("torch", loss=float("nan")))], "float32"
        )


def test_ours_is_compared_with_every_contender_of_its_precision(capsys):
    def row(library, layout, seconds, precision="float32"):
        names = peer_training.identity(library, "plain", layout, precision)
        return names | {"median_s": seconds}

    rows = [row("keras", "", 2.0), row("torch", "NCHW", 5.0), row("torch", "channels_last", 3.0)]
    found = peer_training.ratios([*rows, row("torch", "NCHW", 1.0, "bfloat16")])
    assert {one["layout"]: one["times"] for one in found} == {"NCHW": 2.5, "channels_last": 1.5}
    peer_training.report_ratios(found, ("NCHW", "channels_last"))
    last = capsys.readouterr().out.splitlines()[-1].split()
    assert last == ["float32", "keras", "plain", "torch", "plain", "2.50", "×", "1.50", "×"]


def test_an_interpreter_without_pytorch_is_named(tmp_path):
    missing = str(tmp_path / "python")
    with pytest.raises(SystemExit, match=r"--torch-python .*python: cannot be run"):
        require_torch(missing)


def answered(contender: Contender) -> Contender:
    contender.step()
    return contender
