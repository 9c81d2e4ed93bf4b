"""How fine an alpha's edges come out at the photo's size, and how much of the old background stays.

python -m benchmarks.edges [--scenes 8] [--side 2048] [--small 512] [--bound] [--json FILE]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from tqdm import tqdm

from matting_keras import metrics
from matting_keras.benchmark.measure import machine, publish
from matting_keras.data.synthetic import synthetic_scene
from matting_keras.data.synthetic_looks import HAIRSTYLES
from matting_keras.data.trimap import unknown_band
from matting_keras.inference.closed_form import draw_alpha
from matting_keras.inference.composite import composite
from matting_keras.inference.matter import Matter
from matting_keras.inference.pipeline import prepare
from matting_keras.inference.refine import refine_alpha
from matting_keras.inference.scale import enlarge, shrink
from matting_keras.media.images import Photo

SEED = 100
SHAPES = ((1.0, 0.75), (1.0, 1.0), (0.75, 1.0))
"""Height and width of the scenes in turn, as shares of their longer side."""

FOREGROUNDS = ("off", "fast", "best")
"""As in `foreground.METHODS`, what the others are compared with first."""

BEHIND = {"white": (255, 255, 255), "black": (0, 0, 0), "green": (0, 177, 64)}
"""New backgrounds: an old one shows most before its opposite."""


class Small(NamedTuple):
    """An alpha to enlarge and the picture at its size: float32 0..1, and uint8 RGB."""

    alpha: np.ndarray
    guide: np.ndarray


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark as the command line says."""
    flags = parser().parse_args(arguments)
    matter = Matter(flags.model, threads=flags.threads)
    ways = dict(WAYS) | ({"closed form in the band": closed_form} if flags.bound else {})
    sizes: dict[tuple[str, str], list] = {}
    fringes: dict[tuple[str, str], list] = {}
    for scene in tqdm(drawn(flags), "scenes", flags.scenes, disable=None, leave=False):
        band = unknown_band(scene.alpha)
        alphas = {"exact": scene.alpha}
        for origin, small in sources(scene, flags.small, matter):
            for name, way in ways.items():
                began = time.process_time()
                alpha = way(scene.image, small)
                row = figures(scene.alpha, alpha, band) | {"s": time.process_time() - began}
                sizes.setdefault((origin, name), []).append(row)
            alphas[origin] = refine_alpha(scene.image, *small)
        for origin, alpha in alphas.items():
            for method in FOREGROUNDS:
                began = time.process_time()
                error = fringe(scene, alpha, method, band)
                row = {"error": error, "s": (time.process_time() - began) / len(BEHIND)}
                fringes.setdefault((origin, method), []).append(row)
    facts = {
        "benchmark": "edges",
        "machine": machine("opencv-python", "numpy", "pymatting"),
        "settings": vars(flags),
        "enlarging": summed(sizes, "enlarged bilinearly", "band"),
        "fringe": summed(fringes, "off", "error"),
    }
    return publish(facts, report, flags.json)


def parser() -> argparse.ArgumentParser:
    """The benchmark's options."""
    made = argparse.ArgumentParser(prog="benchmarks.edges", description=__doc__.split("\n")[0])
    made.add_argument("--scenes", type=int, default=8, help="drawn portraits (default 8)")
    made.add_argument("--side", type=int, default=2048, help="their longer side, in pixels")
    made.add_argument(
        "--small", type=int, default=512, help="longer side of the exact alpha shrunk"
    )
    made.add_argument("--model", default="dark-light", help="preset or file of the network")
    made.add_argument("--threads", type=int, help="of the network")
    made.add_argument("--bound", action="store_true", help="also closed-form matting: minutes")
    made.add_argument("--json", metavar="FILE", help="also write everything as JSON")
    return made


def drawn(flags: argparse.Namespace) -> Iterator:
    """Portraits of every hair style and three shapes, each of one person."""
    for number in range(flags.scenes):
        height, width = (round(share * flags.side) for share in SHAPES[number % len(SHAPES)])
        hair = HAIRSTYLES[number % len(HAIRSTYLES)]
        yield synthetic_scene(SEED + number, height, width, people=1, hair=hair)


def sources(scene, side: int, matter: Matter) -> Iterator[tuple[str, Small]]:
    """The exact alpha shrunk, and what a network makes of the scene at its own size."""
    scale = side / max(scene.alpha.shape)
    size = tuple(round(length * scale) for length in scene.alpha.shape)
    yield "exact, shrunk", Small(shrink(scene.alpha, size).copy(), shrink(scene.image, size))
    prepared = prepare(Photo(scene.image, None), matter.area)
    alpha = matter.runtime.run(prepared.values[None].astype(np.float32))[0, ..., 0]
    height, width = prepared.canvas.inner
    inner = np.s_[:height, :width]
    yield "network's", Small(np.clip(alpha[inner], 0, 1), prepared.values[inner].copy())


def figures(truth: np.ndarray, alpha: np.ndarray, band: np.ndarray) -> dict[str, float]:
    return {
        "band": metrics.mad(truth, alpha, band),
        "all": metrics.mad(truth, alpha),
        "Grad": metrics.grad(truth, alpha, band),
    }


