"""A training in a process of its own, which kills itself at a chosen moment.

    python -m tests.survivor MOMENT WORDS...

trains as `train.py WORDS...` does. MOMENT is

    never            nothing happens
    step:N           SIGKILL after the N-th look at the losses
    stop:N           SIGINT instead, as from Ctrl-C
    half:FILE:N      SIGKILL in the middle of the N-th writing of FILE
    before:FILE:N    SIGKILL when that is written but not yet in its place
    after:FILE:N     SIGKILL right after it is
"""

import os
import signal
import sys
from pathlib import Path

from matting_keras.architectures.registry import ARCHITECTURES
from tests.places import ROOT
from tests.toy import TOYS

CONFIGS = ROOT / "train" / "configs"


def arm(moment: str) -> None:
    """Have this process killed at a moment."""
    kind, *where = moment.split(":")
    # Whoever started the tests in the background may have told them to ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if kind in ("step", "stop"):
        _at_look(int(where[0]), signal.SIGKILL if kind == "step" else signal.SIGINT)
    elif kind != "never":
        _at_write(kind, where[0], int(where[1]))


def _at_look(number: int, signal_number: int) -> None:
    from matting_keras.training.progress import Progress

    original, seen = Progress.on_train_batch_end, []

    def look(self, batch, logs=None):
        original(self, batch, logs)
        seen.append(batch)
        if len(seen) == number:
            os.kill(os.getpid(), signal_number)

    Progress.on_train_batch_end = look


def _at_write(kind: str, name: str, number: int) -> None:
    original, seen = os.replace, []

    def replace(source, target):
        mine = Path(target).name == name
        seen.extend([target] * mine)
        if not mine or len(seen) < number:
            original(source, target)
            return
        if kind == "half":
            os.truncate(source, os.path.getsize(source) // 2)
        elif kind == "after":
            original(source, target)
        os.kill(os.getpid(), signal.SIGKILL)

    os.replace = replace


if __name__ == "__main__":
    from matting_keras.training.command import main

    ARCHITECTURES.update(TOYS)
    arm(sys.argv[1])
    sys.exit(main(CONFIGS, sys.argv[2:]))
