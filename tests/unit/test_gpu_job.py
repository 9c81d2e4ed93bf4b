"""The training that runs on a GPU machine without TensorFlow: here on the CPU, and as small."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from matting_keras import fuse
from matting_keras.data import sources
from matting_keras.data.augment import AugmentConfig
from matting_keras.data.synthetic import synthetic_portrait
from matting_keras.evaluate import held_back
from matting_keras.export import export
from matting_keras.inference.matter import Matter
from matting_keras.weights.files import load

jax = pytest.importorskip("jax", reason="jax is not installed; pip install jax")

from benchmarks.gpu import pack  # noqa: E402
from benchmarks.gpu.packed import unpack  # noqa: E402

pytestmark = pytest.mark.xdist_group("gpu_job")

ROOT = Path(__file__).resolve().parents[2]
CLEAN = """
import shutil, sys

class NoTensorFlow:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tensorflow", "tensorflow_datasets"):
            raise ImportError(f"{name} is not there, as on the machine")

sys.meta_path.insert(0, NoTensorFlow())

from benchmarks.gpu import state, train
import keras
from matting_keras.architectures.blocks import Blocks
from matting_keras.architectures.registry import ARCHITECTURES, Architecture
from matting_keras.layers import Upsample2x

def toy(*, asymmetric=False, branch_norm=False, original=False):
    blocks = Blocks(asymmetric, branch_norm)
    image = x = keras.Input((None, None, 1), name="image")
    x = keras.layers.Rescaling(1 / 255, dtype="float32", name="scale")(x)
    x = blocks.normed(blocks.convolution(x, 16, "conv"), "norm", "relu")
    x = Upsample2x(name="up")(keras.layers.MaxPooling2D(2, name="pool")(x))
    x = keras.layers.Conv2D(1, 1, activation="sigmoid", dtype="float32", name="alpha")(x)
    return keras.Model(image, x, name="toy")

ARCHITECTURES["toy"] = Architecture(toy, 1, 64 * 64, "for a test")
save = state.save

def kept(model, path, facts):
    save(model, path, facts)
    shutil.copy(path, path.with_name(f"state-{facts['step']}.npz"))
    shutil.move(path.with_name("best.keras"), path.with_name(f"best-{facts['step']}.keras"))

state.save = kept
pack, output = sys.argv[1:]

def run(name, *flags):
    common = f"{pack} --arch toy --output {output}/{name} --batch 8 --ratios 1 --warmup 5"
    given = [*common.split(), "--learning-rate", "1e-2", "--average", "0.8", *flags]
    assert train.main(given) == 0, name

