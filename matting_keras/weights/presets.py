"""Weights that travel with the package: name, files, licence, where they come from."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from matting_keras.errors import InputError

GRAY_TWINS = {"night": "dark", "night-lite": "dark-light"}
"""For each colour network, the one that differs from it by its gray input alone."""


@dataclass(frozen=True)
class Preset:
    """Shipped weights.

    Attributes:
        licence: of the weights.
        data: the pools they were trained on.
        area: input height times width, in pixels, at which they do best.
        sha256: of each file, by suffix.
    """

    licence: str
    data: str
    area: int
    sha256: dict[str, str]


PRESETS: dict[str, Preset] = {
    "dark-light": Preset(
        licence="research use: the rights of the training photos are not known",
        data="EG1800 and CCP over free backgrounds, from upstream's weights (MIT)",
        area=384 * 288,
        sha256={
            ".keras": "d321d0cc94271fa8471652b854eb286dbc039aa89271fe9cd3135d56ddeca4b4",
            ".onnx": "69d2085ad98fc3b779588aede9452b6183c6ba206b73fc7f4510e0980366c5a8",
        },
    ),
}


def find(name: str, suffix: str = ".onnx") -> Path:
    """The file of a preset.

    Args:
        name: for example "dark-light".
        suffix: ".onnx" to run, ".keras" to train further, ".json" to read.

    Raises:
        InputError: no such preset, or the package lacks its file.
    """
    if name not in PRESETS:
        raise InputError(
            f"no weights are called {name!r}; there are {', '.join(PRESETS) or 'none'}. "
            "For a file of your own give its path, ending in .onnx or .keras."
        )
    path = folder() / f"{name}{suffix}"
    if not path.is_file():
        raise InputError(f"{path}: missing from this installation; install matting-keras again.")
    return path


def area(name: str) -> int:
    """The input size, in pixels, at which a preset does best."""
    find(name)
    return PRESETS[name].area


def size(name: str) -> int:
    """Bytes of a preset's .onnx file, the one that runs."""
    return find(name, ".onnx").stat().st_size


def folder() -> Path:
    """Where the shipped weights are: inside the installed package, or models/ in a checkout."""
    checkout = Path(__file__).resolve().parents[2] / "models"
    if (checkout / "README.md").is_file():
        return checkout
    return Path(str(resources.files("matting_keras") / "models"))
