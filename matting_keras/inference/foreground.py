"""The person's own colours at soft edges, so that no halo of the old background travels along.

A pixel of hair shows hair and background mixed. Put on another background it keeps that mixture,
unless the person's share of its colour is estimated first.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from matting_keras.errors import InputError
from matting_keras.media.opencv import opencv

METHODS = ("fast", "best", "off")

SMALL = 256 * 256
"""Pixels at which the blurred colours are computed; they are smooth, so more gains nothing."""

ROWS = 64
"""Rows worked on at a time: what is in hand stays in the cache, and memory small."""


def estimate_foreground(image: np.ndarray, alpha: np.ndarray, method: str = "fast") -> np.ndarray:
    """Estimate the person's colour at every pixel.

    Args:
        image: uint8 RGB (height, width, 3).
        alpha: float32 (height, width) in 0..1.
        method: "fast" blends blurred colours (Forte, "Approximate fast foreground colour
            estimation", 2021), at a fraction of a second; "best" solves for them with pymatting
            (multi-level), at seconds; "off" returns the picture's colours.

    Returns:
        uint8 RGB (height, width, 3). With "fast" and "best" nothing of the old background is
        left where alpha is 0.

    Raises:
        InputError: an unknown method, sizes that differ, or pymatting missing for "best".

    Example:
        >>> red = np.zeros((8, 8, 3), "uint8") + np.array([200, 0, 0], "uint8")
        >>> estimate_foreground(red, np.full((8, 8), 0.5, "float32"))[4, 4].tolist()
        [200, 0, 0]
    """
    if method not in METHODS:
        raise InputError(f"no foreground method {method!r}; there are {', '.join(METHODS)}.")
    if alpha.shape != image.shape[:2]:
        raise InputError(f"alpha is {alpha.shape} but the picture {image.shape[:2]}; same sizes.")
    if method == "off" or alpha.min() >= 1:
        return image
    return _best(image, alpha) if method == "best" else _fast(image, alpha)


def _best(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    try:
        from pymatting import estimate_foreground_ml
    except ImportError as error:
        raise InputError(
            f"the method 'best' needs pymatting ({error}); pip install pymatting, or use 'fast'."
        ) from error
    colours = estimate_foreground_ml(image / 255.0, alpha.astype(np.float64))
    return to_bytes(colours * 255)


def _fast(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    factor = max(1, round((alpha.size / SMALL) ** 0.5))
    small = np.asarray(Image.fromarray(image).reduce(factor), dtype=np.float32)
    thin = np.asarray(Image.fromarray(alpha).reduce(factor))
    reach = max(thin.shape)
    # First the colours of the whole surroundings, then those close by.
    front, back = _blend(small, thin, small, small, max(1, reach // 6))
    front, back = _blend(small, thin, front, back, max(1, reach // 60))
    result, back = _enlarge(front, alpha.shape), _enlarge(back, alpha.shape)
    for start in range(0, len(result), ROWS):
        rows = slice(start, start + ROWS)
        share = alpha[rows, :, None]
        near = result[rows].astype(np.float32)
        # Where alpha is 1 this is the picture itself, where it is 0 the blurred front.
        rest = image[rows] - share * near - (1 - share) * back[rows]
        result[rows] = to_bytes(near + share * rest)
    return result


def _blend(
    image: np.ndarray, alpha: np.ndarray, front: np.ndarray, back: np.ndarray, radius: int
) -> tuple[np.ndarray, np.ndarray]:
    """Blur front and back, each by its own share, and give the front what is unexplained."""
    share = alpha[..., None]
    smooth_front = weighted_blur(front, alpha, radius)
    smooth_back = weighted_blur(back, 1 - alpha, radius)
    rest = image - share * smooth_front - (1 - share) * smooth_back
    return np.clip(smooth_front + share * rest, 0, 255), smooth_back


def weighted_blur(colours: np.ndarray, weights: np.ndarray, radius: int) -> np.ndarray:
    """Blur colours (height, width, 3) so that each pixel counts by its weight (height, width)."""
    cv2 = opencv()
    window = (2 * radius + 1, 2 * radius + 1)
    weights = weights[..., None] + np.float32(1e-4)
    total = np.concatenate([colours * weights, weights], axis=-1)
    for _ in range(2):  # two box blurs weigh near pixels more than far ones
        total = cv2.blur(total, window, borderType=cv2.BORDER_REPLICATE)
    return total[..., :3] / total[..., 3:]


def _enlarge(colours: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    colours = to_bytes(colours)
    return colours if colours.shape[:2] == size else opencv().resize(colours, size[::-1])


def to_bytes(values: np.ndarray) -> np.ndarray:
    """Float values to uint8, rounded and kept within 0..255."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
