"""How long the demo takes from the command to the picture, as a whole process.

python -m benchmarks.startup [--runs 7] [--weights FILE] [--json FILE]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.measure import interleaved, machine, median, p95, warn_if_busy, write_json

ROOT = Path(__file__).resolve().parents[1]
PHOTO = ROOT / "samples" / "astronaut.png"

# Each stage is a process of its own that goes one step further than the one before it.
IMPORTS = "import matting_keras.inference.studio"
LOADED = "import sys; from matting_keras.inference.matter import Matter; Matter(sys.argv[1])"
LIGHT = (
    "import sys; from matting_keras.inference.studio import main; failed = main(sys.argv[1:]); "
    "heavy = {'tensorflow', 'keras'} & set(sys.modules); "
    "sys.exit(failed or (f'the demo imports {heavy}' if heavy else 0))"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark as the command line says."""
    flags = parser().parse_args(arguments)
    warn_if_busy()
    with tempfile.TemporaryDirectory() as folder:
        demo = [str(PHOTO), "--output", folder]
        demo += ["--weights", flags.weights] if flags.weights else []
        # The sentence "the demo imports no TensorFlow" is checked, not only said.
        process("-c", LIGHT, *demo)()
        stages = {
            "python alone": process("-c", "pass"),
            "and our imports": process("-c", IMPORTS),
            "and the network loaded": process("-c", LOADED, flags.weights or "dark-light"),
            "the whole demo": process("demo.py", *demo),
        }
        seconds = interleaved(stages, flags.runs, warmup=1)
    facts = {
        "benchmark": "startup",
        "machine": machine("numpy", "pillow", "onnx", "onnxruntime"),
        "settings": vars(flags) | {"photo": PHOTO.name},
        "rows": [
            {"stage": stage, "median_s": median(times), "p95_s": p95(times), "all_s": times}
            for stage, times in seconds.items()
        ],
    }
    report(facts)
    if flags.json:
        write_json(flags.json, facts)
    return 0


def parser() -> argparse.ArgumentParser:
    """The benchmark's options."""
    made = argparse.ArgumentParser(prog="benchmarks.startup", description=__doc__.split("\n")[0])
    made.add_argument("--runs", type=int, default=7, help="timed runs of each (default 7)")
    made.add_argument("--weights", metavar="FILE", help="an .onnx file (default: shipped)")
    made.add_argument("--json", metavar="FILE", help="also write everything as JSON")
    return made


def process(*words: str) -> Callable[[], None]:
    """A Python process in the checkout, to be run to its end; its failure ends the benchmark."""

    def run() -> None:
        done = subprocess.run(
            [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"python {words[0]} failed: {done.stderr.strip()}")

    return run


def report(facts: dict) -> None:
    """Print the table."""
    print(f"{facts['settings']['photo']}, whole processes, {facts['settings']['runs']} runs each")
    print("stage                   median s    p95 s   more than before")
    before = 0.0
    for row in facts["rows"]:
        print(
            f"{row['stage']:22} {row['median_s']:9.3f} {row['p95_s']:8.3f} "
            f"{row['median_s'] - before:18.3f}"
        )
        before = row["median_s"]


if __name__ == "__main__":
    sys.exit(main())
