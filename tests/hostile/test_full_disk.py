"""A disk that fills up: every file of a run stays as it was, and the run goes on with room."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from matting_keras import atomic
from matting_keras.architectures.registry import ARCHITECTURES
from matting_keras.training import callbacks
from matting_keras.training.command import main
from matting_keras.weights.files import load
from tests.places import ROOT
from tests.run_folders import assert_same_state
from tests.toy import TOYS

resource = pytest.importorskip("resource", reason="limits of a process are Unix's")
CONFIGS = ROOT / "train" / "configs"
WORDS = [
    *("arch=toy", "data=tiny", "trainer=smoke", "data.area=1024", "data.ratios=[1.0]"),
    *("data.synthetic=20", "trainer.epochs=2", "trainer.steps_per_epoch=3"),
]


@contextlib.contextmanager
def full(name: str, number: int):
    """From the `number`-th writing of a file on, no file can grow beyond a few bytes.

    The kernel refuses what is written past the limit, so the file is there, cut off.
    """
    before, made, seen = resource.getrlimit(resource.RLIMIT_FSIZE), atomic.tempfile.mkdtemp, []

    def make(*given, **options):
        folder = made(*given, **options)
        seen.extend([folder] * (options.get("prefix") == f".{name}."))
        if len(seen) == number:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20, before[1]))
        return folder

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(atomic.tempfile, "mkdtemp", make)
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(seen) == number, "the file was never written"


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.name != "tensorboard"}


def test_a_run_goes_on_when_there_is_room_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(ARCHITECTURES, "toy", TOYS["toy"])
    folder = tmp_path / "run"
    words = [*WORDS, f"output={folder}", "trainer.resume=true"]
    for name, number, there in (
        ("run.json", 1, set()),
        ("log.csv", 1, {"config.yaml", "run.json"}),
        ("best.keras", 1, {"config.yaml", "run.json", "log.csv"}),
        ("state.npz", 2, {"config.yaml", "run.json", "log.csv", "best.keras", "state.npz"}),
    ):
        with full(name, number):
            assert main(CONFIGS, words) == 1
        said = capsys.readouterr().err
        assert f"{folder / name}: cannot be written (File too large)" in said
        assert "make room, then go on with --resume" in said
        assert set(contents(folder)) == there, "nothing half-written stays"
    with np.load(folder / "state.npz") as state:
        assert '"epoch": 1' in str(state["facts"])
    load(folder / "best.keras")
    # TensorBoard's folder cannot even be made, and that alone ends no run.
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "tensorboard").write_text("")
    assert main(CONFIGS, [*WORDS, f"output={blocked}"]) == 0
    assert main(CONFIGS, words) == 0
    assert_same_state(folder, blocked)


def test_the_log_stays_as_it_was(tmp_path):
    log = callbacks.CsvLog(tmp_path / "log.csv")
    log.on_epoch_end(0, {"loss": 1.0})
    before = contents(tmp_path)
    with full("log.csv", 1), pytest.raises(ValueError, match=r"log\.csv: cannot be written"):
        log.on_epoch_end(1, {"loss": 0.5})
    assert contents(tmp_path) == before


FILESYSTEM = """
set -e
mount -t tmpfs -o size=4m none "$1"
train() { "$2" -m tests.survivor never $3 --output "$1/run" --resume; }
train "$1" "$2" "$3 trainer.epochs=1"
sum=$(sha256sum "$1"/run/state.npz "$1"/run/best.keras)
dd if=/dev/zero of="$1/filler" bs=1k status=none || true
if train "$1" "$2" "$3 trainer.epochs=2"; then exit 9; fi
test "$sum" = "$(sha256sum "$1"/run/state.npz "$1"/run/best.keras)"
test -z "$(find "$1/run" -name '.*')"
rm "$1/filler"
train "$1" "$2" "$3 trainer.epochs=2"
"""


@pytest.mark.thorough
def test_a_file_system_without_room(tmp_path):
    command = ["unshare", "-rm"]
    if subprocess.run([*command, "mount", "-t", "tmpfs", "none", tmp_path]).returncode:
        pytest.skip("this machine lets nobody mount a small file system of their own")
    words = [word for word in WORDS if "epochs" not in word]
    done = subprocess.run(
        [*command, "sh", "-c", FILESYSTEM, "sh", tmp_path, sys.executable, " ".join(words)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "run.json: cannot be written (No space left on device)" in done.stderr
