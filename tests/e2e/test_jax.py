"""One loop on every backend: packed photos train under jax alone as they do under TensorFlow."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from matting_keras.architectures.registry import ARCHITECTURES
from matting_keras.cli import main as command
from matting_keras.data.synthetic import synthetic_portrait
from matting_keras.training.command import main
from matting_keras.weights.files import load, save
from tests.places import ROOT
from tests.run_folders import assert_same_log, assert_same_state
from tests.toy import TOYS, still

if importlib.util.find_spec("jax") is None:
    pytest.skip("jax is another backend: pip install jax", allow_module_level=True)

CONFIGS = ROOT / "train" / "configs"
COMMON = "data.area=4096 data.ratios=[0.75,1.0] trainer.batch_size=4"
# A network that compiles in no time: dark-light is run under jax by the contract, and trained by
# the GPU's job. At a rate at which rounding errors do not grow: Adam makes the smallest slopes as
# large as any.
TEN = (
    "arch.name=still arch.asymmetric=false data.ratios=[1.0] trainer.epochs=10 "
    "trainer.steps_per_epoch=1 recipe.learning_rate=1e-4"
)
RUNS = {"likeunet": TEN, "muon": TEN}
FEW = (
    "arch.name=toy arch.asymmetric=false trainer.epochs=4 trainer.steps_per_epoch=4 "
    "trainer.steps_per_execution=2 trainer.average=0.8 data.augment.jpeg=0 recipe.schedule.warmup=1"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Portraits of two shapes and backgrounds in a pack, and weights to start from."""
    root = tmp_path_factory.mktemp("jax")
    for part in ("portraits/images", "portraits/alphas", "scenes"):
        (root / part).mkdir(parents=True)
    for i in range(32):
        rgb, alpha = synthetic_portrait(i, 96, 72 if i % 2 else 96)
        Image.fromarray(rgb).save(root / "portraits" / "images" / f"p{i}.png")
        matte = Image.fromarray(np.round(alpha * 255).astype("uint8"))
        matte.save(root / "portraits" / "alphas" / f"p{i}.png")
    for i in range(3):
        small = np.random.default_rng(i).integers(0, 256, (8, 8, 3), "uint8")
        scene = Image.fromarray(small).resize((90, 70), Image.Resampling.BILINEAR)
        scene.save(root / "scenes" / f"b{i}.png")
    folders = [str(root / "portraits"), "--backgrounds", str(root / "scenes")]
    pack = ["--pack", str(root / "photos.pack"), "--area", "4096", "--validation", "0.2"]
    assert command(["compose", *folders, *pack]) == 0
    keras.utils.set_random_seed(0)
    save(still(), root / "start.keras")
    return root


def line(place: Path, words: str, output: Path) -> str:
    flags = f"--data packed:{place}/photos.pack --output {output} --precision float32"
    return f"{flags} {COMMON} {words}"


def started(place: Path, recipe: str) -> str:
    return f"recipe={recipe} {RUNS[recipe]} weights={place}/start.keras"


@pytest.fixture(scope="module")
def jax_runs(place) -> Path:
    """What a process without TensorFlow left behind."""
    root = place / "jax"
    lines = [line(place, started(place, name), root / name) for name in RUNS]
    lines.append(line(place, FEW, root / "whole"))
    again = line(place, f"{FEW} trainer.resume=true", root / "rest")
    lines.append(f"after 2 of {root}/whole {again}")
    environment = os.environ | {
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        # Compiling takes most of the time.
        "XLA_FLAGS": "--xla_llvm_disable_expensive_passes=true --xla_backend_optimization_level=1",
    }
    root.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "tests.without_tensorflow", *lines],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return root


def rows(folder: Path) -> list[dict]:
    with open(folder / "log.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("recipe", RUNS)
def test_ten_steps_have_the_losses_of_tensorflow(recipe, place, jax_runs, tmp_path, monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "still", TOYS["still"])
    assert main(CONFIGS, line(place, started(place, recipe), tmp_path).split()) == 0
    ours, theirs = rows(jax_runs / recipe), rows(tmp_path)
    assert len(ours) == len(theirs) == 10
    for name in ("loss", "val_loss", "val_MAD", "band_MAD"):
        one, other = ([float(row[name]) for row in found] for found in (ours, theirs))
        np.testing.assert_allclose(one, other, rtol=1e-3, err_msg=name)
    losses = [float(row["loss"]) for row in ours]
    assert max(losses) > 1.02 * min(losses), "ten different batches, and learning in between"


def test_tensorflow_reads_what_jax_learned(place, jax_runs):
    from matting_keras.data.order import fitted, in_order
    from matting_keras.data.packed.reading import unpack
    from matting_keras.geometry import buckets

    model = load(jax_runs / "likeunet" / "best.keras")
    held = unpack([place / "photos.pack"], 1, round(1.5 * 4096))["held"]
    off, count = 0.0, 0
    for shape, indices in in_order(held.sizes, buckets(4096, (0.75, 1.0)), 4):
        photos = np.stack([fitted(held.store[i], shape) for i in indices]).astype("float32")
        found = np.array(model(photos[..., :-1]))
        off += np.abs(found - photos[..., -1:] / 255).mean((1, 2, 3)).sum()
        count += len(indices)
    best = max(rows(jax_runs / "likeunet"), key=lambda row: float(row["val_mIoU"]))
    assert off / count == pytest.approx(float(best["val_MAD"]), rel=1e-3)


def test_run_json_says_what_it_was(jax_runs):
    facts = json.loads((jax_runs / "likeunet" / "run.json").read_text())
    assert "jax" in facts["versions"]
    assert facts["photos"]["train"] + facts["photos"]["validation"] == 32
    assert facts["photos"]["scenes"] == 2, "one of three is held back"
    assert len(facts["held_back"]) == facts["photos"]["validation"]


def test_a_resumed_run_ends_as_the_whole_one(jax_runs):
    whole, rest = jax_runs / "whole", jax_runs / "rest"
    assert_same_log(whole, rest)
    assert_same_state(whole, rest)


def test_best_is_the_average_of_the_weights(jax_runs):
    whole = jax_runs / "whole"
    best = max(rows(whole), key=lambda row: float(row["val_mIoU"]))
    with np.load(whole / f"state-{best['epoch']}.npz") as file:
        state = {name: file[name] for name in file.files}
    model = keras.saving.load_model(whole / "best.keras", compile=False)
    kernel = model.get_layer("first").get_weights()[0]
    optimizer = [v for k, v in state.items() if k.startswith("optimizer_")]
    assert not np.allclose(state["model_0"], kernel, atol=1e-7)
    assert any(v.shape == kernel.shape and np.allclose(v, kernel, atol=1e-7) for v in optimizer)
