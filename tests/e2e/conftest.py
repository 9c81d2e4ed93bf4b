"""The demo inside this process, and a film for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from matting_keras.inference import studio
from matting_keras.media.video import VideoWriter
from tests.places import ROOT


@pytest.fixture
def demo(tmp_path, tiny_onnx, monkeypatch, capsys):
    """Runs the demo in this process, in an empty folder; gives (status, stdout lines, stderr)."""
    monkeypatch.chdir(tmp_path)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: object, samples: Path = ROOT / "samples") -> tuple[int, list[str], str]:
        status = studio.main(["--weights", str(tiny_onnx), *map(str, arguments)], samples)
        out, error = capsys.readouterr()
        return status, out.split("\n")[:-1], error

    return run


@pytest.fixture
def film(tmp_path) -> Path:
    """Six frames, 34 x 48, from dark to bright."""
    with VideoWriter(tmp_path / "film.mp4", (34, 48), 12) as video:
        for step in range(6):
            video.write(np.full((34, 48, 3), 40 * step, np.uint8))
    return tmp_path / "film.mp4"
