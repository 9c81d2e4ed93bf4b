"""Weights that travel with the package: name, files, licence, where they come from."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from importlib import resources
from pathlib import Path

from matting_keras.errors import InputError

GRAY_TWINS = {"night": "dark", "night-lite": "dark-light"}
"""For each colour network, the one that differs from it by its gray input alone."""

SMALLER = {"night": "night-lite", "dark": "dark-light"}
"""For each large network, the small one whose weights it can begin with."""

BACKBONE_OF = {"dusk": "modnet", "dawn": "selfie"}
"""For each network with a published backbone, the one that has the same."""


@dataclass(frozen=True)
class Preset:
    """Shipped weights.

    Attributes:
        architecture: the network whose weights they are, a key of `ARCHITECTURES`.
        licence: of the weights.
        data: the pools they were trained on.
        area: input height times width, in pixels, at which they do best.
        finer: how many times as many pixels a second look at a large photo has: more than 1 where
            that places edges better.
        sha256: of each file, by suffix.
        half: whether its files keep their weights in half precision.
    """

    architecture: str
    licence: str
    data: str
    area: int
    sha256: dict[str, str]
    half: bool = False
    finer: float = 1.0


RESEARCH = "research use: the rights of the training photos are not known"
CLEAN = "MIT, learned from photos whose licences allow products (see its card)"
POOLS = "EG1800, CCP, FRL, voteview and pixabay over free backgrounds"

PRESETS: dict[str, Preset] = {
    "dawn": Preset(
        architecture="dawn",
        licence=f"{RESEARCH}; it began as MediaPipe's selfie network (Apache-2.0)",
        data=f"{POOLS}, from MediaPipe's selfie network",
        area=384 * 256,
        finer=3,
        sha256={
            ".keras": "91fccc9b532b848b8d1de50b626f2e45fda17eccd6df206c756932d7b3b385a4",
            ".onnx": "1a9da0ce2d7ff94246b607c3298fcfe30c6728c80083e6bbae196da4f7e50bba",
        },
    ),
    "dark-light": Preset(
        architecture="dark-light",
        licence=RESEARCH,
        data=f"{POOLS}, from upstream's weights (MIT)",
        area=384 * 256,
        finer=3,
        sha256={
            ".keras": "c8d9c47ad01cc85967d03fc30257e82ecf28b60bbf23ce9fb50f9fe0357c13ee",
            ".onnx": "4e48ea174f9bf2acf0df33865af855fba556cdac6c4d4129ee14536acd1596c4",
        },
    ),
    "night-lite": Preset(
        architecture="night-lite",
        licence=RESEARCH,
        data=f"{POOLS}, from dark-light",
        area=320 * 256,
        finer=3,
        sha256={
            ".keras": "fb01c07f583ad4dfca8083bacdd60439da16e767bb859363b11c59b5a6bcdc86",
            ".onnx": "9a20369d7bf9bfb2dcb596b52b06a027fb122f7977a3d312a2afaf34dbfb791a",
        },
        half=True,
    ),
    "night": Preset(
        architecture="night",
        licence=RESEARCH,
        data=f"{POOLS}, from night-lite",
        area=288 * 256,
        finer=3,
        sha256={
            ".keras": "02feaa1d56c9e46e463eff6cff9ea70d02a9278cf580c2c6f33ade34b76fb4ae",
            ".onnx": "476dc8d86be29c6607d9c41754763f53cab783a25284f24e04058b9fdfaf0345",
        },
        half=True,
    ),
    "dusk": Preset(
        architecture="dusk",
        licence=f"{RESEARCH}; the backbone began as MODNet's (Apache-2.0)",
        data=f"{POOLS}, from MODNet's backbone",
        area=320 * 256,
        finer=3,
        sha256={
            ".keras": "f8f7fdd0296a46b912739a803b63eeb97466850068c8c527f7b5934b7f6541de",
            ".onnx": "b4569e2afffe2ba43036dcfdaa2d109b46ac5b9c8301213a45b365b6b9d65662",
        },
        half=True,
    ),
    "dark-light-clean": Preset(
        architecture="dark-light",
        licence=CLEAN,
        data="FRL, voteview and pixabay over free wallpapers, from random weights",
        area=256 * 224,
        sha256={
            ".keras": "c710735125e06bc7677d5b8eeeaaced925178159f19f2347f4b7be3ee9f250a3",
            ".onnx": "52a447e150be8790aa652b8f482390453472d2a01801e7f9dfcca00075e6e2c6",
        },
    ),
}

DEFAULT = "dawn"
"""The preset that runs where none is named."""


def find(name: str, suffix: str = ".onnx") -> Path:
    """The file of a preset.

    Args:
        name: for example "dark-light".
        suffix: ".onnx" to run, ".keras" to train further, ".json" to read.

    Raises:
        InputError: no such preset, or the package lacks its file.
    """
    if name not in PRESETS:
        near = get_close_matches(name, PRESETS, n=1)
        meant = f"; did you mean {near[0]!r}? There" if near else "; there"
        raise InputError(
            f"no weights are called {name!r}{meant} are {', '.join(PRESETS) or 'none'}. "
            "For a file of your own give its path, ending in .onnx or .keras; to train a network "
            "that comes without weights: python train/train.py --arch NAME --data FOLDER."
        )
    path = folder() / f"{name}{suffix}"
    if not path.is_file():
        raise InputError(f"{path}: missing from this installation; install matting-keras again.")
    return path


def of(architecture: str) -> list[str]:
    """The presets that are weights of a network, by name."""
    return [name for name, preset in PRESETS.items() if preset.architecture == architecture]


def size(name: str) -> int:
    """Bytes of a preset's .onnx file, the one that runs."""
    return find(name, ".onnx").stat().st_size


def folder() -> Path:
    """Where the shipped weights are: inside the installed package, or models/ in a checkout."""
    checkout = Path(__file__).resolve().parents[2] / "models"
    if (checkout / "README.md").is_file():
        return checkout
    return Path(str(resources.files("matting_keras") / "models"))
