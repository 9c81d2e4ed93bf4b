"""The most memory a process ever held that loads a network and runs a few pictures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from matting_keras.benchmark.measure import child
from matting_keras.benchmark.subjects import Subject

PICTURES = 5
STATUS = Path("/proc/self/status")

# Programs, not functions of this module: it would bring imports of its own into the measure.
BARE = f"""
import numpy
print(open("{STATUS}").read())
"""
LOADED = f"""
import sys
import numpy as np
from matting_keras.inference.runtimes import open_runtime
path, runtime, width, height = sys.argv[1:]
engine = open_runtime(path, runtime)
picture = np.full((1, int(height), int(width), 3), 128, np.float32)
for _ in range({PICTURES}):
    engine.run(picture)
print(open("{STATUS}").read())
"""


def memory(subjects: Sequence[Subject], sizes: Sequence[tuple[int, int]]) -> dict:
    """The peak resident memory of a fresh process per network, engine and size.

    Args:
        subjects: with their files.
        sizes: (width, height) of the input, in pixels.

    Returns:
        `bare_mb`, of Python and numpy alone, which no row has subtracted; and `rows`.
    """
    jobs = [
        (subject, runtime, width, height)
        for subject in subjects
        for runtime in subject.runtimes
        for width, height in sizes
    ]
    rows = []
    for subject, runtime, width, height in tqdm(jobs, "memory", disable=None, leave=False):
        words = [str(subject.files[runtime]), runtime, str(width), str(height)]
        rows.append(
            {
                "model": subject.name,
                "runtime": runtime,
                "width": width,
                "height": height,
                "peak_mb": _peak(child("-c", LOADED, *words)),
            }
        )
    return {"bare_mb": _peak(child("-c", BARE)), "pictures": PICTURES, "rows": rows}


def available() -> bool:
    """Whether this system says how much memory a process held: Linux does."""
    return STATUS.is_file()


def _peak(status: str) -> float:
    """VmHWM in MB (10**6 bytes). Unlike getrusage's, it does not count the parent's memory."""
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024 / 1e6
