"""An exported network in 8-bit whole numbers: a quarter of the size, and faster where it counts.

OpenVINO computes such a file 1.3 to 1.5 times as fast as the float one, on processors without
instructions for it too; onnxruntime gains only where the processor has VNNI. Alphas change
a little, so how much is measured, on pictures from which no range was taken.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from matting_keras.atomic import atomic_path
from matting_keras.errors import InputError
from matting_keras.inference.levels import UNTOUCHED
from matting_keras.inference.matter import AREA_KEY, Matter
from matting_keras.inference.onnx_file import BITS_KEY, read_onnx
from matting_keras.inference.pipeline import prepare
from matting_keras.media.images import list_images, read_photo
from matting_keras.onnx_half import widen
from matting_keras.weights.presets import find

LEAST, MOST = 8, 128
"""Pictures wanted at least, and looked at at most."""

CHECKED = 4
"""Each fourth picture is kept to check the result with."""


@dataclass(frozen=True)
class Quantized:
    """What was written, and what it costs in accuracy.

    Attributes:
        path: the file.
        bytes: its size, and that of the float file.
        calibrated: pictures from which the ranges were taken.
        changes: mean |change of alpha| of each picture that was kept for checking.
    """

    path: Path
    bytes: tuple[int, int]
    calibrated: int
    changes: dict[str, float]

    @property
    def mean(self) -> float:
        return float(np.mean(list(self.changes.values())))

    def __str__(self) -> str:
        worst = max(self.changes, key=self.changes.__getitem__)
        return (
            f"{self.path} ({self.bytes[0] / 1e6:.2f} MB, float {self.bytes[1] / 1e6:.2f} MB), "
            f"ranges from {self.calibrated} pictures\n"
            f"change of alpha on {len(self.changes)} others: mean {self.mean:.4f}, most "
            f"{self.changes[worst]:.4f} ({worst})"
        )


def quantize(
    model: str | os.PathLike,
    pictures: str | os.PathLike,
    output: str | os.PathLike,
    *,
    area: int | None = None,
    tolerance: float = 0.01,
) -> Quantized:
    """Write a network with 8-bit weights and activations, and measure what that changes.

    Args:
        model: an exported .onnx file, or a preset's name.
        pictures: a folder of at least 8 photos such as the network will see; no masks.
        output: the .onnx file to write.
        area: pixels on the network's input; None takes the file's own.
        tolerance: the largest mean change of alpha; 0.01 is still the same network to a viewer.

    Returns:
        A `Quantized`; `print` it.

    Raises:
        InputError: no such file, not a float network of ours, one for pictures of any size, too
            few pictures, an output that would overwrite the model, or a change above `tolerance`
            (nothing is written then).

    Source: static quantization of onnxruntime, ranges by their ends, a scale for each channel of
    the weights; weights use seven bits, because the AVX2 instruction adds pairs of products in
    sixteen.
    """
    source, output = _source(model), Path(output)
    if output.suffix != ".onnx":
        raise InputError(f"{output}: must end in .onnx.")
    if output.exists() and output.samefile(source):
        raise InputError(f"{output}: is the network itself; give another name.")
    network = _float_network(source)
    chosen = _chosen(Path(pictures))
    raw = {"refine": "off", "parts": "all", "looks": 1, "levels": UNTOUCHED}
    matter = Matter(source, "onnxruntime", area, **raw)
    calibration = [path for i, path in enumerate(chosen) if i % CHECKED]
    with atomic_path(output) as path:
        _write(network, _inputs(calibration, matter.area), path, matter.area)
        small = Matter(path, "onnxruntime", matter.area, **raw)
        changes = {
            picture.name: float(np.abs(matter(picture) - small(picture)).mean())
            for picture in chosen[::CHECKED]
        }
        sizes = path.stat().st_size, source.stat().st_size
        result = Quantized(output, sizes, len(calibration), changes)
        if not result.mean <= tolerance:
            raise InputError(
                f"{output}: alpha changes by {result.mean:.4f} in the mean, more than {tolerance}; "
                "nothing was written. Give pictures that are more like those of its training, or "
                "use the float file."
            )
    return result


def _source(model: str | os.PathLike) -> Path:
    path = Path(model)
    if not path.suffix and not path.exists():
        path = find(str(model), ".onnx")
    if path.suffix != ".onnx" or not path.is_file():
        raise InputError(
            f"{path}: expected an .onnx file or a preset's name; 'matting-keras export' makes one."
        )
    return path


def _float_network(path: Path) -> onnx.ModelProto:
    data, _ = read_onnx(path)
    network = onnx.load_model_from_string(data)
    widen(network)
    if any(node.op_type == "QuantizeLinear" for node in network.graph.node):
        raise InputError(f"{path}: is in 8 bits already; give the float file that it came from.")
    # onnxruntime's quantizer infers such sizes as empty and writes a file that nothing loads.
    if any(node.op_type == "Resize" and any(node.input[3:]) for node in network.graph.node):
        raise InputError(
            f"{path}: takes pictures of any size, as U²-Net does, and such networks cannot be put "
            "into 8 bits; use the float file, or a network whose sides are multiples of 32."
        )
    return network


def _chosen(folder: Path) -> Sequence[Path]:
    found = list_images(folder)
    if len(found) < LEAST:
        raise InputError(
            f"{folder}: has {len(found)} pictures; the ranges of 8 bits want {LEAST} or more, "
            "and get better up to a hundred."
        )
    places = np.linspace(0, len(found) - 1, min(MOST, len(found))).astype(int)
    return [found[place] for place in places]


def _inputs(paths: Sequence[Path], area: int) -> Iterator[dict[str, np.ndarray]]:
    for path in paths:
        values = prepare(read_photo(path), area, "off").values
        yield {"image": values[None].astype(np.float32)}


def _write(
    network: onnx.ModelProto, inputs: Iterator[dict[str, np.ndarray]], path: Path, area: int
) -> None:
    """Quantize into a file that says about itself what the float one does, its area and bits."""
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def get_next(self):
            return next(inputs, None)

    told = {entry.key: entry.value for entry in network.metadata_props}
    # Its preprocessing would fold norms, which export has done; without this it warns of that.
    onnx.helper.set_model_props(network, {**told, "onnx.quant.pre_process": "onnxruntime.quant"})
    quantize_static(
        network,
        path,
        Reader(),
        per_channel=True,
        reduce_range=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        # Eight bits cannot tell 0.99 from 1 in the alpha itself.
        nodes_to_exclude=[_last_convolution(network.graph)],
    )
    written = onnx.load(path)
    onnx.helper.set_model_props(written, {**told, AREA_KEY: str(area), BITS_KEY: "8"})
    onnx.save(written, path)


def _last_convolution(graph: onnx.GraphProto) -> str:
    """The name of the convolution whose values become the alpha; empty where there is none."""
    makers = {name: node for node in graph.node for name in node.output}
    node = makers.get(graph.output[0].name)
    while node is not None and node.op_type != "Conv":
        node = makers.get(node.input[0])
    return node.name if node is not None else ""
