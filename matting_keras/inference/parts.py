"""Which parts of an alpha are kept: those that are surely somebody, or the largest of them."""

from __future__ import annotations

import numpy as np

from matting_keras.media.opencv import opencv

PARTS = ("sure", "largest", "all")

PARTS_HELP = (
    "sure: without what the network is nowhere certain of, as shipped weights are used; largest: "
    "only the largest; all: as other weights are used"
)

INSIDE = 0.5
"""An alpha above this is a part's core; what is softer belongs to the core nearest to it."""

FAINT = 0.1
"""An alpha below this joins nothing."""

CERTAIN = 0.97
"""Networks say more than this of faces and chests, seldom of a chair they take for a person."""

SHARE = 0.15
"""Of a part's core, that must be certain (benchmarks/README.md, certainty, has what others do)."""

SHARE_CLOSER = 0.25
"""Likewise after a closer look, to which things look more like people, too."""

SHARE_AFAR = 0.4
"""Of a part's core; what a first look is so certain of stays, however a closer look doubts it."""

GAP = 64
"""Parts nearer to each other than the picture's longer side over this are one."""


def sure(
    alpha: np.ndarray,
    certain: float = CERTAIN,
    share: float = SHARE,
    known: np.ndarray | None = None,
) -> np.ndarray:
    """Drop the parts of an alpha in which a network is certain of next to nothing.

    A network is certain of people, but for their edges; of what it takes for one in an empty room
    it is not. This is Canny's threshold with hysteresis, with a share in place of one strong pixel.

    Args:
        alpha: float32 (height, width) in 0..1, as the network gave it.
        certain: an alpha above this is.
        share: of a part's core, that must be certain, 0..1.
        known: alpha of the same shape, or None: what has some of its core in a part's core makes
            it sure.

    Returns:
        The same with 0 where an unsure part is nearest, so all 0 where no part is sure; unchanged
        where all are.

    Example:
        >>> alpha = np.zeros((4, 40), "float32")
        >>> alpha[:, 2:20], alpha[:, 20:23], alpha[:, 30:36] = 1, 0.25, 0.9
        >>> kept = sure(alpha)
        >>> kept[0, [10, 21, 33]].tolist()
        [1.0, 0.25, 0.0]
    """
    cv2 = opencv()
    reach = max(alpha.shape) // GAP | 1
    there = cv2.dilate((alpha > FAINT).astype(np.uint8), np.ones((reach, reach), np.uint8))
    count, labels = cv2.connectedComponents(there, connectivity=8)
    core, high = (np.bincount(labels[alpha > x], minlength=count) for x in (INSIDE, certain))
    kept = high > share * core
    if known is not None:
        kept |= np.bincount(labels[(alpha > INSIDE) & (known > INSIDE)], minlength=count) > 0
    if not kept.any():
        return np.zeros_like(alpha)
    dropped = ~kept
    dropped[0] = False  # what lies around the parts
    return nearer(alpha, kept[labels], dropped[labels]) if dropped.any() else alpha


def largest(alpha: np.ndarray) -> np.ndarray:
    """Keep the largest connected part of an alpha, with its soft edge.

    Hair is softer than a part's core and often not joined to it, so every pixel goes with the core
    that is nearest.

    Args:
        alpha: float32 (height, width) in 0..1.

    Returns:
        The same with 0 where another part is nearer; unchanged where there are not two parts.

    Example:
        >>> alpha = np.zeros((4, 40), "float32")
        >>> alpha[:, 2:20], alpha[:, 20:23], alpha[:, 30:36] = 1, 0.25, 1
        >>> kept = largest(alpha)
        >>> kept[0, [10, 21, 33]].tolist()
        [1.0, 0.25, 0.0]
    """
    cv2 = opencv()
    core = (alpha > INSIDE).astype(np.uint8)
    count, labels, facts, _ = cv2.connectedComponentsWithStats(core, connectivity=8)
    if count <= 2:  # the first is what lies around
        return alpha
    best = 1 + int(facts[1:, cv2.CC_STAT_AREA].argmax())
    return nearer(alpha, labels == best, (labels != best) & (core > 0))


def nearer(alpha: np.ndarray, kept: np.ndarray, dropped: np.ndarray) -> np.ndarray:
    """An alpha where what is kept is at least as near as what is dropped, and 0 elsewhere.

    Args:
        alpha: float32 (height, width).
        kept: bool (height, width), some of it true.
        dropped: likewise.
    """
    cv2 = opencv()
    to_kept, to_dropped = (
        cv2.distanceTransform((~part).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        for part in (kept, dropped)
    )
    return np.where(to_kept <= to_dropped, alpha, np.float32(0))
