"""How long the demo takes from the command to the picture, as a whole process."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from matting_keras.benchmark.measure import child, interleaved, median, p95
from matting_keras.benchmark.pictures import photos
from matting_keras.benchmark.subjects import SHIPPED, Subject

ROOT = Path(__file__).resolve().parents[2]
PHOTO = ROOT / "samples" / "astronaut.png"
DEMO = ROOT / "demo.py"

# Each stage is a process of its own that goes one step further than the one before it.
IMPORTS = "import matting_keras.inference.studio"
LOADED = (
    "import sys; from matting_keras.inference.matter import Matter; "
    "Matter(sys.argv[1], runtime=sys.argv[2])"
)
STUDIO = "import sys; from matting_keras.inference.studio import main; sys.exit(main(sys.argv[1:]))"
LIGHT = (
    "import sys; from matting_keras.inference.studio import main; failed = main(sys.argv[1:]); "
    "heavy = {'tensorflow', 'keras'} & set(sys.modules); "
    "sys.exit(failed or (f'the demo imports {heavy}' if heavy else 0))"
)


def startup(
    subjects: Sequence[Subject],
    rounds: int,
    warmup: int,
    refines: Sequence[str | None] = (None,),
) -> dict:
    """Time whole processes in turn: Python alone, our imports, the network loaded, the demo.

    Args:
        subjects: with their files; each is timed in each of its engines.
        rounds: how often each process is run.
        warmup: how often before; once puts all files into the system's cache.
        refines: of `inference.refine.METHODS`, with each of which the demo is timed; None is what
            it does unasked.

    Returns:
        `rows`, one a stage, network and engine; `photo`, what the demo cuts out.

    Raises:
        InputError: a process fails, or the demo imports Keras or TensorFlow for another engine.
    """
    stages = {
        ("python alone", None, None, None): partial(child, "-c", "pass"),
        ("and our imports", None, None, None): partial(child, "-c", IMPORTS),
    }
    with tempfile.TemporaryDirectory() as folder:
        photo = PHOTO if PHOTO.is_file() else photos(Path(folder), 512, 512, 1)[0]
        # An installed package has no demo.py; it does no more than this.
        program = [str(DEMO)] if DEMO.is_file() else ["-c", STUDIO]
        for subject in subjects:
            for runtime in subject.runtimes:
                words = [str(photo), "--output", folder, *_network(subject, runtime)]
                if runtime != "keras":
                    # The sentence "the demo imports no TensorFlow" is checked, not only said.
                    child("-c", LIGHT, *words)
                key = (subject.name, runtime)
                loaded = [_source(subject, runtime), runtime]
                stages["and the network loaded", *key, None] = partial(child, "-c", LOADED, *loaded)
                for refine in refines:
                    told = ["--refine", refine] if refine else []
                    stages["the whole demo", *key, refine] = partial(child, *program, *words, *told)
        seconds = interleaved(stages, rounds, warmup, title="startup")
    rows = [
        {
            "stage": stage,
            "model": model,
            "runtime": runtime,
            "refine": refine,
            "median_s": median(times),
            "p95_s": p95(times),
            "all_s": times,
        }
        for (stage, model, runtime, refine), times in seconds.items()
    ]
    return {"photo": photo.name, "rows": rows}


def _network(subject: Subject, runtime: str) -> list[str]:
    """The demo's words for a network in an engine."""
    shipped = _source(subject, runtime) == subject.name and subject.source == SHIPPED
    option = "--arch" if shipped else "--weights"
    # Those that a shipped network is exported to for other engines are no shipped files.
    looks = ["--looks", "2" if subject.source == SHIPPED else "1"]
    return [option, _source(subject, runtime), "--runtime", runtime, *looks]


def _source(subject: Subject, runtime: str) -> str:
    """A shipped network by its name, as people call it; others by the engine's file."""
    if subject.source == SHIPPED and runtime in ("onnxruntime", "openvino"):
        return subject.name
    return str(subject.files[runtime])
