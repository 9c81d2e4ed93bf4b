"""Seconds of a training step of U²-NetP: ours in Keras and the same network in PyTorch.

python -m benchmarks.peer_training [--torch-python PATH] [--steps 8] [--json FILE]

Each contender is a process of its own that waits on a pipe while another takes its step.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from matting_keras.benchmark.measure import (
    machine,
    median,
    p95,
    publish,
    timing_parser,
    warn_if_busy,
)

ROOT = Path(__file__).resolve().parents[1]
KERAS, LAYOUTS = "keras", ("NCHW", "channels_last")
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
TOLERANCE = 1e-3
"""The largest relative difference of the first float32 loss between the two networks."""

OURS = "import sys; from benchmarks.peer_training import learn; learn(*sys.argv[1:])"
WEIGHTS = "import sys; from benchmarks.peer_training import write_weights as w; w(sys.argv[1])"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark as the command line says."""
    flags = parser().parse_args(arguments)
    flags.warmup = max(1, flags.warmup)
    require_torch(flags.torch_python)
    warn_if_busy()
    facts = {
        "benchmark": "peer_training",
        "machine": machine("numpy"),
        "settings": {k: v for k, v in vars(flags).items() if k != "torch_python"},
    }
    with tempfile.TemporaryDirectory() as folder:
        contenders = start(Path(folder), flags)
        try:
            warm_up(contenders, flags)
            facts["first_loss_difference"] = check_agreement(contenders)
            for _ in range(flags.steps):
                for contender in contenders:
                    contender.step()
        finally:
            for contender in contenders:
                contender.process.kill()
                contender.process.wait()
    for contender in contenders:
        facts["machine"]["versions"] |= contender.versions
    facts["rows"] = [contender.row(flags.batch, flags.warmup) for contender in contenders]
    facts["ratios"] = choose(facts["rows"])
    return publish(facts, report, flags.json)


def parser() -> argparse.ArgumentParser:
    """The benchmark's options."""
    made = timing_parser("benchmarks.peer_training", __doc__, rounds=8, warmup=2, counted="steps")
    made.add_argument("--side", type=int, default=288, metavar="PIXELS")
    made.add_argument("--batch", type=int, default=2)
    made.add_argument("--threads", type=int, default=os.cpu_count(), metavar="N")
    made.add_argument("--precisions", nargs="+", default=list(POLICIES), choices=list(POLICIES))
    made.add_argument(
        "--patience",
        type=float,
        default=120,
        metavar="SECONDS",
        help="leave out whoever needs longer for a warm-up step, or three times as long for the "
        "first (default 120)",
    )
    made.add_argument(
        "--spin", action="store_true", help="let PyTorch's threads spin where they wait for work"
    )
    made.add_argument(
        "--torch-python", default=sys.executable, metavar="PATH", help="a Python that has PyTorch"
    )
    return made


class Contender:
    """A child process that takes a training step when told to.

    Attributes:
        label: who it is, and in which layout.
        precision: "float32" or "bfloat16".
        versions: of its packages.
        answers: seconds and loss of each step, the warm-up's first.
        skipped: why it does not take part any more, or None.
    """

    def __init__(self, label: str, precision: str, command: Sequence[str], spin: bool = False):
        self.label, self.precision = label, precision
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

    def _read(self, line: str) -> dict:
        if not line:
            raise SystemExit(f"{self.label} {self.precision} has ended early; see above.")
        return json.loads(line)

    def row(self, batch: int, warmup: int) -> dict:
        """What the table prints; the first `warmup` steps do not count."""
        row = {"contender": self.label, "precision": self.precision}
        if self.skipped:
            return row | {"skipped": self.skipped}
        times = [answer["seconds"] for answer in self.answers[warmup:]]
        return row | {
            "first_step_s": self.answers[0]["seconds"],
            "median_s": median(times),
            "p95_s": p95(times),
            "images_per_second": batch / median(times),
            "losses": [answer["loss"] for answer in self.answers],
        }


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


def start(folder: Path, flags: argparse.Namespace) -> list[Contender]:
    """Write weights and a batch that all share, then start every contender, one after another."""
    weights, batch, threads = folder / "weights.pth", folder / "batch.npz", str(flags.threads)
    rng = np.random.default_rng(0)
    shape = (flags.batch, flags.side, flags.side)
    images = rng.uniform(0, 255, (*shape, 3)).astype("float32")
    np.savez(batch, images=images, alphas=rng.uniform(0, 1, (*shape, 1)).astype("float32"))
    words = [sys.executable, "-c", WEIGHTS, str(weights)]
    if subprocess.run(words, cwd=ROOT, env=environment(), check=False).returncode:
        raise SystemExit("the weights that all start from could not be written; see above.")
    theirs = [flags.torch_python, str(ROOT / "benchmarks" / "torch_u2netp.py")]
    theirs += ["--weights", str(weights), "--batch", str(batch), "--threads", threads]
    contenders = []
    for precision in flags.precisions:
        ours = [sys.executable, "-c", OURS, str(weights), str(batch), precision, threads]
        contenders.append(Contender(KERAS, precision, ours))
        for layout in LAYOUTS:
            command = [*theirs, "--precision", precision, "--layout", layout]
            contenders.append(Contender(f"torch {layout}", precision, command, flags.spin))
    return contenders


