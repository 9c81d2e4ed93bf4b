"""Several processes that train one network come to the result of one."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from matting_keras.training.cluster import Cluster
from matting_keras.training.command import read_config
from matting_keras.training.local_workers import free_ports
from matting_keras.training.photos import gather
from tests.places import ROOT
from tests.run_folders import CLOSE, FILES, assert_same_log, assert_same_state, log
from tests.survivor import CONFIGS

TINY = [
    *("data=tiny", "trainer=smoke", "data.area=4096", "data.synthetic=40", "data.ratios=[1.0]"),
    *("trainer.steps_per_epoch=6", "trainer.precision=float32"),
]
STILL = [*TINY, "arch=still", "recipe=likeunet", "trainer.average=0.9", "trainer.accumulate=2"]
OFTEN = "trainer.checkpoint_minutes=1e-9"
PATIENCE = 500
"""Seconds for what takes ten on an idle machine."""


def start(folder: Path, name: str, words: list[str], moment="never", **environment):
    """Train in another process, which leaves `name.npz` and what it said in `name.txt`."""
    folder.mkdir(exist_ok=True)
    with open(folder / f"{name}.txt", "w", encoding="utf-8") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.worker", moment, folder / f"{name}.npz", *words],
            stdout=said,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", **environment},
        )


def start_alone(folder: Path, words: list[str], moment="never"):
    return start(folder, "alone", [*words, "--output", folder / "run"], moment)


def start_two(folder: Path, words: list[str], moments=("never", "never")) -> list:
    """Two workers; each has a folder of its own for the run, as on two machines."""
    addresses = tuple(f"localhost:{port}" for port in free_ports(2))
    return [
        start(
            *(folder, f"worker{index}"),
            [*words, "--strategy", "multi_worker", "--output", folder / f"run{index}"],
            moment,
            TF_CONFIG=Cluster(addresses, index).as_config(),
        )
        for index, moment in enumerate(moments)
    ]


def end(folder: Path, processes: list, *codes: int) -> list[str]:
    """Wait for processes to end with these codes; what they said."""
    try:
        found = tuple(process.wait(PATIENCE) for process in processes)
    finally:
        for process in processes:
            process.kill()
    said = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.txt"))]
    assert found == codes, said
    return said


def recorded(folder: Path, name: str) -> dict[str, np.ndarray]:
    with np.load(folder / f"{name}.npz") as file:
        return dict(file)


def assert_same(one: dict, other: dict) -> None:
    """Equal weights, optimizer, and losses as far as both saw them."""
    assert sorted(one) == sorted(other)
    for name in one:
        seen = min(len(one[name]), len(other[name])) if name == "losses" else None
        first, second = (found[name][-seen:] if seen else found[name] for found in (one, other))
        np.testing.assert_allclose(first, second, **CLOSE, err_msg=name)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The same training by one worker and by two."""
    folder = tmp_path_factory.mktemp("both")
    processes = [start_alone(folder, STILL), *start_two(folder, STILL)]
    end(folder, processes, 0, 0, 0)
    return folder


def test_two_workers_end_with_the_same_weights(both):
    assert_same(recorded(both, "worker0"), recorded(both, "worker1"))


def test_two_workers_learn_what_one_with_the_whole_batch_does(both):
    one, two = recorded(both, "alone"), recorded(both, "worker0")
    # What rounding makes of twelve steps: a loss differs in its sixth digit.
    np.testing.assert_allclose(two["losses"], one["losses"], rtol=1e-5)
    for name in one:
        np.testing.assert_allclose(two[name], one[name], rtol=1e-3, atol=1e-5, err_msg=name)
    for first, second in zip(log(both / "run"), log(both / "run0"), strict=True):
        for name in ("loss", "MAD", "mIoU", "val_loss", "val_MAD", "val_band_MAD", "val_mIoU"):
            assert second[name] == pytest.approx(first[name], rel=1e-4), name


def test_only_the_first_worker_writes(both):
    assert {path.name for path in (both / "run0").iterdir()} == FILES
    assert not (both / "run1").exists()
    assert "best.keras" in (both / "worker0.txt").read_text()
    assert "best.keras" not in (both / "worker1.txt").read_text()


def test_a_killed_worker_ends_the_run_which_goes_on_to_the_same_result(both, tmp_path):
    said = end(tmp_path, start_two(tmp_path, STILL, ("never", "step:8")), 1, -9)
    assert "error: worker 0 (localhost:" in said[0]
    assert "another worker ended or can no longer be reached" in said[0]
    assert "start all workers again with --resume" in said[0]
    assert "Traceback" not in said[0]
    # A worker that was told to go on and one that was not: the first one's folder decides.
    end(tmp_path, start_two(tmp_path, [*STILL, "--resume"]), 0, 0)
    for worker in ("worker0", "worker1"):
        assert_same(recorded(both, worker), recorded(tmp_path, worker))
    assert_same_state(both / "run0", tmp_path / "run0")
    assert len(recorded(tmp_path, "worker0")["losses"]) == 6, "the second epoch"


def resumed_over_and_over(folder: Path, words: list[str]) -> None:
    """Kill the first worker, stop the second, and go on to the end."""
    often = [*words, OFTEN, "--resume"]
    said = end(folder, start_two(folder, often, ("step:4", "never")), -9, 1)
    assert "error: worker 1 (localhost:" in said[1]
    said = end(folder, start_two(folder, often, ("never", "stop:2")), 143, 130)
    assert all("stopped: saved " in text for text in said)
    end(folder, start_two(folder, often), 0, 0)


