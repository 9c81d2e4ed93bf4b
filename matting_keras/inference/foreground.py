"""The person's own colours at soft edges, so that no halo of the old background travels along.

A pixel of hair shows hair and background mixed. Put on another background it keeps that mixture,
unless the person's share of its colour is estimated first.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from matting_keras.errors import InputError
from matting_keras.inference.scale import shrink_quickly
from matting_keras.inference.tiles import tiles
from matting_keras.media.images import Photo, Source, to_rgb
from matting_keras.media.opencv import opencv

METHODS = ("fast", "best", "off")

SHARE = 64
"""The colours around are estimated at this part of the picture's pixels: they are smooth."""

LEAST, MOST = 128 * 128, 512 * 512
"""Pixels of that estimate at least, where the picture has as many, and at most."""

COARSEST = 8
"""Pixels of the longest side at which the estimate begins."""

SURE = 5
"""Of 255: with an alpha less than this from 0 or 1 a pixel is all background or all person. It is
hardly to be seen, and half of what a network leaves soft is such haze."""

ROUNDS = 2
"""Blurs at each size; a third gains nothing."""


def estimate_foreground(
    image: Source | Photo | np.ndarray, alpha: np.ndarray, method: str = "fast"
) -> np.ndarray:
    """Estimate the person's colour at every pixel.

    Args:
        image: the photo: a path, a PIL image, or a uint8 array (height, width, 3).
        alpha: from `Matter`, float (height, width) in 0..1, of the photo's size.
        method: "fast" blurs person and background apart from each other, from coarse to fine, in
            a fraction of a second; "best" solves for the colours with pymatting (multi-level), in
            seconds; "off" returns the picture's colours.

    Returns:
        uint8 RGB (height, width, 3). With "fast" and "best" nothing of the old background is
        left where alpha is 0.

    Raises:
        InputError: an unknown method, a picture that cannot be read, sizes that differ, or
            pymatting missing for "best".

    Source: the step from blurred colours to those of a pixel is that of Forte, "Approximate Fast
    Foreground Colour Estimation", ICIP 2021; the sizes from coarse to fine are an idea of Germer
    et al., "Fast Multi-Level Foreground Estimation", ICPR 2020.

    Example:
        >>> red = np.zeros((8, 8, 3), "uint8") + np.array([200, 0, 0], "uint8")
        >>> estimate_foreground(red, np.full((8, 8), 0.5, "float32"))[4, 4].tolist()
        [200, 0, 0]
    """
    if method not in METHODS:
        raise InputError(f"no foreground method {method!r}; there are {', '.join(METHODS)}.")
    rgb = to_rgb(image)
    alpha = fitting(alpha, rgb)
    if method == "off" or alpha.min() >= 1:
        return rgb
    return _best(rgb, alpha) if method == "best" else _fast(rgb, alpha)