def fringe(scene, alpha: np.ndarray, method: str, band: np.ndarray) -> float:
    """How far composites are from what they should be, in gray levels, inside the band.

    "off" mixes the photo itself with the new background: that is plain alpha compositing.
    """
    share = scene.alpha[..., None]
    errors = []
    for colour in BEHIND.values():
        wanted = share * scene.foreground + (1 - share) * np.array(colour, np.float32)
        made = composite(scene.image, alpha, colour, method)
        errors.append(np.abs(made - wanted)[band].mean())
    return float(np.mean(errors))


def summed(rows: dict[tuple[str, str], list[dict]], plain: str, figure: str) -> list[dict]:
    """Means over scenes; and against `plain`, the ratio of the means and the worst scene's."""
    found = []
    for (origin, name), mine in rows.items():
        base = np.array([row[figure] for row in rows[origin, plain]])
        here = np.array([row[figure] for row in mine])
        means = {key: float(np.mean([row[key] for row in mine])) for key in mine[0]}
        ratios = {"ratio": float(here.mean() / base.mean()), "worst": float((here / base).max())}
        found.append({"alpha": origin, "method": name} | means | ratios)
    return found


def guided(image: np.ndarray, small: Small, colours: bool, radius: int = 2) -> np.ndarray:
    """The fast guided filter as published: lines averaged, then enlarged (He and Sun, 2015)."""
    noise = 1e-4 * 255**2
    guide, full = small.guide.astype(np.float32), image.astype(np.float32)
    if not colours:
        guide, full = (picture.mean(axis=-1, keepdims=True) for picture in (guide, full))

    def mean(values: np.ndarray) -> np.ndarray:
        window = (2 * radius + 1, 2 * radius + 1)
        blurred = cv2.blur(values, window, borderType=cv2.BORDER_REFLECT)
        return blurred.reshape(values.shape)

    middle, average = mean(small.alpha), mean(guide)
    channels = guide.shape[-1]
    squares = np.empty((*small.alpha.shape, channels, channels), np.float32)
    for one in range(channels):
        for other in range(channels):
            both = mean(guide[..., one] * guide[..., other])
            squares[..., one, other] = both - average[..., one] * average[..., other]
    squares += noise * np.eye(channels, dtype=np.float32)
    products = np.dstack([mean(guide[..., i] * small.alpha) for i in range(channels)])
    slopes = np.linalg.solve(squares, (products - average * middle[..., None])[..., None])[..., 0]
    offset = middle - (slopes * average).sum(axis=-1)
    size = image.shape[1::-1]
    broad = [cv2.resize(mean(values).reshape(values.shape), size) for values in (slopes, offset)]
    return np.clip((broad[0].reshape(full.shape) * full).sum(axis=-1) + broad[1], 0, 1)


def bicubic(image: np.ndarray, small: Small) -> np.ndarray:
    return np.clip(cv2.resize(small.alpha, image.shape[1::-1], interpolation=cv2.INTER_CUBIC), 0, 1)


def closed_form(image: np.ndarray, small: Small, reach: int = 3) -> np.ndarray:
    """Solve at full size for all that the enlarged alpha leaves soft (Levin et al., 2008)."""
    from pymatting import estimate_alpha_cf

    alpha = enlarge(small.alpha, image.shape[:2])
    soft = ((alpha > 0.02) & (alpha < 0.98)).astype(np.uint8)
    soft = cv2.dilate(soft, np.ones((2 * reach + 1,) * 2, np.uint8)) > 0
    known = np.where(soft, 0.5, alpha > 0.5).astype(np.float64)
    return np.clip(estimate_alpha_cf(image / 255.0, known), 0, 1)


WAYS: dict[str, Callable[[np.ndarray, Small], np.ndarray]] = {
    "enlarged bilinearly": lambda image, small: enlarge(small.alpha, image.shape[:2]),
    "enlarged bicubically": bicubic,
    "fast guided filter, gray": lambda image, small: guided(image, small, colours=False),
    "fast guided filter, colours": lambda image, small: guided(image, small, colours=True),
    "refine_alpha": lambda image, small: refine_alpha(image, *small),
    "draw_alpha": lambda image, small: draw_alpha(image, *small),
}


def report(facts: dict) -> None:
    """Print both tables."""
    flags = facts["settings"]
    print(
        f"{flags['scenes']} scenes, longer side {flags['side']}, exact alpha at {flags['small']}.\n"
    )
    print("| alpha | brought to the photo's size | MAD in the band ×1000 | ratio (worst) | "
          "MAD ×1000 | Grad | CPU s |")  # fmt: skip
    print("|---|---|---|---|---|---|---|")
    for row in facts["enlarging"]:
        print(
            f"| {row['alpha']} | {row['method']} | {row['band'] * 1000:.1f} "
            f"| {row['ratio']:.2f} ({row['worst']:.2f}) | {row['all'] * 1000:.2f} "
            f"| {row['Grad']:.1f} | {row['s']:.2f} |"
        )
    print("\n| alpha | foreground | error in the band, gray levels | ratio (worst) | CPU s |")
    print("|---|---|---|---|---|")
    for row in facts["fringe"]:
        print(
            f"| {row['alpha']} | {row['method']} | {row['error']:.2f} "
            f"| {row['ratio']:.2f} ({row['worst']:.2f}) | {row['s']:.2f} |"
        )
    print(
        "\nBand: within 2 % of the shorter side of anything soft. Ratios are against the first "
        f"of their kind; worst: the worst scene. Before {', '.join(BEHIND)}. CPU seconds are of "
        "all threads; a composite's contain its foreground."
    )


if __name__ == "__main__":
    sys.exit(main())