whole = "--steps 40 --scan 5 --round 10 --precision float32 --band 2 --ramp 2 --set jpeg=0".split()
run("whole", *whole)
run("rest", *whole, "--resume", f"{output}/whole/state-20.npz")
few = "--steps 3 --scan 1 --round 1 --precision mixed_float16 --amsgrad --augment gentle"
run("single", *few.split(), "--set", "jpeg=0", "blur=0", "noise=0", "composite=0", "empty=0")
assert not [name for name in sys.modules if name.partition(".")[0] == "tensorflow"]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A data folder of portraits, and backgrounds beside it."""
    root = tmp_path_factory.mktemp("gpu") / "portraits"
    for part in ("images", "alphas", "backgrounds"):
        (root / part).mkdir(parents=True)
    for i in range(48):
        rgb, alpha = synthetic_portrait(i, 96, 80)
        Image.fromarray(rgb).save(root / "images" / f"p{i}.png")
        matte = Image.fromarray(np.round(alpha * 255).astype("uint8"))
        matte.save(root / "alphas" / f"p{i}.png")
    for i in range(3):
        # Smooth, as drawn with a wide brush: among noise a toy network learns nothing in 40 steps.
        small = np.random.default_rng(i).integers(0, 256, (8, 8, 3), "uint8")
        Image.fromarray(small).resize((90, 70), Image.Resampling.BILINEAR).save(
            root / "backgrounds" / f"b{i}.png"
        )
    return root


def packing(folder: Path, output: Path, *more: str) -> list[str]:
    return [
        *(str(folder), "--backgrounds", str(folder / "backgrounds"), "--output", str(output)),
        *("--area", "4096", "--ratios", "1.0", "--validation", "0.2", *more),
    ]


@pytest.fixture(scope="module")
def packed(folder) -> Path:
    path = folder.parent / "pack.npz"
    assert pack.main(packing(folder, path)) == 0
    return path


@pytest.fixture(scope="module")
def trained(packed, tmp_path_factory) -> Path:
    """What a process without TensorFlow left behind."""
    output = tmp_path_factory.mktemp("trained")
    environment = os.environ | {
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        # Compiling takes most of the time.
        "JAX_THREEFRY_PARTITIONABLE": "0",
        "XLA_FLAGS": "--xla_llvm_disable_expensive_passes=true --xla_backend_optimization_level=1",
    }
    done = subprocess.run(
        [sys.executable, "-c", CLEAN, str(packed), str(output)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return output


def test_nobody_who_is_held_back_is_in_the_training_part(folder, packed):
    held = {Path(s.name).stem for s in held_back(sources.folder(folder), 0.2)}
    everybody = {path.stem for path in (folder / "images").iterdir()}
    parts = {
        part: {Path(one["name"]).stem for one in unpack([packed], 1).part(part)[1]}
        for part in ("train", "held")
    }
    assert held
    assert parts["held"] == held
    assert parts["train"] == everybody - held


def test_packed_photos_are_the_photos(folder, packed):
    found = unpack([packed], 3)
    assert set(found.index["augment"]) == {"default", "gentle"}
    assert found.index["augment"]["gentle"]["rotate"] == 6.0
    originals = {Path(s.name).stem: s for s in sources.folder(folder)}
    for photo, facts in zip(*found.part("train"), strict=True):
        rgb, alpha = originals[Path(facts["name"]).stem].read()
        wanted = pack.pack(rgb, alpha, 3, round(1.5 * 4096)).astype("float32")
        assert photo.shape == wanted.shape
        assert np.abs(photo - wanted)[..., :3].mean() < 12  # drawn portraits are noisy
        assert np.abs(photo - wanted)[..., 3].max() <= 255 / 64 + 1
    photo, _ = found.part("held")
    assert all(one.shape == (64, 64, 4) for one in photo)
    assert found.part("scene")[1][0] == {
        **{"name": "portraits/backgrounds/b0.png", "part": "scene", "rough": False},
        **{"times": 1, "number": found.part("scene")[1][0]["number"]},
    }
    assert not found.part("scene")[0][0][..., 3].any()


def test_parts_deal_the_photos_out(folder, packed, tmp_path, capsys):
    assert pack.main(packing(folder, tmp_path / "pack.npz", "--parts", "2")) == 0
    assert "fits for 2 × 36 MiB" in capsys.readouterr().err
    paths = sorted(tmp_path.glob("pack-*of2.npz"))
    both, whole = unpack(paths, 1), unpack([packed], 1)
    names = [sorted(one["name"] for one in found.facts) for found in (both, whole)]
    assert names[0] == names[1]
    with pytest.raises(pack.InputError, match="each part of a packing once"):
        unpack([paths[0], paths[0]], 1)
    with pytest.raises(pack.InputError, match="different packings"):
        unpack([paths[0], packed], 1)


def test_what_does_not_fit_is_made_smaller_or_refused_never_dropped(folder, tmp_path, capsys):
    size = tmp_path / "small.npz"
    assert pack.main(packing(folder, size, "--budget-mb", "0.12", "--format", "JPEG")) == 0
    said = capsys.readouterr().err
    assert "too large for 1 × 0.12 MiB" in said
    assert size.stat().st_size <= 0.12 * 2**20
    assert len(unpack([size], 1).facts) == 48 + 3
    assert pack.main(packing(folder, tmp_path / "none.npz", "--budget-mb", "0.01")) == 1
    assert "do not fit into 1 × 0.01 MiB" in capsys.readouterr().err


def rows(path: Path) -> list[dict]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_without_tensorflow_a_training_lowers_its_loss(trained):
    log = rows(trained / "whole" / "log.csv")
    assert [int(row["step"]) for row in log] == [10, 20, 30, 40]
    assert float(log[-1]["loss"]) < 0.96 * float(log[0]["loss"])
    assert float(log[-1]["val_MAD"]) < 0.99 * float(log[0]["val_MAD"])
    rate = [float(row["learning_rate"]) for row in log]
    assert rate == sorted(rate, reverse=True)
    facts = json.loads((trained / "whole" / "run.json").read_text())
    assert facts["photos"]["train"] > 30
    assert facts["device"]
    assert all(0 < float(row["loss"]) < 2 for row in rows(trained / "single" / "log.csv"))


def test_a_run_that_goes_on_ends_as_one_that_was_never_interrupted(trained):
    whole, rest = (np.load(trained / name / "state.npz") for name in ("whole", "rest"))
    assert whole.files == rest.files
    for name in set(whole.files) - {"facts"}:
        np.testing.assert_array_equal(whole[name], rest[name], err_msg=name)
    logs = [rows(trained / name / "log.csv") for name in ("whole", "rest")]
    # The log beside the state that was given goes on as well.
    assert [row["loss"] for row in logs[1]] == [row["loss"] for row in logs[0]]


def test_the_saved_model_is_the_average_of_its_steps(trained):
    average = None
    for step in (1, 2, 3):
        with np.load(trained / "single" / f"state-{step}.npz") as state:
            model = load(trained / "single" / f"best-{step}.keras")
            values = [state[str(i)] for i in range(len(model.trainable_variables))]
        if average is None:
            average = values
        average = [0.8 * old + 0.2 * new for old, new in zip(average, values, strict=True)]
    for variable, wanted in zip(model.trainable_variables, average, strict=True):
        np.testing.assert_allclose(variable.numpy(), wanted, rtol=1e-5, atol=1e-6)
    assert max(np.abs(v - a).max() for v, a in zip(values, average, strict=True)) > 1e-3


def test_tensorflow_reads_validates_and_exports_what_came_back(trained, packed, tmp_path):
    log = rows(trained / "whole" / "log.csv")
    model = load(trained / "whole" / "best-40.keras")
    kinds = {type(layer).__name__ for layer in model.layers}
    assert "AsymmetricConv2D" in kinds
    held = np.stack(unpack([packed], 1).part("held")[0]).astype("float32")
    truth, found = held[..., -1:] / 255, np.array(model(held[..., :-1]))
    assert np.abs(truth - found).mean() == pytest.approx(float(log[-1]["val_MAD"]), abs=1e-4)
    np.testing.assert_allclose(fuse(model)(held[..., :-1]), found, atol=1e-5)
    report = export(model, tmp_path / "toy.onnx", "onnx")
    assert report.largest < 1e-4
    gray = held[0, ..., 0].astype("uint8")
    alpha = Matter(report.path, area=64 * 64)(np.repeat(gray[..., None], 3, -1))
    np.testing.assert_allclose(alpha, found[0, ..., 0], atol=1e-3)


def test_strengths_can_be_changed_one_by_one(packed):
    from benchmarks.gpu.settings import strengths

    found = strengths(unpack([packed], 1).index["augment"], "gentle", ["zoom=1,1.2", "blur=0.5"])
    assert isinstance(found, SimpleNamespace)
    assert (found.zoom, found.blur, found.rotate) == ([1.0, 1.2], 0.5, 6.0)
    for wrong in (["zoom=1"], ["hue=1"], ["blur=much"]):
        with pytest.raises(pack.InputError, match="--set"):
            strengths({"gentle": asdict(AugmentConfig())}, "gentle", wrong)
