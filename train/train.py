"""Train a matting network: python train/train.py --arch dark-light [--data DIR ...]"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from matting_keras.training.command import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(ROOT / "train" / "configs"))
