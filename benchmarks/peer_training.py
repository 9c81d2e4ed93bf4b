"""Seconds of a training step on the CPU: ours in Keras and the same network in PyTorch.

python -m benchmarks.peer_training --network dark-light [--torch-python PATH] [--json FILE]

Each contender is a process of its own that waits on a pipe while another takes its step.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.contenders import Contender, require_torch, run
from matting_keras.benchmark.measure import machine, publish, timing_parser, warn_if_busy

OURS, THEIRS = "keras", "torch"
LAYOUTS = ("NCHW", "channels_last")
PRECISIONS, JITS = ("float32", "bfloat16"), ("auto", "on", "off")
TOLERANCES = {"float32": 1e-3, "bfloat16": 2e-2}
"""The largest relative difference of the first loss between the networks of one precision."""

WRITE = "import sys; from benchmarks.keras_training import write; write(*sys.argv[1:])"
FEED = (
    "import json, sys; from benchmarks.keras_training import fed; "
    "print(json.dumps(fed(sys.argv[1], *map(int, sys.argv[2:]))))"
)


@dataclass(frozen=True)
class Network:
    """What is compared, and at which size unless the command line says otherwise.

    Attributes:
        side: of the square images, in pixels.
        batch: images a step.
        channels: of an image.
        ours: the forms of its blocks in Keras.
        theirs: those in PyTorch.
        pipeline: rounds of the step with the pipeline that feeds it.
    """

    side: int
    batch: int
    channels: int
    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    pipeline: int


NETWORKS = {
    "u2netp": Network(288, 2, 3, ("plain",), ("plain",), 0),
    "dark-light": Network(
        256, 16, 1, ("weight space", "plain"), ("three branches", "weight space", "plain"), 3
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark as the command line says."""
    flags = parser().parse_args(arguments)
    flags.warmup = max(1, flags.warmup)
    for name in ("side", "batch", "pipeline"):
        if getattr(flags, name) is None:
            setattr(flags, name, getattr(NETWORKS[flags.network], name))
    require_torch(flags.torch_python)
    warn_if_busy()
    facts = {
        "benchmark": "peer_training",
        "machine": machine("numpy"),
        "settings": {k: v for k, v in vars(flags).items() if k != "torch_python"},
        "first_loss_difference": {},
        "rows": [],
    }
    with tempfile.TemporaryDirectory() as folder:
        write_batch(Path(folder), flags)
        run([sys.executable, "-c", WRITE, flags.network, folder], "writing the weights")
        for precision in flags.precisions:
            compare(facts, Path(folder), flags, precision)
    facts["ratios"] = ratios(facts["rows"])
    if flags.pipeline:
        facts["pipeline"] = feed(flags)
    return publish(facts, report, flags.json)


def parser() -> argparse.ArgumentParser:
    """The benchmark's options."""
    made = timing_parser("benchmarks.peer_training", __doc__, rounds=8, warmup=2, counted="steps")
    made.add_argument("--network", default="u2netp", choices=sorted(NETWORKS))
    made.add_argument("--side", type=int, metavar="PIXELS", help="default: 288; Dark-Light 256")
    made.add_argument("--batch", type=int, help="default: 2; Dark-Light 16")
    made.add_argument("--threads", type=int, default=os.cpu_count(), metavar="N")
    made.add_argument("--precisions", nargs="+", default=list(PRECISIONS), choices=PRECISIONS)
    made.add_argument("--layouts", nargs="+", default=list(LAYOUTS), choices=LAYOUTS)
    made.add_argument(
        "--jit", default="auto", choices=JITS, help="compile our step with XLA (default: auto)"
    )
    made.add_argument(
        "--patience",
        type=float,
        default=120,
        metavar="SECONDS",
        help="leave out whoever needs longer for a warm-up step, or three times as long for the "
        "first (default 120)",
    )
    made.add_argument(
        "--pipeline",
        type=int,
        metavar="ROUNDS",
        help="rounds of our step alone and fed by the training pipeline, afterwards; 0 leaves them "
        "out (default: 0; Dark-Light 3)",
    )
    made.add_argument(
        "--spin", action="store_true", help="let PyTorch's threads spin where they wait for work"
    )
    made.add_argument(
        "--torch-python", default=sys.executable, metavar="PATH", help="a Python that has PyTorch"
    )
    return made


def write_batch(folder: Path, flags: argparse.Namespace) -> None:
    rng = np.random.default_rng(0)
    shape = (flags.batch, flags.side, flags.side)
    images = rng.uniform(0, 255, (*shape, NETWORKS[flags.network].channels)).astype("float32")
    alphas = rng.uniform(0, 1, (*shape, 1)).astype("float32")
    np.savez(folder / "batch.npz", images=images, alphas=alphas)


def compare(facts: dict, folder: Path, flags: argparse.Namespace, precision: str) -> None:
    """Let all contenders of one precision take their steps in turn, and add their rows.

    Precisions come one after another: all at once may not fit into memory.
    """
    contenders: list[Contender] = []
    try:
        for contender in start(folder, flags, precision):
            contenders.append(contender)
        for _ in range(flags.warmup):
            for contender in contenders:
                contender.step(flags.patience)
        facts["first_loss_difference"][precision] = check_agreement(contenders, precision)
        for _ in range(flags.steps):
            for contender in contenders:
                contender.step()
    finally:
        for contender in contenders:
            contender.end()
    for contender in contenders:
        facts["machine"]["versions"] |= contender.versions
    facts["rows"] += [contender.row(flags.batch, flags.warmup) for contender in contenders]


