"""Where tests find data that is not part of the project."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("MATTING_KERAS_DATA", ROOT.parent / "shared" / "data"))
