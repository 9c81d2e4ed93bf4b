"""An alpha from the network's size to the picture's, along the edges that the picture shows.

Enlarged by itself, an alpha is a blur that knows nothing of the hair in the picture. Around each
of its pixels it follows the colours nearly in a straight line: alpha is about a slope times red,
green and blue, plus an offset. That line is found at the network's size and drawn at the picture's.
"""

from __future__ import annotations

import numpy as np

from matting_keras.errors import InputError
from matting_keras.inference.scale import enlarge, larger, shrink
from matting_keras.inference.tiles import tiles
from matting_keras.media.images import Photo, Source, to_rgb
from matting_keras.media.opencv import opencv

METHODS = ("closed-form", "guided", "off")

REFINE_HELP = (
    "how a photo's alpha gets its soft edge: closed-form solves for it from the colours around, as "
    "shipped weights are used, in a fifth of a second or more; guided draws it along the photo's "
    "edges, as other weights are used, and frames of films always; off only enlarges it"
)

NOISE = 6.0
"""Deviation, in gray levels, of what may be noise: colours that differ less move alpha little."""

STEP = 0.1
"""An alpha that changes less than this from a pixel to its neighbours is no edge: haze that a
network left in doubt would only take on the texture of what it covers."""


def refine_alpha(
    image: Source | Photo | np.ndarray, alpha: np.ndarray, guide: np.ndarray | None = None
) -> np.ndarray:
    """Enlarge an alpha to its picture's size, with edges as fine as the picture's.

    Only edges and their next neighbours are changed beyond a plain enlargement, so that nothing
    of the picture's texture appears inside the person or in the background.

    Args:
        image: the picture: a path, a PIL image, or a uint8 array (height, width, 3).
        alpha: float32 (rows, columns) in 0..1, usually smaller.
        guide: uint8 RGB (rows, columns, 3): the picture at the alpha's size, as the network saw
            it; None shrinks the picture.

    Returns:
        float32 (height, width) in 0..1. An alpha that is not smaller is only scaled.

    Raises:
        InputError: a picture that cannot be read, or an alpha or guide of the wrong shape.

    Source: after He and Sun, "Fast Guided Filter", 2015, with colours as the guide (He et al.,
    "Guided Image Filtering", 2010). Ours puts each line through the alpha of its own
    pixel and leaves out the mean over lines: both blur, and the alpha is no noisy input here.

    Example:
        >>> disc = np.hypot(*(np.mgrid[:200, :200] - 99.5)) < 80
        >>> picture = np.where(disc[..., None], [200, 120, 90], [20, 60, 160]).astype("uint8")
        >>> small = shrink(disc.astype("float32"), (50, 50))
        >>> errors = [np.abs(found - disc).mean() for found in
        ...           (enlarge(small, disc.shape), refine_alpha(picture, small))]
        >>> bool(errors[1] < errors[0] / 4)
        True
    """
    rgb = to_rgb(image)
    if alpha.ndim != 2 or not alpha.size:
        raise InputError(f"an alpha is (rows, columns), got {alpha.shape}.")
    if guide is not None and (guide.shape != (*alpha.shape, 3) or guide.dtype != np.uint8):
        raise InputError(
            f"the guide is {guide.dtype} {guide.shape}; expected uint8 {(*alpha.shape, 3)}, the "
            "picture at the alpha's size."
        )
    edge = _edge(alpha) if larger(rgb.shape[:2], alpha.shape) else None
    if edge is None or not edge.any():
        return enlarge(alpha, rgb.shape[:2])
    if guide is None:
        guide = shrink(rgb, alpha.shape)
    return _drawn(rgb, _lines(guide, alpha, edge), edge)


def _edge(alpha: np.ndarray) -> np.ndarray:
    """Where alpha changes among nine pixels: uint8 (rows, columns)."""
    cv2 = opencv()
    ring = np.ones((3, 3), np.uint8)
    return (cv2.dilate(alpha, ring) - cv2.erode(alpha, ring) > STEP).view(np.uint8)


def _lines(guide: np.ndarray, alpha: np.ndarray, edge: np.ndarray) -> list[np.ndarray]:
    """Slopes for red, green and blue, and the offset: float32 (rows, columns) each.

    Least squares over 3x3 pixels: the colours' covariance matrix, with the noise added to its
    diagonal, is inverted by its cofactors. Beyond the edge slopes are 0 and the offset is alpha.
    """
    cv2 = opencv()
    places = np.flatnonzero(edge)

    def at_edge(plane: np.ndarray) -> np.ndarray:
        return plane.ravel()[places]

    def mean(plane: np.ndarray) -> np.ndarray:
        return at_edge(cv2.blur(plane, (3, 3), borderType=cv2.BORDER_REPLICATE))

    colours = [plane.astype(np.float32) for plane in cv2.split(guide)]
    means, middle = [mean(plane) for plane in colours], mean(alpha)

    def covariance(one: int, other: int) -> np.ndarray:
        noise = np.float32(NOISE**2 if one == other else 0)
        return mean(colours[one] * colours[other]) - (means[one] * means[other] - noise)

    inverse = inverted(*(covariance(i, j) for i in range(3) for j in range(i, 3)))
    red, green, blue = (
        mean(plane * alpha) - average * middle
        for plane, average in zip(colours, means, strict=True)
    )
    slopes = [r * red + g * green + b * blue for r, g, b in inverse]
    offset = alpha.copy()
    for slope, plane in zip(slopes, colours, strict=True):
        offset.ravel()[places] -= slope * at_edge(plane)
    lines = [np.zeros_like(alpha) for _ in slopes]
    for line, slope in zip(lines, slopes, strict=True):
        line.ravel()[places] = slope
    return [*lines, offset]


def inverted(
    rr: np.ndarray, rg: np.ndarray, rb: np.ndarray, gg: np.ndarray, gb: np.ndarray, bb: np.ndarray
) -> tuple[tuple[np.ndarray, ...], ...]:
    """The inverses of many colours' covariance matrices, by their cofactors: three rows of three.

    Args:
        rr: the variance of red in each place, above 0, of any shape.
        rg: the covariance of red and green there; and so on.
    """
    irr, irg, irb = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    igg, igb, ibb = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
    scale = 1 / (irr * rr + irg * rg + irb * rb)
    irr, irg, irb, igg, igb, ibb = (part * scale for part in (irr, irg, irb, igg, igb, ibb))
    return (irr, irg, irb), (irg, igg, igb), (irb, igb, ibb)


def _drawn(rgb: np.ndarray, lines: list[np.ndarray], edge: np.ndarray) -> np.ndarray:
    """Alpha at every pixel of the picture, from its colour and the lines enlarged."""
    cv2 = opencv()
    size = rgb.shape[1::-1]
    *slopes, offset = lines
    result = cv2.resize(offset, size)
    broad = np.empty_like(result)
    near = cv2.dilate(edge, np.ones((3, 3), np.uint8))  # as far as an enlarged line reaches
    found = tiles(cv2.resize(near, size, interpolation=cv2.INTER_NEAREST))
    for slope, colour in zip(slopes, cv2.split(rgb), strict=True):
        # One line at a time: at the size of a large photo each is as large as the result.
        cv2.resize(slope, size, dst=broad)
        for here in found:
            cv2.accumulateProduct(colour[here].astype(np.float32), broad[here], result[here])
    return np.clip(result, 0, 1, out=result)
