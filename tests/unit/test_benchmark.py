"""`matting-keras benchmark`: every part runs, its figures add up, and bad wishes are refused."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from matting_keras.benchmark import command, latency, throughput
from matting_keras.benchmark.frame import STAGES
from matting_keras.benchmark.measure import interleaved, timing_parser
from matting_keras.benchmark.peak import best_matmul, peak
from matting_keras.benchmark.subjects import choose, exported, sizes
from matting_keras.benchmark.tables import section, table
from matting_keras.errors import InputError
from matting_keras.inference.runtimes import open_runtime

pytestmark = pytest.mark.xdist_group("benchmark")  # one process: the run below serves many tests

PACKAGE = Path(command.__file__).parent
PARTS = ("latency", "memory", "frame", "startup", "bulk")
REFINES = ("guided", "off")


def flags(*words: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_options(parser)
    return parser.parse_args([str(word) for word in words])


@pytest.fixture(scope="module")
def small(tiny_onnx) -> list[str]:
    """The words for a run of moments on the tiny network."""
    words = [tiny_onnx, "--runtimes", "onnxruntime", "--sizes", "32x32", "64x32", "--threads", 1]
    words += ["--rounds", 1, "--warmup", 0, "--picture", "64x48", "--count", 2]
    words += ["--refine", *REFINES]
    return [str(word) for word in words]


@pytest.fixture(scope="module")
def facts(small, tmp_path_factory) -> dict:
    """The JSON of a run of all parts that need no TensorFlow."""
    target = tmp_path_factory.mktemp("benchmark") / "facts.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latency, "peak", lambda threads: 10.0)  # the real one takes seconds
        assert command.run(flags(*small, "--parts", *PARTS, "--json", target)) == 0
    return json.loads(target.read_text())


def test_the_json_says_which_machine_and_versions(facts, tiny_onnx):
    assert facts["machine"]["cores"] >= 1
    assert facts["machine"]["versions"]["onnxruntime"]
    assert facts["settings"]["models"] == [str(tiny_onnx)]
    assert facts["settings"]["rounds"]["latency"] == 1


def test_latency_has_a_row_for_each_size(facts):
    rows = facts["latency"]["rows"]
    assert [(row["width"], row["height"], row["threads"]) for row in rows] == [
        (32, 32, 1),
        (64, 32, 1),
    ]
    for row in rows:
        assert len(row["all_ms"]) == 1
        assert 0 < row["median_ms"] <= row["p95_ms"]
        # Of a foreign file nobody knows the layers.
        assert row["multiply_accumulates"] is row["gflops"] is row["share_of_peak"] is None
    assert facts["latency"]["peak_gflops"] == {"1": 10}


def test_memory_is_that_of_whole_processes(facts):
    assert len(facts["memory"]["rows"]) == 2
    assert all(row["peak_mb"] > facts["memory"]["bare_mb"] > 5 for row in facts["memory"]["rows"])


def test_the_stages_of_a_frame_add_up(facts):
    (row,) = facts["frame"]["rows"]
    assert tuple(row["stages_ms"]) == STAGES
    assert all(value > 0 for value in row["stages_ms"].values())
    assert row["sum_ms"] == pytest.approx(sum(row["stages_ms"].values()))
    assert row["ratio"] == pytest.approx(row["sum_ms"] / row["end_to_end_ms"])


def test_startup_goes_further_stage_by_stage(facts):
    stages = [row["stage"] for row in facts["startup"]["rows"]]
    assert stages[0] == "python alone"
    assert stages[-2:] == ["the whole demo"] * 2
    assert [row["refine"] for row in facts["startup"]["rows"]][-3:] == [None, *REFINES]
    assert all(len(row["all_s"]) == 1 for row in facts["startup"]["rows"])


def test_bulk_does_every_photo(facts):
    assert facts["bulk"]["images"] == 2
    rows = facts["bulk"]["rows"]
    assert [row["writes"] for row in rows] == ["cut-outs", "alphas"] * 2
    assert [row["refine"] for row in rows] == [method for method in REFINES for _ in range(2)]
    for row in facts["bulk"]["rows"]:
        assert row["ms_per_image"] * row["images_per_second"] == pytest.approx(1000)


def test_every_part_becomes_a_markdown_table(facts):
    for part in PARTS:
        lines = section(part, facts[part]).splitlines()
        assert lines[0].startswith("### ")
        rows = [line for line in lines if line.startswith("|")]
        assert len({line.count("|") for line in rows}) == 1
        assert set(rows[1]) <= set("|-: ")
        assert "Not included" in lines[-1] or part == "latency"


def test_tables_line_up():
    assert table(("a", "number"), [("word", "1"), ("x", "10")]).splitlines() == [
        "| a    | number |",
        "| ---- | -----: |",
        "| word |      1 |",
        "| x    |     10 |",
    ]


def test_the_plot_is_a_png(facts, tmp_path):
    pytest.importorskip("matplotlib")
    from PIL import Image

    from matting_keras.benchmark.plot import plot

    plot(facts, tmp_path / "all.png")
    plot({"machine": facts["machine"], "frame": facts["frame"]}, tmp_path / "frame.png")
    with Image.open(tmp_path / "all.png") as both, Image.open(tmp_path / "frame.png") as one:
        assert both.format == one.format == "PNG"
        assert both.height > one.height > 100


def test_without_matplotlib_the_extra_is_named(small, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(InputError, match=r"pip install 'matting-keras\[plots\]'"):
        command.run(flags(*small, "--plot", "x.png"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nobody"], "no network is called 'nobody'; there are shipped ones"),
        (["none.onnx"], "none.onnx: no such file"),
        (["--runtimes", "abacus"], "--runtimes abacus: there are onnxruntime"),
        (["--sizes", "256"], "--sizes 256: expected WIDTHxHEIGHT"),
        (["--sizes", "0x32"], "--sizes 0x32: expected WIDTHxHEIGHT"),
        (["--sizes", "500x288"], "multiples of 32; take 512x288"),
        (["--picture", "big"], "--picture big: expected WIDTHxHEIGHT"),
        (["--threads", "0"], "--threads 0: must be 1 or more"),
        (["--rounds", "0"], "--rounds 0: must be 1 or more"),
        (["--photos", "nowhere"], "--photos nowhere: no such file or folder"),
        (["--plot", "x.pdf"], "x.pdf: a plot is a .png file"),
        (["--refine", "off", "--parts", "latency"], "--refine is of photos; add startup or bulk"),
        (["--plot", "x.png", "--parts", "bulk"], "--plot shows latency and frame; add one"),
    ],
)
def test_what_cannot_be_measured_is_refused_first(words, message, monkeypatch):
    monkeypatch.setattr(command, "machine", lambda *names: pytest.fail("something was started"))
    if "--plot" in words:
        pytest.importorskip("matplotlib")
    with pytest.raises(InputError, match=message):
        command.run(flags(*words))


def test_a_runtime_that_does_not_run_the_file(tiny_onnx):
    pytest.importorskip("ai_edge_litert", reason="LiteRT is an extra: pip install '.[litert]'")
    with pytest.raises(InputError, match="is not run by litert; onnxruntime, openvino would"):
        choose([str(tiny_onnx)], ["litert"])


def test_only_architectures_are_trained(tiny_onnx):
    with pytest.raises(InputError, match=r"tiny.onnx is not an architecture; there are"):
        command.run(flags(tiny_onnx, "--parts", "training"))


def test_an_architecture_is_exported_and_counted(tmp_path, monkeypatch):
    """At a sixteenth of 256x256 the count is a sixteenth of the registry's."""
    from matting_keras.architectures.registry import ARCHITECTURES

    monkeypatch.setattr(latency, "peak", lambda threads: 10.0)
    (subject,) = choose(["dark"], ["onnxruntime", "keras"])
    ready = exported(subject, tmp_path)
    assert {path.suffix for path in ready.files.values()} == {".onnx", ".keras"}
    rows = latency.latency([ready], sizes(["64x64"]), [1], rounds=1, warmup=0)["rows"]
    assert [row["threads"] for row in rows] == [1, "all"]
    for row in rows:
        assert row["weights"] == "random weights"
        assert row["multiply_accumulates"] == ARCHITECTURES["dark"].counts[1] / 16
        rate = 2 * row["multiply_accumulates"] / row["median_ms"] / 1e6
        assert row["gflops"] == pytest.approx(rate)
        assert row["share_of_peak"] == pytest.approx(rate / 10)


