"""The unknown band along an alpha's edges, inside the training pipeline.

The same band as `trimap.unknown_band` draws, but with square reach: two passes of a maximum each,
which TensorFlow does in the pipeline's own threads.
"""

from __future__ import annotations

import tensorflow as tf

from matting_keras.data.trimap import CERTAIN, REACH


def unknown(alpha: tf.Tensor, reach: float = REACH) -> tf.Tensor:
    """Mark the pixels within reach of an edge or of anything soft.

    Args:
        alpha: float32 (height, width, 1), 0..1, as it is after every flip and crop.
        reach: as a share of the shorter side; 2 pixels at least.

    Returns:
        float32 (height, width, 1): 1 inside the band, else 0.
    """
    shorter = tf.cast(tf.reduce_min(tf.shape(alpha)[:2]), tf.float32)
    pixels = tf.cast(tf.maximum(2.0, tf.round(reach * shorter)), tf.int32)
    doubtful = tf.concat([alpha < 1 - CERTAIN, alpha > CERTAIN], axis=-1)
    near = _grown(tf.cast(doubtful, tf.float32), pixels)
    # Unknown is what is near to something that is no person, and to something that is.
    return near[..., :1] * near[..., 1:]


def _grown(marks: tf.Tensor, pixels: tf.Tensor) -> tf.Tensor:
    """Marks (height, width, channels) grown by so many pixels to every side."""
    # A running sum instead of a maximum: its cost does not grow with the reach.
    for axis in (0, 1):
        before = [[0, 0]] * 3
        before[axis] = [pixels + 1, pixels]
        total = tf.cumsum(tf.pad(marks, before), axis)
        length, window = tf.shape(marks)[axis], 2 * pixels + 1
        high = tf.gather(total, tf.range(length) + window, axis=axis)
        low = tf.gather(total, tf.range(length), axis=axis)
        marks = tf.cast(high - low > 0.5, tf.float32)
    return marks