def warm_up(contenders: Sequence[Contender], flags: argparse.Namespace) -> None:
    for _ in range(flags.warmup):
        for contender in contenders:
            contender.step(flags.patience)


def check_agreement(contenders: Sequence[Contender]) -> float | None:
    """The largest relative difference of the first float32 loss; stops where it is too large."""
    losses = {
        one.label: one.answers[0]["loss"]
        for one in contenders
        if one.precision == "float32" and one.answers
    }
    if KERAS not in losses or len(losses) == 1:
        return None
    wanted = losses[KERAS]
    difference = float(np.max([abs(loss - wanted) / wanted for loss in losses.values()]))
    if not difference <= TOLERANCE:
        raise SystemExit(f"first losses differ by {difference:.1e}: {losses}; nothing is timed.")
    return difference


def choose(rows: list[dict]) -> dict[str, float]:
    """Mark the faster layout of PyTorch; returns ours against it by precision."""
    ratios = {}
    for precision in POLICIES:
        ran = [row for row in rows if row["precision"] == precision and "skipped" not in row]
        ours = [row for row in ran if row["contender"] == KERAS]
        theirs = [row for row in ran if row["contender"] != KERAS]
        if theirs:
            best = min(theirs, key=lambda row: row["median_s"])
            best["fastest_of_torch"] = True
            for row in ours:
                ratios[precision] = best["median_s"] / row["median_s"]
    return ratios


def report(facts: dict) -> None:
    """Print the table."""
    chosen = facts["settings"]
    print(
        f"u2netp, training step on the CPU, batch {chosen['batch']} of "
        f"{chosen['side']}×{chosen['side']}, {chosen['threads']} threads, PyTorch's "
        f"{'spin' if chosen['spin'] else 'sleep'} where they wait"
    )
    if facts["first_loss_difference"] is not None:
        print(f"first float32 loss: relative difference {facts['first_loss_difference']:.1e}")
    print("contender             precision   median s/step (p95)  images/s  first step s")
    for row in facts["rows"]:
        head = f"{row['contender']:20}  {row['precision']:9}  "
        if "skipped" in row:
            print(f"{head} skipped: {row['skipped']}")
            continue
        seconds = f"{row['median_s']:.3f} ({row['p95_s']:.3f})"
        print(
            f"{head} {seconds:>19} {row['images_per_second']:9.2f} {row['first_step_s']:13.1f}"
            f"{'  *' if row.get('fastest_of_torch') else ''}"
        )
    for precision, ratio in facts["ratios"].items():
        print(f"{precision}: keras does {ratio:.2f} × the images a second of torch's faster (*)")


def write_weights(path: str) -> None:
    """In a child: random weights, norms included, as a state dict."""
    from benchmarks.branches import lifelike
    from matting_keras.weights.convert import to_pytorch

    to_pytorch(lifelike("u2netp"), path)


def learn(weights: str, batch: str, precision: str, threads: str) -> None:
    """In a child: train ours as training/run.py does; a step for each line of stdin."""
    import keras
    import tensorflow as tf

    from matting_keras.training.losses import AlphaLoss
    from matting_keras.training.precision import resolve
    from matting_keras.weights.convert import convert

    tf.config.threading.set_intra_op_parallelism_threads(int(threads))
    policy, compiled = resolve(POLICIES[precision], "auto")
    keras.config.set_dtype_policy(policy)
    model = convert(weights, "u2netp", training=True)
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss={name: AlphaLoss() for name in model.output},
        jit_compile=compiled,
    )
    with np.load(batch) as arrays:
        images, alphas = tf.constant(arrays["images"]), tf.constant(arrays["alphas"])
    truths = dict.fromkeys(model.output, alphas)
    versions = {"keras": keras.__version__, "tensorflow": tf.__version__}
    print(json.dumps({"versions": versions}), flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        loss = float(model.train_on_batch(images, truths, return_dict=True)["loss"])
        seconds = time.perf_counter() - began
        print(json.dumps({"seconds": seconds, "loss": loss}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
