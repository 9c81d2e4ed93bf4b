"""Looking at a photo twice: as it is, then mirrored, and closer or finer where that shows more."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from matting_keras.geometry import Canvas
from matting_keras.inference.engines import Runtime
from matting_keras.inference.finish import Finish
from matting_keras.inference.parts import SHARE_AFAR, sure
from matting_keras.inference.pipeline import Prepared, inner, prepare, run
from matting_keras.inference.scale import enlarge, shrink
from matting_keras.inference.windows import FOUND, WORTHWHILE, Window, closer
from matting_keras.media.images import Photo
from matting_keras.media.opencv import opencv

LOOKS = (1, 2)

FINEST = 4
"""How many times as many pixels as the first look a second one may have: of larger inputs networks
see too little of the whole at once."""

LOOKS_HELP = (
    "2: at a photo as it is and mirrored, closer where somebody is small in it and finer where it "
    "is large, as shipped weights are used: finds people and edges better, and nobody where nobody "
    "is, in two to four times the time, or six where nobody seems to be; at each frame of a film "
    "or a camera once, but closer; 1: once, at the whole"
)

FINER_HELP = (
    "how many times as many pixels the second look may have at a large photo, 1 to "
    f"{FINEST} (default: up to 3 for shipped weights, 1 for others)"
)

DOUBT = 0.05
"""Added to how sure a look is, so that two that know nothing count alike."""

SEARCH = 4
"""How many times as many pixels as usual are looked at where nobody seems to be, for somebody
small, of whom the network must be certain in much (`parts.SHARE_AFAR`)."""

SMALL = 1 / 8
"""Of the picture, that is filled at most by who is found in this way: the first look sees whoever
is larger, and so much finer a one takes more things for people."""

EDGE = 3.0
"""How far from what the first look is unsure of a finer one counts, in pixels of the first."""

SURE = 0.9
"""From this alpha on a look is sure of a person, from 1 less this down of none."""

AWAY = 0.1
"""What a finer look counts far from any edge: it sees less of the whole there than the first."""


def both(first: np.ndarray, second: np.ndarray, weight: float | np.ndarray = 1.0) -> np.ndarray:
    """The mean of two looks, in which the one that is surer of a pixel counts for more there.

    The plain mean finds the same people, but leaves half of what one look is sure of and the other
    is not: a sleeve becomes a ghost. The weights are squares of the distance from one half.

    Args:
        first: alpha in 0..1, of any shape.
        second: likewise.
        weight: of the second, where both are as sure; a number, or one for each pixel.

    Returns:
        Their mean, float32; where both are as sure and weigh as much, the plain one.

    Example:
        >>> [f"{alpha:.3f}" for alpha in both(np.float32([1, 0.6]), np.float32([0.5, 0.4]))]
        ['0.996', '0.500']
    """
    weights = [(np.abs(alpha - 0.5) + DOUBT) ** 2 for alpha in (first, second)]
    weights[1] *= weight
    mean = (weights[0] * first + weights[1] * second) / (weights[0] + weights[1])
    return mean.astype(np.float32)


def twice(look: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """What somebody else's network finds in a picture and in its mirror image, as `both`.

    Args:
        look: gives the alpha (height, width) of a picture (height, width, 3).
    """
    return lambda image: both(look(image), look(np.ascontiguousarray(image[:, ::-1]))[:, ::-1])


def searched(
    alpha: np.ndarray, size: tuple[int, int], area: int, look: Callable[[int], np.ndarray]
) -> np.ndarray:
    """What a first look found or, where that is nobody for sure, what a far finer one did.

    Args:
        alpha: float32 (rows, columns) in 0..1: the first look at the whole picture.
        size: the picture's own (height, width): there is no more to see than that.
        area: pixels that the first look had, about.
        look: gives the alpha of the whole picture, seen with so many pixels.

    Returns:
        One of the two; the second has more rows and columns.
    """
    finest = min(SEARCH * area, math.prod(size))
    if finest < WORTHWHILE * area or sure(alpha).max() > FOUND:
        return alpha
    found = look(finest)
    filled = float((sure(found, share=SHARE_AFAR) > FOUND).mean())
    return found if 0 < filled <= SMALL else alpha


def joined(first: np.ndarray, second: np.ndarray, window: Window) -> np.ndarray:
    """What two looks found, of which the second was closer, finer or both.

    Who was seen closer was seen better, wherever. What was seen finer has finer edges, but less of
    the whole was seen at once: a sleeve that the first look is sure of stays, whatever a finer one
    makes of its middle.

    Args:
        first: alpha in 0..1 (rows, columns), enlarged to the window's.
        second: likewise.
        window: where the second look was.

    Returns:
        Their mean, float32.
    """
    if window.nearer == window.zoom:
        return both(first, second, window.nearer)
    away = max(AWAY, window.zoom - 1)
    cv2, unsure = opencv(), (first > 1 - SURE) & (first < SURE)
    far = cv2.distanceTransform((~unsure).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_3)
    # Where nothing is unsure it says "as far as can be", of which a square is no number.
    far = np.minimum(far, sum(first.shape)) / (EDGE * math.sqrt(window.nearer))
    return both(first, second, away + (window.nearer - away) * np.exp(-(far**2)))


class SecondLook:
    """What a first look at photos found, and what a second one adds to it.

    A person's mirror image is as likely as the person, so what a network says of one only is an
    accident of its training. Where people are small in a picture the second look is at them alone:
    as long, with more to see. Where the picture is large it is finer: longer, with finer edges.
    Where the first one finds nobody, the whole is searched for somebody small.

    Args:
        runtime: the network, with nothing done to its alphas.
        area: pixels that it is to see, about.
        finish: what is done to the alphas in the end.
        finer: how many times as many pixels a second look may have, where a picture is large.
    """

    def __init__(self, runtime: Runtime, area: int, finish: Finish, finer: float = 1.0):
        self._runtime, self._area, self._finish, self._finer = runtime, area, finish, finer

    def __call__(
        self, pictures: Sequence[Prepared], alphas: np.ndarray
    ) -> list[tuple[np.ndarray, Prepared]]:
        """Look again.

        Args:
            pictures: of one shape.
            alphas: float32 (pictures, rows, columns): what the first look found.

        Returns:
            For each an alpha, and the picture at its size.

        Raises:
            InputError: the network gave something that is not an alpha.
        """
        done: dict[int, tuple[np.ndarray, Prepared]] = {}
        whole: dict[int, np.ndarray] = {}
        for index, (picture, alpha) in enumerate(zip(pictures, alphas, strict=True)):
            look = partial(self._whole, Photo(picture.rgb, None))
            first = inner(alpha, picture)
            there = searched(first, picture.size, self._area, look)
            window = closer(there, picture.size, self._area, self._finer, first.shape)
            if window:
                done[index] = self._nearer(picture, there, window)
            else:
                whole[index] = enlarge(there, first.shape)
        if whole:
            again = self._mirrored(np.stack([pictures[index].values for index in whole]))
            for (index, first), found in zip(whole.items(), again, strict=True):
                alpha = both(first, inner(found, pictures[index]))
                done[index] = self._finish(alpha), pictures[index]
        return [done[index] for index in range(len(pictures))]

    def _nearer(
        self, picture: Prepared, alpha: np.ndarray, window: Window
    ) -> tuple[np.ndarray, Prepared]:
        values = shrink(picture.rgb, window.size)
        found = self._mirrored(np.ascontiguousarray(values[window.seen])[None])[0]
        afar = enlarge(alpha, window.size)
        alpha = afar.copy()
        alpha[window.seen] = joined(afar[window.seen], np.clip(found, 0, 1), window)
        alpha, canvas = self._finish(alpha, afar), Canvas(window.size, window.size)
        return alpha, picture._replace(values=values, canvas=canvas)

    def _whole(self, photo: Photo, area: int) -> np.ndarray:
        picture = prepare(photo, area)
        return inner(run(self._runtime, picture.values[None].astype(np.float32))[0], picture)

    def _mirrored(self, values: np.ndarray) -> np.ndarray:
        turned = np.ascontiguousarray(values[:, :, ::-1]).astype(np.float32)
        return run(self._runtime, turned)[:, :, ::-1]
