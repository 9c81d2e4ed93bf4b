"""The conversation of a process that takes training steps when told to.

It imports nothing but the standard library, so that an interpreter with PyTorch alone can use it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable


def answer(step: Callable[[], float], versions: dict[str, str]) -> None:
    """Say what runs here, then answer commands, a line of JSON each, until stdin ends.

    Args:
        step: takes a step and returns its loss.
        versions: of the libraries, by name.

    {"command": "step"} is answered by {"seconds": ..., "loss": ...}.
    """
    print(json.dumps({"versions": versions}), flush=True)
    for line in sys.stdin:
        command = json.loads(line)["command"]
        if command != "step":
            raise SystemExit(f"unknown command {command!r}; there is 'step'.")
        began = time.perf_counter()
        loss = step()
        seconds = time.perf_counter() - began
        print(json.dumps({"seconds": seconds, "loss": loss}), flush=True)
