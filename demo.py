"""Cut people out of photos, folders, videos or a camera: python demo.py --help."""

import sys
from pathlib import Path

from matting_keras.inference.studio import main

if __name__ == "__main__":
    sys.exit(main(samples=Path(__file__).resolve().parent / "samples"))