def fitting(alpha: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    """An alpha as float32 within 0..1, of its picture's size or refused."""
    if alpha.shape != rgb.shape[:2]:
        raise InputError(
            f"alpha is {alpha.shape} but the picture {rgb.shape[:2]}; give the alpha that Matter "
            "returned for this picture."
        )
    return np.clip(alpha.astype(np.float32, copy=False), 0, 1)


def surroundings(image: np.ndarray, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The colours of the person and of the background around each pixel.

    Begins with a handful of pixels and doubles them. At each size both are blurred, every pixel
    counting by how much of it is person or background, and what they then leave unexplained of
    the picture is given to each by its share.

    Args:
        image: uint8 RGB (height, width, 3).
        share: alpha as uint8 (height, width), 255 being 1.

    Returns:
        Two uint8 RGB pictures of the same size.
    """
    wanted = min(max(share.size / SHARE, LEAST), MOST)
    scale = min(1.0, (wanted / share.size) ** 0.5)
    sizes = [tuple(max(1, round(side * scale)) for side in share.shape)]
    while max(sizes[-1]) > COARSEST:
        sizes.append(tuple(max(1, round(side / 2)) for side in sizes[-1]))
    pictures = [(image, share)]
    for size in sizes:
        pictures.append(tuple(shrink_quickly(part, size) for part in pictures[-1]))
    front = back = pictures[-1][0].astype(np.float32)
    for colours, thin in reversed(pictures[1:]):
        alpha = thin.astype(np.float32) / 255
        front, back = _separated(colours.astype(np.float32), alpha, front, back)
    size = share.shape[::-1]
    return tuple(opencv().resize(to_bytes(part), size) for part in (front, back))


def _separated(
    colours: np.ndarray, alpha: np.ndarray, front: np.ndarray, back: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Front and back at the next size, from those at the last."""
    cv2 = opencv()
    front, back = (cv2.resize(part, alpha.shape[::-1]) for part in (front, back))
    # Squared, so that pixels which are mostly the other one's hardly count.
    blurs = [_weighted(part**2) for part in (alpha, 1 - alpha)]
    share = cv2.merge([alpha] * 3)
    rest = 1 - share
    for _ in range(ROUNDS):
        front, back = (blur(part) for blur, part in zip(blurs, (front, back), strict=True))
        left = colours - share * front
        left -= rest * back
        front += share * left
        back += rest * left
        front, back = (np.clip(part, 0, 255, out=part) for part in (front, back))
    return front, back


def _weighted(
    weights: np.ndarray, radius: int = 1, times: int = 1
) -> Callable[[np.ndarray], np.ndarray]:
    """A box blur of colours (height, width, 3) in which each pixel counts by its weight."""
    cv2 = opencv()
    window = (2 * radius + 1, 2 * radius + 1)

    def blur(values: np.ndarray) -> np.ndarray:
        for _ in range(times):
            values = cv2.blur(values, window, borderType=cv2.BORDER_REPLICATE)
        return values

    weights = weights + np.float32(1e-4)
    weights, scale = (cv2.merge([plane] * 3) for plane in (weights, 1 / blur(weights)))
    return lambda colours: blur(colours * weights) * scale


def weighted_blur(colours: np.ndarray, weights: np.ndarray, radius: int) -> np.ndarray:
    """Blur colours (height, width, 3) so that each pixel counts by its weight (height, width)."""
    # Two box blurs weigh near pixels more than far ones.
    return _weighted(weights, radius, times=2)(colours)


def to_bytes(values: np.ndarray) -> np.ndarray:
    """Float values 0..255 as uint8, rounded."""
    return opencv().convertScaleAbs(values)


def own_colours(
    rgb: np.ndarray, share: np.ndarray, front: np.ndarray, back: np.ndarray
) -> np.ndarray:
    """The person's colours, from the picture and the colours around: front + alpha * rest.

    The rest is what alpha parts of front and 1 - alpha parts of back leave of the picture. Where
    alpha is 1 this is the picture itself, where it is 0 the colours around.

    Args:
        rgb: uint8 (height, width, 3).
        share: alpha as uint8 (height, width), 255 being 1.
        front: from `surroundings`, as is `back`.

    Returns:
        uint8 (height, width, 3), within one of what exact arithmetic gives.
    """
    cv2 = opencv()
    of_rgb, of_back = (cv2.cvtColor(cv2.LUT(share, table), cv2.COLOR_GRAY2RGB) for table in _PARTS)
    of_front = _WHOLE - of_rgb + of_back  # never below 0 nor beyond a byte
    # Whole numbers of 16 bits take a fraction of the time of floats.
    mixed = np.multiply(rgb, of_rgb, dtype=np.uint16)
    mixed += np.multiply(front, of_front, dtype=np.uint16)
    cv2.subtract(mixed, np.multiply(back, of_back, dtype=np.uint16), dst=mixed)
    return cv2.convertScaleAbs(mixed, alpha=1 / float(_WHOLE))


_WHOLE = np.uint8(200)
"""What stands for 1 among the parts: picture and front make at most 1.25 and must fit 16 bits."""


def _parts() -> list[np.ndarray]:
    """For each alpha 0..255, how much the picture and (to subtract) the back count."""
    alpha = np.arange(256) / 255
    return [np.rint(float(_WHOLE) * part).astype(np.uint8) for part in (alpha, alpha * (1 - alpha))]


_PARTS = _parts()


def to_share(alpha: np.ndarray) -> np.ndarray:
    """Alpha 0..1 as uint8 0..255, rounded."""
    return opencv().convertScaleAbs(alpha, alpha=255)


def soft_tiles(share: np.ndarray) -> list[tuple[slice, slice]]:
    """Rectangles around what is neither person nor background; see `SURE`."""
    return tiles(opencv().inRange(share, SURE, 255 - SURE))


def person(share: np.ndarray) -> np.ndarray:
    """A mask of what is all person, for OpenCV."""
    return (share > 255 - SURE).view(np.uint8)


def _fast(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    share = to_share(alpha)
    result, back = surroundings(rgb, share)
    for here in soft_tiles(share):
        result[here] = own_colours(rgb[here], share[here], result[here], back[here])
    return opencv().copyTo(rgb, person(share), result)


def _best(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    try:
        from pymatting import estimate_foreground_ml
    except ImportError as error:
        raise InputError(
            f"the method 'best' needs pymatting ({error}); pip install pymatting, or use 'fast'."
        ) from error
    colours = estimate_foreground_ml(rgb / 255.0, alpha.astype(np.float64))
    return to_bytes(np.clip(colours, 0, 1) * 255)