# Everything that has a state: averages, gradients added up, momenta, norms, dropout, a schedule.
TOY = [
    *(*TINY, "arch=toy", "recipe=cyclical", "recipe.optimizer.amsgrad=true"),
    *("trainer.average=0.9", "trainer.accumulate=2", "trainer.steps_per_execution=2"),
]
KINDS = {
    "everything at once": TOY,
    "half precision": [*TOY, "trainer.precision=mixed_float16"],
    "areas within the batch": [*TOY, "recipe=portrait", "data.ratios=[0.75,1.0]"],
    "sgd": [*TINY, "arch=toy", "recipe=likeunet", "recipe.optimizer={name:sgd,momentum:0.9}"],
}


@pytest.mark.thorough
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_run_goes_on_to_the_same_result(kind, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    end(whole, start_two(whole, KINDS[kind]), 0, 0)
    resumed_over_and_over(broken, KINDS[kind])
    one, other = ({**recorded(whole, f"worker{i}"), "losses": ()} for i in range(2))
    assert_same(one, other)
    for worker in ("worker0", "worker1"):
        assert_same(one, {**recorded(broken, worker), "losses": ()})
    assert_same_state(whole / "run0", broken / "run0")
    assert_same_log(whole / "run0", broken / "run0")


@pytest.mark.thorough
def test_workers_adapt_a_network_that_teaches_itself(tmp_path):
    taught = [*TINY, "arch=modnet", "recipe=modnet"]
    end(tmp_path, [start_alone(tmp_path, taught)], 0)
    itself = [*TINY, "arch=modnet", "recipe=modnet-soc", "recipe.learning_rate=0.01"]
    itself += [f"weights={tmp_path / 'run' / 'best.keras'}"]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    end(whole, start_two(whole, itself), 0, 0)
    resumed_over_and_over(broken, itself)
    assert_same_state(whole / "run0", broken / "run0")


@pytest.mark.thorough
def test_workers_share_packed_photos(pairs, tmp_path):
    data, file = pairs(40), tmp_path / "photos.pack"
    words = ["compose", data, "--backgrounds", data / "images", "--pack", file, "--area", "4096"]
    subprocess.run([sys.executable, "-m", "matting_keras", *words], check=True, cwd=ROOT)
    words = [*STILL, f"data.folders=['packed:{file}']"]
    end(tmp_path, [start_alone(tmp_path, words), *start_two(tmp_path, words)], 0, 0, 0)
    one, *two = (recorded(tmp_path, name) for name in ("alone", "worker0", "worker1"))
    assert_same(*two)
    np.testing.assert_allclose(two[0]["losses"], one["losses"], rtol=1e-5)


@pytest.mark.thorough
def test_all_workers_tell_of_the_photo_that_one_has_no_loss_for(pairs, tmp_path):
    words = [
        *(*TINY, "recipe=likeunet", f"data.folders=[{pairs(16)}]"),
        *("data.area=1024", "data.validation=0.3", "trainer.batch_size=2"),
        # What is white stays white.
        *(f"data.augment.{part}=0" for part in ("composite", "empty", "brightness", "noise")),
        "data.augment.jpeg=0",
    ]
    name = gather(read_config(CONFIGS, words)).train.store.samples[2].name
    Image.new("RGB", (24, 32), "white").save(name)
    said = end(tmp_path, start_two(tmp_path, [*words, "arch=fussy"]), 1, 1)
    for text in said:
        assert "the loss was nan at step" in text
        assert f"  {name}" in text
        assert "another worker ended" not in text


@pytest.mark.thorough
def test_workers_with_other_photos_do_not_begin(pairs, tmp_path):
    here, there = pairs(24), tmp_path / "elsewhere" / "portraits"
    shutil.copytree(here, there)
    for part in ("images", "masks"):
        (there / part / "p3.png").rename(there / part / "p99.png")
    addresses = tuple(f"localhost:{port}" for port in free_ports(2))
    processes = [
        start(
            *(tmp_path, f"worker{index}"),
            [*STILL, "--strategy", "multi_worker", "--output", tmp_path / "run", "--data", folder],
            TF_CONFIG=Cluster(addresses, index).as_config(),
        )
        for index, folder in enumerate((here, there))
    ]
    said = end(tmp_path, processes, 1, 1)
    assert "another worker ended" in said[0]
    assert "are not those of worker 0" in said[1]


@pytest.mark.thorough
def test_stopping_what_started_the_workers_stops_them(tmp_path):
    words = [*STILL, "trainer.epochs=1000", "trainer.workers=2", "--strategy", "mirrored"]
    process = start_alone(tmp_path, words)
    until = time.monotonic() + PATIENCE
    while not (tmp_path / "run" / "state.npz").exists() and time.monotonic() < until:
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    (said,) = end(tmp_path, [process], 143)
    assert said.count("stopped: saved ") == 2
    assert "stopped: all workers ended; go on with --resume." in said


def test_mirrored_starts_its_workers_itself(both, tmp_path):
    words = [*STILL, "trainer.workers=2", "--strategy", "mirrored"]
    (said,) = end(tmp_path, [start_alone(tmp_path, words)], 0)
    assert said.splitlines()[-1] == str(tmp_path / "run" / "best.keras")
    assert said.count("35 photos to learn from") == 1, "only the first worker tells"
    assert_same_state(both / "run0", tmp_path / "run")
