"""Child processes that train one step at a time: each waits on a pipe while another works."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

from matting_keras.benchmark.measure import median, p95

ROOT = Path(__file__).resolve().parents[1]


class Contender:
    """A child process that takes a training step when told to.

    Attributes:
        facts: who it is: "library", "form", "layout", "precision".
        versions: of its packages.
        answers: seconds and loss of each step, the warm-up's first.
        skipped: why it does not take part any more, or None.
    """

    def __init__(self, facts: dict[str, str], command: Sequence[str], spin: bool = False):
        self.facts = facts
        self.answers: list[dict] = []
        self.skipped: str | None = None
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(spin),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.versions = self._read(self.process.stdout.readline())["versions"]

    def step(self, patience: float | None = None) -> None:
        """Take a step; with patience, give up on a child that needs more seconds than that.

        The first step may take three times as long: it traces and compiles.
        """
        if self.skipped:
            return
        if patience is not None and not self.answers:
            patience *= 3
        late = threading.Event()
        watch = threading.Timer(patience or 0, lambda: (late.set(), self.process.kill()))
        if patience is not None:
            watch.start()
        self.process.stdin.write('{"command": "step"}\n')
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        watch.cancel()
        if late.is_set():
            self.skipped = f"a warm-up step took more than {patience:.0f} s"
        else:
            self.answers.append(self._read(line))

    def end(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def row(self, batch: int, warmup: int) -> dict:
        """What the table prints; the first `warmup` steps do not count."""
        if self.skipped:
            return self.facts | {"skipped": self.skipped}
        times = [answer["seconds"] for answer in self.answers[warmup:]]
        return self.facts | {
            "first_step_s": self.answers[0]["seconds"],
            "median_s": median(times),
            "p95_s": p95(times),
            "images_per_second": batch / median(times),
            "losses": [answer["loss"] for answer in self.answers],
        }

    def _read(self, line: str) -> dict:
        if not line:
            self.end()
            raise SystemExit(f"{' '.join(self.facts.values())} has ended early; see above.")
        return json.loads(line)


def run(command: Sequence[str], purpose: str) -> str:
    """Run a child to its end and return what it printed; stops where it fails."""
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{purpose} failed; see above.")
    return done.stdout


def require_torch(python: str) -> None:
    """Stop with a sentence where an interpreter cannot train in PyTorch."""
    try:
        words = [python, "-c", "import torch, numpy"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError as error:
        raise SystemExit(f"--torch-python {python}: cannot be run ({error.strerror}).") from error
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise SystemExit(
            f"{python} has no PyTorch ({why}); name an interpreter that has it and numpy with "
            "--torch-python PATH."
        )


def environment(spin: bool = False) -> dict[str, str]:
    """Of every child: on the CPU, with oneDNN, as train.py has it."""
    chosen = {"TF_ENABLE_ONEDNN_OPTS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"} | os.environ
    # OpenMP's threads, which are PyTorch's, spin by default; where anything else wants a core,
    # each of thousands of barriers then costs a slice of the scheduler's time.
    chosen.pop("OMP_WAIT_POLICY", None)
    if not spin:
        chosen["OMP_WAIT_POLICY"] = "passive"
    return chosen | {"CUDA_VISIBLE_DEVICES": "-1"}
