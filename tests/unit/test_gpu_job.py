"""What a GPU machine without network is given: here on the CPU, and as small."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from matting_keras.cli import main as command
from matting_keras.data.synthetic import synthetic_portrait
from tests.places import ROOT

if importlib.util.find_spec("jax") is None:
    pytest.skip("jax is another backend: pip install jax", allow_module_level=True)

pytestmark = pytest.mark.xdist_group("gpu_job")

TOY = """
import json, sys
from matting_keras.architectures.registry import ARCHITECTURES
from tests.toy import TOYS
ARCHITECTURES.update(TOYS)
from benchmarks.gpu.throughput import main
sys.exit(main(json.loads(sys.argv[1])))
"""


def environment(**more) -> dict:
    return os.environ | {
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": "--xla_llvm_disable_expensive_passes=true --xla_backend_optimization_level=1",
        **more,
    }


def packed(root: Path) -> Path:
    for part in ("data/images", "data/alphas", "scenes"):
        (root / part).mkdir(parents=True)
    for i in range(20):
        rgb, alpha = synthetic_portrait(i, 72, 72)
        Image.fromarray(rgb).save(root / "data" / "images" / f"p{i}.png")
        matte = Image.fromarray(np.round(alpha * 255).astype("uint8"))
        matte.save(root / "data" / "alphas" / f"p{i}.png")
    Image.new("RGB", (80, 80), (200, 40, 40)).save(root / "scenes" / "red.png")
    words = [str(root / "data"), "--backgrounds", str(root / "scenes"), "--files", "2"]
    line = ["compose", *words, "--pack", str(root / "p.pack"), "--area", "2304"]
    assert command([*line, "--validation", "0.2"]) == 0
    return root


@pytest.mark.parametrize("calls", [1, pytest.param(2, marks=pytest.mark.thorough)])
def test_job_trains_from_carried_files_and_goes_on(calls, tmp_path):
    packed(tmp_path)
    words = "trainer.batch_size=4 trainer.steps_per_epoch=2 trainer.steps_per_execution=2"
    words += " trainer.epochs=2 data.area=1024 data.ratios=[1.0] data.augment.jpeg=0"
    out, keep = tmp_path / "out", tmp_path / "keep"
    settings = {
        **{"PYTHON": sys.executable, "ALLOW_CPU": "1", "KEEP": str(keep), "OUT": str(out)},
        **{"PACKS": f"{tmp_path}/p-*.pack", "ARCH": "dark-light", "PRECISION": "float32"},
        # No epoch is as short as that, so each call does one.
        **{"WORDS": words, "MINUTES": "0.001", "GRACE": "1000"},
    }
    for resume, epochs in [("", 1), (str(tmp_path / "back" / "state.npz.aa"), 2)][:calls]:
        done = subprocess.run(
            ["bash", ROOT / "benchmarks" / "gpu" / "job.sh"],
            env=environment(**settings, RESUME=resume),
            capture_output=True,
            text=True,
            timeout=1200,
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
        with open(out / "log.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [int(row["epoch"]) for row in rows] == list(range(1, epochs + 1))
        assert ("stopping in time after 1 of 2" in done.stderr) == (epochs == 1)
        back = {path.name for path in out.iterdir()}
        assert back == {"best.keras", "log.csv", "run.json", "state.npz.aa"}
        assert json.loads((out / "run.json").read_text())["photos"]["scenes"] == 1
        # On to another machine, which has the packs and the packages alone.
        (keep / "runs").rename(tmp_path / f"runs-{epochs}")
        out.rename(tmp_path / "back" if epochs == 1 else tmp_path / "last")


@pytest.mark.parametrize("augment", [False, True])
def test_throughput_times_what_it_says(augment, tmp_path):
    path = tmp_path / "rows.json"
    line = ["--arch", "toy", "--precision", "float32", "mixed_bfloat16", "--batch", "2"]
    line += ["--area", "1024", "--at-once", "2", "--steps", "2", "--epochs", "1", "--plain"]
    line += ["--json", str(path), *(["--augment"] if augment else [])]
    done = subprocess.run(
        [sys.executable, "-c", TOY, json.dumps(line)],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    rows = json.loads(path.read_text())["rows"]
    assert [row["precision"] for row in rows] == ["float32", "mixed_bfloat16"]
    assert all(row["images_per_second"] > 0 for row in rows)
    assert {row["augmented"] for row in rows} == {augment}
