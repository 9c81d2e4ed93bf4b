"""What TensorBoard shows of a run: its figures, its configuration, and pictures."""

from __future__ import annotations

import importlib.util
import json
import logging
from pathlib import Path

import keras
import numpy as np

from matting_keras.training.bystander import Bystander
from matting_keras.training.callbacks import averaged

log = logging.getLogger(__name__)


def watchers(folder: Path, facts: dict, shown: tuple) -> list[keras.callbacks.Callback]:
    """The callbacks that write for TensorBoard; none where TensorFlow is not installed.

    None of them ends a run: on a full disk TensorFlow drops what it cannot write to a file that is
    open, and fails only where it begins a new one.

    Args:
        folder: TensorBoard's log folder.
        facts: what the run is made of.
        shown: images and alphas for `ImageGrid`, and a title for it.
    """
    if importlib.util.find_spec("tensorflow") is None:
        log.info("no TensorFlow here, so nothing is written for TensorBoard; see log.csv.")
        return []
    import tensorflow as tf

    watched = (
        Description(folder, facts),
        keras.callbacks.TensorBoard(folder, write_graph=False),
        ImageGrid(folder, *shown),
    )
    return [Bystander(callback, (OSError, tf.errors.OpError)) for callback in watched]


class Description(keras.callbacks.Callback):
    """What the run is made of, as text in TensorBoard.

    Args:
        folder: TensorBoard's log folder.
        facts: anything that JSON can hold.
    """

    def __init__(self, folder: Path, facts: dict):
        super().__init__()
        self.folder = str(folder)
        self.text = "```\n" + json.dumps(facts, indent=1) + "\n```"

    def on_train_begin(self, logs=None):
        import tensorflow as tf

        with tf.summary.create_file_writer(self.folder).as_default():
            tf.summary.text("run", self.text, 0)


class ImageGrid(keras.callbacks.Callback):
    """Rows of photo, truth, prediction and error for a few validation photos, in TensorBoard.

    Args:
        folder: TensorBoard's log folder.
        images: float32 (N, height, width, channels), 0..255.
        alphas: float32 (N, height, width, 1), 0..1.
        title: what the four pictures of a row are.
    """

    def __init__(
        self,
        folder: Path,
        images: np.ndarray,
        alphas: np.ndarray,
        title: str = "photo, truth, prediction, error",
    ):
        super().__init__()
        self.folder = str(folder)
        self.title = title
        self.images = images
        self.alphas = alphas

    def on_epoch_end(self, epoch, logs=None):
        import tensorflow as tf

        with averaged(self.model):
            outputs = self.model(self.images, training=False)
        alpha = outputs["alpha"] if isinstance(outputs, dict) else outputs
        predicted = np.array(alpha, "float32")
        grid = strips(self.images, self.alphas, predicted)
        with tf.summary.create_file_writer(self.folder).as_default():
            tf.summary.image(self.title, grid, epoch + 1, max_outputs=8)


def strips(images: np.ndarray, alphas: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Photo, truth, prediction and error side by side: float32 (N, height, 4 width, 3) in 0..1."""
    photo = np.broadcast_to(images, (*images.shape[:3], 3)) / 255
    error = np.abs(alphas - predicted)
    return np.concatenate(
        [photo, *(np.repeat(a, 3, axis=-1) for a in (alphas, predicted, error))], axis=2
    )
