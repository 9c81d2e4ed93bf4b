"""What is measured: networks, each as the file that each engine runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from matting_keras.errors import InputError
from matting_keras.geometry import MULTIPLE
from matting_keras.inference.runtimes import READS, RUNTIMES
from matting_keras.weights.presets import PRESETS, find

if TYPE_CHECKING:
    import keras

MODULES = {"litert": "ai_edge_litert"}
"""The module of an engine, where it is not the engine's name."""

FORMATS = {"onnxruntime": "onnx", "openvino": "onnx", "litert": "litert", "keras": "keras"}
"""What is exported for each engine, where a model is not a file that it runs already."""

SHIPPED, FILE, RANDOM = "shipped", "file", "random weights"


@dataclass(frozen=True)
class Subject:
    """A network to be measured.

    Attributes:
        name: as it was given: a preset's, a file's or an architecture's.
        source: `SHIPPED`, `FILE` or `RANDOM`.
        runtimes: the engines it is measured in.
        files: what each engine runs; those that lack are written by `exported`.
    """

    name: str
    source: str
    runtimes: tuple[str, ...]
    files: dict[str, Path] = field(default_factory=dict)

    @cached_property
    def network(self) -> keras.Model | None:
        """The folded Keras model, to be exported or counted; None where only its file is known."""
        trained = self.source == SHIPPED or self.name.lower().endswith(".keras")
        architecture = self.name
        if self.source == FILE and not trained:
            architecture = _architecture(Path(self.name))
        if architecture is None:
            return None
        from matting_keras.architectures.registry import ARCHITECTURES, build
        from matting_keras.reparameterize import alpha_part, fold
        from matting_keras.weights.files import load

        if trained:
            return fold(alpha_part(load(self.name)))
        return fold(build(architecture)) if architecture in ARCHITECTURES else None

    def multiply_accumulates(self, width: int, height: int) -> int | None:
        """Of one picture of that size in pixels; None where they cannot be counted."""
        if self.network is None:
            return None
        from matting_keras.complexity import multiply_accumulates

        return multiply_accumulates(self.network, height, width)


def choose(names: Sequence[str], runtimes: Sequence[str] | None) -> list[Subject]:
    """Find the networks that were asked for, without loading or exporting any.

    Args:
        names: of presets, files or architectures.
        runtimes: engines to measure them in; None takes those that are installed and fit.

    Raises:
        InputError: no such network or engine, an engine that is not installed, or one that does
            not run such a file.
    """
    wanted = list(dict.fromkeys(runtimes or [name for name in RUNTIMES if _installed(name)]))
    for name in wanted:
        if name not in RUNTIMES:
            raise InputError(f"--runtimes {name}: there are {', '.join(RUNTIMES)}.")
        if not _installed(name):
            package = MODULES.get(name, name).replace("_", "-")
            raise InputError(f"--runtimes {name}: is not installed; pip install {package}.")
    return [_subject(name, wanted, strict=bool(runtimes)) for name in dict.fromkeys(names)]


def exported(subject: Subject, folder: Path) -> Subject:
    """Write the files that a subject's engines lack.

    Args:
        subject: from `choose`.
        folder: an empty one to write into.

    Returns:
        The subject with a file for each of its engines.
    """
    files = dict(subject.files)
    for runtime in subject.runtimes:
        if runtime not in files:
            files[runtime] = _export(subject, FORMATS[runtime], folder)
    return replace(subject, files=files)


def sizes(texts: Sequence[str]) -> list[tuple[int, int]]:
    """Parse sizes such as "512x288" into (width, height), in pixels.

    Raises:
        InputError: another form, or a side that no network here takes.

    Example:
        >>> sizes(["256x256", "512x288"])
        [(256, 256), (512, 288)]
    """
    found = [pixels("--sizes", text) for text in texts]
    for width, height in found:
        if width % MULTIPLE or height % MULTIPLE:
            near = [max(1, round(side / MULTIPLE)) * MULTIPLE for side in (width, height)]
            raise InputError(
                f"--sizes {width}x{height}: a network's input has sides that are multiples of "
                f"{MULTIPLE}; take {near[0]}x{near[1]}."
            )
    return list(dict.fromkeys(found))


def pixels(option: str, text: str) -> tuple[int, int]:
    """Parse WIDTHxHEIGHT into two numbers above 0; `option` is named where it is something else."""
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isdecimal() and int(part) for part in parts):
        raise InputError(f"{option} {text}: expected WIDTHxHEIGHT in pixels, such as 512x288.")
    return int(parts[0]), int(parts[1])


def _subject(name: str, wanted: list[str], strict: bool) -> Subject:
    suffix = Path(name).suffix.lower()
    files: dict[str, Path] = {}
    able = list(RUNTIMES)
    if suffix:
        if not Path(name).is_file():
            raise InputError(f"{name}: no such file; check the spelling.")
        able = [runtime for runtime in READS if suffix in READS[runtime]]
        files = {} if suffix == ".keras" else dict.fromkeys(able, Path(name))
        able = list(RUNTIMES) if suffix == ".keras" else able
        source = FILE
    elif name in PRESETS:
        files = {"onnxruntime": find(name, ".onnx"), "openvino": find(name, ".onnx")}
        source = SHIPPED
    else:
        _check_architecture(name)
        source = RANDOM
    unfit = [runtime for runtime in wanted if runtime not in able]
    runtimes = tuple(runtime for runtime in wanted if runtime in able)
    if not able or (strict and unfit) or not runtimes:
        fit = f"{', '.join(able)} would" if able else "no runtime does"
        raise InputError(
            f"{name}: is not run by {', '.join(unfit or wanted) or 'anything installed'}; {fit}. "
            "A .keras file is exported for every runtime."
        )
    return Subject(name, source, runtimes, files)


def _check_architecture(name: str) -> None:
    from matting_keras.architectures.registry import ARCHITECTURES

    if name not in ARCHITECTURES:
        raise InputError(
            f"no network is called {name!r}; there are shipped ones ({', '.join(PRESETS)}), "
            f"architectures ({', '.join(ARCHITECTURES)}), and files of your own by their path."
        )


def _export(subject: Subject, format: str, folder: Path) -> Path:
    from matting_keras.export import SUFFIXES, export

    path = folder / f"{Path(subject.name).stem}{SUFFIXES[format]}"
    if not path.exists():  # two engines may run one file
        # One small size proves the export; the rest of its checks have tests of their own.
        export(subject.network, path, format, sizes=((1, 64, 64),))
    return path


def _architecture(path: Path) -> str | None:
    """What an exported file says it is."""
    if path.suffix.lower() != ".onnx":
        return None
    from matting_keras.inference.onnx_file import read_onnx

    return read_onnx(path)[1].get("matting_keras.architecture")


def _installed(runtime: str) -> bool:
    return find_spec(MODULES.get(runtime, runtime)) is not None
