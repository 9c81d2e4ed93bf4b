"""Trainings in a process where TensorFlow is not installed, as far as Python can tell.

    KERAS_BACKEND=jax python -m tests.without_tensorflow WORDS [WORDS ...]

trains as `train.py` does with each line of words, in turn. The state and the log after each epoch
are kept beside them, as state-2.npz and log-2.csv. A line that begins with "after N of FOLDER"
goes on from these.
"""

import shutil
import sys
from pathlib import Path

ABSENT = ("tensorflow", "tensorflow_datasets")


class Without:
    """A finder of modules that does not know some of them."""

    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, *more):
        if name.partition(".")[0] in ABSENT:
            return None
        return self.finder.find_spec(name, *more)


def main(lines: list[str]) -> None:
    """Train with each line."""
    sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
    from matting_keras.architectures.registry import ARCHITECTURES
    from matting_keras.training import checkpoint
    from matting_keras.training.command import main as train
    from tests.places import ROOT
    from tests.toy import TOYS

    ARCHITECTURES.update(TOYS)
    write = checkpoint.Checkpoint._write

    def kept(self, parts, epoch, step):
        write(self, parts, epoch, step)
        shutil.copy(self.path, self.path.with_name(f"state-{epoch}.npz"))
        shutil.copy(self.path.with_name("log.csv"), self.path.with_name(f"log-{epoch}.csv"))
        if self.path.with_name("best.keras").exists():
            shutil.copy(
                self.path.with_name("best.keras"), self.path.with_name(f"best-{epoch}.keras")
            )

    checkpoint.Checkpoint._write = kept
    for line in lines:
        words = line.split()
        if words[0] == "after":
            epoch, folder, words = words[1], Path(words[3]), words[4:]
            output = Path(words[words.index("--output") + 1])
            output.mkdir()
            shutil.copy(folder / f"state-{epoch}.npz", output / "state.npz")
            shutil.copy(folder / f"log-{epoch}.csv", output / "log.csv")
            shutil.copy(folder / f"best-{epoch}.keras", output / "best.keras")
        if train(ROOT / "train" / "configs", words):
            sys.exit(1)
    loaded = [name for name in sys.modules if name.partition(".")[0] == "tensorflow"]
    assert not loaded, loaded


if __name__ == "__main__":
    main(sys.argv[1:])
