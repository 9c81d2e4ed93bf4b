"""Where a network's milliseconds go, node by node, against what this machine could do at best.

python -m benchmarks.roofline [MODEL] [--size 256x256] [--threads 1] [--rounds 40] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime

from matting_keras.benchmark.measure import machine, median, publish, warn_if_busy
from matting_keras.benchmark.peak import peak
from matting_keras.benchmark.subjects import pixels
from matting_keras.weights.presets import PRESETS, find

COPIED = 64 * 2**20
"""Bytes of the array whose copying gives the memory's speed; larger than any cache here."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark as the command line says."""
    flags = parser().parse_args(arguments)
    warn_if_busy()
    width, height = pixels("--size", flags.size)
    path = find(flags.model) if flags.model in PRESETS else Path(flags.model)
    image = np.random.default_rng(0).uniform(0, 255, (1, height, width, 3)).astype("float32")
    limits = {"gflops": peak(flags.threads), "gigabytes_per_second": bandwidth(flags.threads)}
    plain, profiled, nodes = profile(path, image, flags)
    facts = {
        "benchmark": "roofline",
        "machine": machine("numpy", "onnxruntime"),
        "settings": vars(flags) | {"model": path.name},
        "limits": limits,
        "plain_ms": plain,
        "profiled_ms": profiled,
        "rows": [node | bounds(node, limits) for node in nodes],
    }
    return publish(facts, report, flags.json)


def parser() -> argparse.ArgumentParser:
    """The benchmark's options."""
    made = argparse.ArgumentParser(prog="benchmarks.roofline", description=__doc__.split("\n")[0])
    made.add_argument("model", nargs="?", default="dark-light", help="a preset or an .onnx file")
    made.add_argument("--size", default="256x256", metavar="WIDTHxHEIGHT")
    made.add_argument("--threads", type=int, default=1, metavar="N")
    made.add_argument("--rounds", type=int, default=40, help="profiled runs (default 40)")
    made.add_argument("--json", metavar="FILE", help="also write everything as JSON")
    return made


def bandwidth(threads: int, rounds: int = 8) -> float:
    """Gigabytes read and written a second where arrays are copied, the best of some rounds."""
    source = np.ones(COPIED // 4, "float32")
    target = np.empty_like(source)
    parts = np.array_split(np.arange(len(source)), threads)
    slices = [slice(int(part[0]), int(part[-1]) + 1) for part in parts]
    best = math.inf
    with ThreadPoolExecutor(threads) as workers:
        for _ in range(rounds):
            began = time.perf_counter()
            list(workers.map(lambda part: np.copyto(target[part], source[part]), slices))
            best = min(best, time.perf_counter() - began)
    return 2 * COPIED / best / 1e9


def profile(
    path: Path, image: np.ndarray, flags: argparse.Namespace
) -> tuple[float, float, list[dict]]:
    """Median milliseconds without and with profiling, taken in turn, and each node's share."""
    with tempfile.TemporaryDirectory() as folder:
        plain, watched = session(path, flags.threads), session(path, flags.threads, folder)
        seconds: dict[str, list[float]] = {"plain": [], "watched": []}
        for _ in range(flags.rounds):
            for name, engine in (("plain", plain), ("watched", watched)):
                began = time.perf_counter()
                engine.run(None, {"image": image})
                seconds[name].append((time.perf_counter() - began) * 1000)
        events = json.loads(Path(watched.end_profiling()).read_text())
    return median(seconds["plain"]), median(seconds["watched"]), nodes_of(events)


def session(path: Path, threads: int, folder: str | None = None) -> onnxruntime.InferenceSession:
    """onnxruntime on the CPU; with a folder it writes a profile there."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    # Otherwise the threads of one session spin while the other one is timed.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if folder:
        options.enable_profiling = True
        options.profile_file_prefix = f"{folder}/profile"
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def nodes_of(events: Sequence[dict]) -> list[dict]:
    """Each node that ran, in order: median time, multiply-accumulates and bytes, as it was run.

    Channels count as the engine pads them (to eight), so these are its operations, not the file's.
    """
    suffix = "_kernel_time"
    found: dict[str, dict] = {}
    for event in events:
        if event.get("cat") != "Node" or not event["name"].endswith(suffix):
            continue
        facts = event["args"]
        reads = [next(iter(shape.values())) for shape in facts["input_type_shape"]]
        writes = [next(iter(shape.values())) for shape in facts["output_type_shape"]]
        name = event["name"].removesuffix(suffix).removesuffix("_nchwc")
        node = found.setdefault(
            name,
            {
                "name": name,
                "op": facts["op_name"],
                "shape": writes[0],
                "macs": macs(facts["op_name"], reads, writes),
                "bytes": 4 * sum(math.prod(shape) for shape in (*reads, *writes)),
                "ms": [],
            },
        )
        node["ms"].append(event["dur"] / 1000)
    return [node | {"ms": median(node["ms"])} for node in found.values()]


def macs(op: str, reads: Sequence[Sequence[int]], writes: Sequence[Sequence[int]]) -> int:
    """Multiply-accumulates of a node; only convolutions have any worth counting."""
    if op not in ("Conv", "FusedConv"):
        return 0
    return math.prod(writes[0]) * math.prod(reads[1][1:])


def bounds(node: dict, limits: dict[str, float]) -> dict:
    """The least milliseconds a node needs to compute and to move its values through memory."""
    compute = 2 * node["macs"] / limits["gflops"] / 1e6
    memory = node["bytes"] / limits["gigabytes_per_second"] / 1e6
    return {"compute_ms": compute, "memory_ms": memory, "least_ms": max(compute, memory)}


def report(facts: dict) -> None:
    """Print the tables."""
    rows, limits, flags = facts["rows"], facts["limits"], facts["settings"]
    total = sum(row["ms"] for row in rows)
    print(
        f"{flags['model']}, {flags['size']}, threads {flags['threads']}: "
        f"{facts['plain_ms']:.2f} ms, profiled {facts['profiled_ms']:.2f} ms, of which nodes "
        f"{total:.2f} ms\nlimits: {limits['gflops']:.0f} GFLOP/s (matrix products), "
        f"{limits['gigabytes_per_second']:.1f} GB/s (copies, read and written)"
    )
    print("node                       op              output       Mmac     MB      ms   least")
    for row in rows:
        shape = "×".join(map(str, row["shape"][1:]))
        print(
            f"{row['name'][:26]:26} {row['op'][:13]:13} {shape:>13} {row['macs'] / 1e6:8.1f} "
            f"{row['bytes'] / 1e6:6.2f} {row['ms']:7.3f} {row['least_ms']:7.3f}"
        )
    print("\nkind                       ms   share   least ms   Gmac/s")
    for kind, some in grouped(rows).items():
        spent, least = (sum(row[key] for row in some) for key in ("ms", "least_ms"))
        rate = sum(row["macs"] for row in some) / spent / 1e6
        print(f"{kind:20} {spent:8.2f} {spent / total:7.1%} {least:10.2f} {rate:8.1f}")


def grouped(rows: Sequence[dict]) -> dict[str, list[dict]]:
    """Nodes by kind, and convolutions by the size of their output."""
    kinds: dict[str, list[dict]] = {}
    for row in rows:
        kind = f"Conv at {row['shape'][2]}×{row['shape'][3]}" if row["macs"] else row["op"]
        kinds.setdefault(kind, []).append(row)
    return dict(sorted(kinds.items(), key=lambda item: -sum(row["ms"] for row in item[1])))


if __name__ == "__main__":
    sys.exit(main())
