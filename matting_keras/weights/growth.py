"""A larger network that begins where a smaller one of its family has arrived.

From the image on, the first channels of every layer are fitted to say what the smaller network's
layer says, by least squares over drawn portraits; the channels beyond begin at random. So the
larger network makes up for what it lacks (a stem, channels close to the alpha) with what it has
more of, before its first step. Deep layers, for whose many inputs those portraits are too few,
are copied.

Source: the idea of Chen et al., "Net2Net: Accelerating Learning via Knowledge Transfer", ICLR 2016,
which widens a network without changing its function; here the larger one is not wider everywhere.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops

from matting_keras.data.synthetic import synthetic_portrait
from matting_keras.graph import producers
from matting_keras.layers import AsymmetricConv2D
from matting_keras.layers.colour import LUMA
from matting_keras.reparameterize import fold

PORTRAITS, HEIGHT, WIDTH = 16, 192, 160
"""How many drawn portraits layers are fitted on, and their size in pixels."""

PIXELS = 20_000
"""At most so many of those pictures' pixels are taken to fit one layer."""

ENOUGH = 10
"""A layer is fitted where there are so many pixels for each of its kernel's values."""


def grow(source: keras.Model, target: keras.Model) -> None:
    """Give a larger network what a smaller one of its family has learned.

    Args:
        source: the smaller one, in any form; not changed.
        target: the larger one, plain or with asymmetric blocks without norms; its weights are
            overwritten. Its layers carry the names of the source's; a layer that the source
            lacks is a norm, which begins as the identity on drawn portraits.

    Raises:
        InputError: the target's asymmetric blocks have norms.
    """
    _Growth(fold(source), target).run()


class _Growth:
    """One growth, layer by layer from the image on.

    `places` says for each of the target's layers where the source's channels are in its output,
    -1 where they are not.
    """

    def __init__(self, source: keras.Model, target: keras.Model):
        self.source, self.target = source, target
        self.known = {layer.name: layer for layer in source.layers}
        self.images = drawn_portraits(source.input_shape[-1])
        self.places: dict[str, np.ndarray] = {}
        self.random = np.random.default_rng(0)

    def run(self) -> None:
        for layer in self.target.layers:
            above = [producer.name for producer in producers(layer)]
            if not above:
                self.places[layer.name] = np.arange(layer.batch_shape[-1])
            elif isinstance(layer, layers.Concatenate):
                self.places[layer.name] = self._joined(layer, above)
            elif not layer.weights or isinstance(layer, layers.BatchNormalization):
                self.places[layer.name] = self.places[above[0]]
            else:
                self.places[layer.name] = self._convolution(layer, above[0])
            if layer.weights and layer.name not in self.known:
                self._calm(layer)

    def _joined(self, layer, above: list[str]) -> np.ndarray:
        widths = [tensor.shape[-1] for tensor in layer.input]
        offsets = np.cumsum([0, *widths[:-1]])
        parts = [self.places[name] for name in above]
        moved = zip(parts, offsets, strict=True)
        return np.concatenate([np.where(part < 0, -1, part + by) for part, by in moved])

    def _convolution(self, layer, above: str) -> np.ndarray:
        """Fill one convolution; returns where the source's channels are in its output."""
        old = self.known[layer.name]
        kernel, bias = (np.asarray(w, "float64") for w in old.get_weights())
        kept = self._kept(old, layer.output.shape[-1])
        kernel, bias = kernel[..., kept], bias[kept]
        heard = self._outputs(self.target, layer.input)
        new = self._random_kernel(kernel.shape[:2], layer)
        if heard.size >= ENOUGH * kernel.shape[0] * kernel.shape[1] * heard.shape[-1] ** 2:
            said = _convolved(self._outputs(self.source, old.input), kernel, bias)
            new[..., : len(kept)], bias = self._fitted(heard, said, kernel.shape[:2])
        else:
            new[..., : len(kept)] = 0
            there = self.places[above] >= 0
            new[:, :, self.places[above][there], : len(kept)] = kernel[:, :, there]
        _assign(layer, new, np.pad(bias, (0, new.shape[-1] - len(bias))))
        found = np.full(old.output.shape[-1], -1)
        found[kept] = np.arange(len(kept))
        return found

    def _kept(self, old, room: int) -> np.ndarray:
        """The source's channels that the target has room for: those that say most."""
        width = old.output.shape[-1]
        if width <= room:
            return np.arange(width)
        loudness = np.square(self._outputs(self.source, old.output)).mean((0, 1, 2))
        return np.sort(np.argsort(-loudness)[:room])

    def _random_kernel(self, sides: tuple[int, int], layer) -> np.ndarray:
        read, made = layer.input.shape[-1], layer.output.shape[-1]
        spread = np.sqrt(2 / (sides[0] * sides[1] * read))
        return self.random.normal(0, spread, (*sides, read, made))

    def _fitted(self, heard, said, sides: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """The kernel and bias that make most of `said` out of `heard`."""
        patches = ops.image.extract_patches(heard, sides, strides=1, padding="same")
        patches = ops.convert_to_numpy(patches).reshape(-1, patches.shape[-1])
        some = self.random.permutation(len(patches))[:PIXELS]
        x = np.column_stack([patches[some], np.ones(len(some))]).astype("float64")
        y = said.reshape(-1, said.shape[-1])[some]
        ridge = 1e-4 * np.trace(x.T @ x) / x.shape[1] * np.eye(x.shape[1])
        solution = np.linalg.solve(x.T @ x + ridge, x.T @ y)
        return solution[:-1].reshape(*sides, heard.shape[-1], -1), solution[-1]

    def _calm(self, norm: layers.BatchNormalization) -> None:
        """Let a norm that the source lacks begin by changing nothing."""
        values = self._outputs(self.target, norm.input)
        mean, variance = values.mean((0, 1, 2)), values.var((0, 1, 2))
        norm.set_weights([np.sqrt(variance + norm.epsilon), mean, mean, variance])

    def _outputs(self, model: keras.Model, tensor: keras.KerasTensor) -> np.ndarray:
        part = keras.Model(model.input, tensor)
        return ops.convert_to_numpy(ops.cast(part(self.images, training=False), "float32"))


def drawn_portraits(channels: int) -> np.ndarray:
    """Always the same pictures, raw 0..255 float32 (portraits, height, width, channels).

    Args:
        channels: 3 for RGB, 1 for gray.
    """
    drawn = [synthetic_portrait(seed, HEIGHT, WIDTH)[0] for seed in range(PORTRAITS)]
    images = np.stack(drawn).astype("float32")
    return images if channels == 3 else images @ LUMA[:, None]


def _convolved(values: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    kernel = kernel.astype("float32")
    sums = ops.conv(values, kernel, padding="same", data_format="channels_last")
    return ops.convert_to_numpy(sums) + bias


def _assign(layer, kernel: np.ndarray, bias: np.ndarray) -> None:
    kernel, bias = kernel.astype("float32"), bias.astype("float32")
    if isinstance(layer, AsymmetricConv2D):
        layer.assign_plain(kernel, bias)
    elif isinstance(layer, layers.Conv2DTranspose):
        # Transposed at stride 1 it is the convolution with the mirrored kernel.
        layer.set_weights([kernel[::-1, ::-1].swapaxes(2, 3), bias])
    else:
        layer.set_weights([kernel, bias])
