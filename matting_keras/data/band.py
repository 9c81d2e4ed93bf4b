"""The unknown band along an alpha's edges, computed where the batches are.

The same band as `trimap.unknown_band` draws, but with square reach: two passes of a maximum each.
"""

from __future__ import annotations

from keras import ops

from matting_keras.data.trimap import CERTAIN, REACH


def unknown(alpha, reach: float = REACH):
    """Mark the pixels within reach of an edge or of anything soft.

    Args:
        alpha: float32 (..., height, width, 1), 0..1, as it is after every flip and crop.
        reach: as a share of the shorter side; 2 pixels at least.

    Returns:
        float32 of the same shape: 1 inside the band, else 0.

    Example:
        >>> alpha = ops.reshape(ops.convert_to_tensor([0.0] * 4 + [1.0] * 4), (1, 8, 1))
        >>> ops.convert_to_numpy(unknown(alpha)).astype(int).ravel().tolist()
        [0, 0, 1, 1, 1, 1, 0, 0]
    """
    pixels = _pixels(*ops.shape(alpha)[-3:-1], reach)
    doubtful = ops.concatenate([alpha < 1 - CERTAIN, alpha > CERTAIN], axis=-1)
    near = _grown(ops.cast(doubtful, "float32"), pixels)
    # Unknown is what is near to something that is no person, and to something that is.
    return near[..., :1] * near[..., 1:]


def _pixels(height, width, reach: float):
    """The reach in pixels: a number where the shape is known, a tensor inside a tf.data graph."""
    if isinstance(height, int) and isinstance(width, int):
        return max(2, round(reach * min(height, width)))
    shorter = ops.cast(ops.minimum(height, width), "float32")
    return ops.cast(ops.maximum(2.0, ops.round(reach * shorter)), "int32")


def _grown(marks, pixels):
    """Marks (..., height, width, channels) grown by so many pixels to every side."""
    # A running sum instead of a maximum: its cost does not grow with the reach.
    rank = len(marks.shape)
    for axis in (rank - 3, rank - 2):
        length = ops.shape(marks)[axis]
        total = ops.pad(ops.cumsum(marks, axis), [(int(a == axis), 0) for a in range(rank)])
        place = ops.arange(length, dtype="int32")
        high = ops.take(total, ops.minimum(place + pixels, length - 1) + 1, axis=axis)
        low = ops.take(total, ops.maximum(place - pixels, 0), axis=axis)
        marks = ops.cast(high - low > 0.5, "float32")
    return marks