def start(folder: Path, flags: argparse.Namespace, precision: str) -> Iterator[Contender]:
    """Every contender of a precision, one after another."""
    chosen = NETWORKS[flags.network]
    shared = ["--network", flags.network, "--batch", str(folder / "batch.npz")]
    shared += ["--precision", precision, "--threads", str(flags.threads)]
    for form in chosen.ours:
        command = [sys.executable, "-m", "benchmarks.keras_training", *shared]
        command += ["--form", form, "--weights", str(folder / "branches.keras")]
        command += ["--jit", flags.jit]
        yield Contender(identity(OURS, form, "", precision), command)
    for form in chosen.theirs:
        weights = folder / ("plain.pth" if form == "plain" else "branches.pth")
        for layout in flags.layouts:
            command = [flags.torch_python, "-m", "benchmarks.torch_training", *shared]
            command += ["--form", form, "--layout", layout, "--weights", str(weights)]
            yield Contender(identity(THEIRS, form, layout, precision), command, flags.spin)


def identity(library: str, form: str, layout: str, precision: str) -> dict[str, str]:
    return {"library": library, "form": form, "layout": layout, "precision": precision}


def check_agreement(contenders: Sequence[Contender], precision: str) -> float | None:
    """The largest relative difference of the first loss; stops where it is too large."""
    losses = {
        " ".join(one.facts.values()): one.answers[0]["loss"] for one in contenders if one.answers
    }
    if len(losses) < 2:
        return None
    wanted = next(iter(losses.values()))
    difference = float(np.max([abs(loss - wanted) / wanted for loss in losses.values()]))
    if not difference <= TOLERANCES[precision]:
        raise SystemExit(f"first losses differ by {difference:.1e}: {losses}; nothing is reported.")
    return difference


def ratios(rows: list[dict]) -> list[dict]:
    """How many times the images a second of each contender in PyTorch each of ours does."""
    ran = [row for row in rows if "skipped" not in row]
    return [
        {"precision": own["precision"], "ours": own["form"], "theirs": peer["form"]}
        | {"layout": peer["layout"], "times": peer["median_s"] / own["median_s"]}
        for own in ran
        for peer in ran
        if (own["library"], peer["library"]) == (OURS, THEIRS)
        and own["precision"] == peer["precision"]
    ]


def feed(flags: argparse.Namespace) -> dict:
    """Images a second of our step alone and with the pipeline, in turn, in a child."""
    numbers = (flags.side, flags.batch, flags.threads, flags.pipeline, flags.steps)
    words = [sys.executable, "-c", FEED, flags.network, *map(str, numbers)]
    return json.loads(run(words, "the step with its pipeline").splitlines()[-1])


def report(facts: dict) -> None:
    """Print the tables."""
    chosen = facts["settings"]
    print(
        f"{chosen['network']}, training step on the CPU, batch {chosen['batch']} of "
        f"{chosen['side']}×{chosen['side']}, {chosen['threads']} threads; our XLA {chosen['jit']}; "
        f"PyTorch's threads {'spin' if chosen['spin'] else 'sleep'} where they wait"
    )
    for precision, difference in facts["first_loss_difference"].items():
        if difference is not None:
            print(f"first loss, {precision}: relative difference {difference:.1e}")
    print(f"{'contender':37}  precision    median s/step (p95)  images/s  first step s")
    for row in facts["rows"]:
        head = f"{row['library']:6} {row['form']:15} {row['layout']:14} {row['precision']:9}  "
        if "skipped" in row:
            print(f"{head} skipped: {row['skipped']}")
            continue
        seconds = f"{row['median_s']:.3f} ({row['p95_s']:.3f})"
        print(f"{head} {seconds:>20} {row['images_per_second']:9.2f} {row['first_step_s']:13.1f}")
    report_ratios(facts["ratios"], chosen["layouts"])
    if "pipeline" in facts:
        report_pipeline(facts["pipeline"])


def report_ratios(rows: list[dict], layouts: Sequence[str]) -> None:
    print(f"{'images a second of ours against theirs':48}" + "".join(f"{x:>15}" for x in layouts))
    table: dict[tuple[str, ...], dict[str, float]] = {}
    for row in rows:
        names = row["precision"], row["ours"], row["theirs"]
        table.setdefault(names, {})[row["layout"]] = row["times"]
    for (precision, own, peer), times in table.items():
        cells = [f"{times[x]:13.2f} ×" if x in times else f"{'':15}" for x in layouts]
        print(f"{precision:9} keras {own:13} torch {peer:15}" + "".join(cells))


def report_pipeline(facts: dict) -> None:
    print(f"ours with what train.py adds to a step (blocks of {facts['steps']} steps in turn)")
    alone = facts["rows"][0]["images_per_second"]
    for row in facts["rows"]:
        rate = row["images_per_second"]
        print(f"{row['loop']:18} {facts['precision']:14} {rate:8.2f} images/s {rate / alone:7.0%}")


if __name__ == "__main__":
    sys.exit(main())
