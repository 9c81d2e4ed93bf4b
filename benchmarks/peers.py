"""Latency of our exported networks and of the same networks as others exported them.

python -m benchmarks.peers [--teachers DIR] [--threads 2 1] [--rounds 20] [--json FILE]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

# TensorFlow only writes the files here; what it says about itself would bury the table.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from PIL import Image

from benchmarks.inference import session
from matting_keras.benchmark.measure import (
    interleaved,
    machine,
    median,
    p95,
    publish,
    timing_parser,
    warn_if_busy,
)
from matting_keras.export import export
from matting_keras.weights.convert import convert
from tests.places import DATA, ROOT

PHOTO = ROOT / "samples" / "astronaut.png"
TOLERANCE = 1e-3
"""The largest difference of alpha between a file of others and ours."""

MEAN, DEVIATION = np.array((0.485, 0.456, 0.406)), np.array((0.229, 0.224, 0.225))


@dataclass(frozen=True)
class Peer:
    """A network as somebody else exported it.

    Attributes:
        architecture: the name of ours.
        file: of theirs, under `--teachers`.
        side: height and width in pixels at which both are timed.
        norm: from raw 0..255 values to what theirs takes; ours does it inside its graph.
    """

    architecture: str
    file: str
    side: int
    norm: Callable[[np.ndarray], np.ndarray]


PEERS = (
    Peer("u2netp", "u2netp.onnx", 320, lambda x: (x / 255 - MEAN) / DEVIATION),
    Peer("modnet", "modnet_photographic.onnx", 512, lambda x: x / 127.5 - 1),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark as the command line says."""
    flags = parser().parse_args(arguments)
    warn_if_busy()
    facts = {
        "benchmark": "peers",
        "machine": machine("keras", "tensorflow", "onnx", "onnxruntime"),
        "settings": vars(flags) | {"teachers": [peer.file for peer in PEERS]},
        "rows": [],
    }
    for peer in PEERS:
        facts["rows"] += compare(peer, Path(flags.teachers) / peer.file, flags)
    return publish(facts, report, flags.json)


def parser() -> argparse.ArgumentParser:
    """The benchmark's options."""
    made = timing_parser("benchmarks.peers", __doc__, rounds=20, warmup=3)
    made.add_argument(
        "--teachers",
        default=DATA / "teachers",
        metavar="DIR",
        help=f"holds {' and '.join(peer.file for peer in PEERS)}",
    )
    made.add_argument("--threads", type=int, nargs="+", default=[2, 1], metavar="N")
    return made


def compare(peer: Peer, theirs: Path, flags: argparse.Namespace) -> list[dict]:
    """Export ours with their weights, check that both are one network, then time both."""
    if not theirs.is_file():
        raise SystemExit(f"{theirs}: no such file; name the folder that has it with --teachers.")
    image = photo(peer.side)
    with tempfile.TemporaryDirectory() as folder:
        ours = Path(folder) / f"{peer.architecture}.onnx"
        export(convert(theirs, peer.architecture), ours)
        difference = check_agreement(peer, runs(peer, theirs, ours, image, 1))
        return [
            row(peer, threads, difference, flags, runs(peer, theirs, ours, image, threads))
            for threads in flags.threads
        ]


def photo(side: int) -> np.ndarray:
    """A portrait as raw 0..255 values (1, side, side, 3)."""
    with Image.open(PHOTO) as opened:
        return np.asarray(opened.convert("RGB").resize((side, side)), "float32")[None]


def runs(
    peer: Peer, theirs: Path, ours: Path, image: np.ndarray, threads: int
) -> dict[str, Callable[[], np.ndarray]]:
    """A call of each file; both give alpha, theirs as (1, 1, height, width)."""
    # Outside of what is timed: theirs gets its pre-processing for free.
    normed = np.ascontiguousarray(peer.norm(image).transpose(0, 3, 1, 2), "float32")
    their_session, our_session = session(theirs, threads), session(ours, threads)
    name, output = their_session.get_inputs()[0].name, their_session.get_outputs()[0].name
    return {
        "theirs": lambda: their_session.run([output], {name: normed})[0],
        "ours": lambda: our_session.run(["alpha"], {"image": image})[0],
    }


def check_agreement(peer: Peer, both: dict[str, Callable[[], np.ndarray]]) -> float:
    """The largest difference of alpha; stops where it is too large to be one network."""
    wanted = both["theirs"]().transpose(0, 2, 3, 1)
    if np.ptp(wanted) < 0.5:
        raise SystemExit(f"{peer.file} finds nobody in {PHOTO.name}; agreement proves nothing.")
    difference = float(np.abs(both["ours"]() - wanted).max())
    if not difference <= TOLERANCE:
        raise SystemExit(f"ours differs from {peer.file} by {difference:.1e}; nothing is timed.")
    return difference


def row(
    peer: Peer,
    threads: int,
    difference: float,
    flags: argparse.Namespace,
    both: dict[str, Callable[[], np.ndarray]],
) -> dict:
    """Time both in turn with one number of threads."""
    seconds = interleaved(both, flags.rounds, flags.warmup)
    facts = {
        "network": peer.architecture,
        "side": peer.side,
        "threads": threads,
        "largest_difference": difference,
        "ratio": median(seconds["ours"]) / median(seconds["theirs"]),
    }
    for whose, times in seconds.items():
        facts[whose] = {"median_ms": median(times) * 1000, "p95_ms": p95(times) * 1000}
    return facts


def report(facts: dict) -> None:
    """Print the table."""
    print("onnxruntime, CPU, batch 1; pre-processing is timed in ours and left out in theirs")
    print("network  size     threads  theirs ms (p95)     ours ms (p95)  ours/theirs  difference")
    for one in facts["rows"]:
        times = [
            f"{one[whose]['median_ms']:9.1f} ({one[whose]['p95_ms']:.1f})".rjust(17)
            for whose in ("theirs", "ours")
        ]
        print(
            f"{one['network']:8} {one['side']}×{one['side']} {one['threads']:8} {times[0]} "
            f"{times[1]} {one['ratio']:12.3f} {one['largest_difference']:11.1e}"
        )


if __name__ == "__main__":
    sys.exit(main())