def test_training_takes_the_runs_own_pipeline(monkeypatch):
    """The step itself, which takes long to trace, is replaced; its batches are real."""
    taken = []
    monkeypatch.setattr(
        throughput, "trainer", lambda model, xla: lambda batch: taken.append(batch[0].shape)
    )
    found = throughput.training(["dark-light"], 32 * 32, 2, rounds=1, steps=1)
    assert [row["loop"] for row in found["rows"]] == [
        "step alone",
        "step and pipeline",
        "pipeline alone",
    ]
    assert {tuple(shape) for shape in taken} == {(2, 32, 32, 1)}
    assert "Batch 2 of about 32×32" in section("training", found)


@pytest.mark.thorough
def test_training_steps_are_real():
    found = throughput.training(["dark-light"], 32 * 32, 2, rounds=1, steps=1)
    assert all(row["images_per_second"] > 0 for row in found["rows"])


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_threads_do_not_change_the_alpha(tiny_onnx, runtime):
    pytest.importorskip(runtime)
    batch = np.random.default_rng(0).uniform(0, 255, (1, 32, 32, 3)).astype("float32")
    wanted = open_runtime(tiny_onnx, runtime).run(batch)
    np.testing.assert_allclose(open_runtime(tiny_onnx, runtime, 1).run(batch), wanted, atol=1e-6)


def test_threads_that_cannot_be(tiny_onnx):
    with pytest.raises(InputError, match="threads must be 1 or more, got 0"):
        open_runtime(tiny_onnx, threads=0)
    with pytest.raises(InputError, match="set when it starts; leave out threads"):
        open_runtime(SimpleNamespace(input_shape=()), "keras", threads=2)


def test_actions_take_turns():
    calls = []
    actions = {name: lambda name=name: calls.append(name) for name in "AB"}
    seconds = interleaved(actions, rounds=2, warmup=1)
    assert "".join(calls) == "ABABAB"
    assert {name: len(times) for name, times in seconds.items()} == {"A": 2, "B": 2}


def test_benchmarks_share_their_options():
    made = timing_parser("benchmarks.some", "First.\nRest.", rounds=8, warmup=2, counted="steps")
    assert vars(made.parse_args([])) == {"steps": 8, "warmup": 2, "json": None}
    assert "First." in made.format_help()
    assert "Rest." not in made.format_help()


def test_matrix_products_have_a_rate():
    assert best_matmul([16], seconds=0.01) > 0
    assert peak(1, sides=[16]) > 0


def test_importing_it_imports_no_framework():
    names = [f"matting_keras.benchmark.{path.stem}" for path in PACKAGE.glob("*.py")]
    code = f"import sys, importlib; [importlib.import_module(n) for n in {names}];"
    code += "print(sorted({'keras', 'tensorflow', 'matplotlib', 'onnxruntime'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PACKAGE.parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
