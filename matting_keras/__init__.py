"""Portrait matting in Keras 3: train with branches, fuse, export, cut people out.

Importing this package imports neither TensorFlow nor Keras; the names below are loaded on
first use, so a demo on an exported file starts in a fraction of a second.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "build": "matting_keras.architectures.registry",
    "load": "matting_keras.weights.files",
    "fuse": "matting_keras.reparameterize",
    "fold": "matting_keras.reparameterize",
    "Matter": "matting_keras.inference.matter",
    "composite": "matting_keras.inference.composite",
}

__all__ = ["Matter", "__version__", "build", "composite", "fold", "fuse", "load"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(
            f"matting_keras has no attribute {name!r}; it has {', '.join(sorted(_HOMES))}."
        )
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
