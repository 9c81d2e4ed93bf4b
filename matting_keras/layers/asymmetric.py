"""Asymmetric convolution (ACNet): a square kernel plus a horizontal and a vertical one."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from matting_keras.errors import InputError

BRANCHES = ("square", "horizontal", "vertical")


@keras.saving.register_keras_serializable("matting_keras")
class AsymmetricConv2D(keras.layers.Layer):
    """A k×k convolution learned as the sum of k×k, 1×k and k×1 convolutions.

    After training the three are one convolution: `fused_weights` gives its kernel and bias.

    With `branch_norm=False` the branches are a linear over-parameterisation of one kernel, so the
    layer adds the kernels first and convolves once: the same result and the same gradients as
    three convolutions, at the cost of one. With `branch_norm=True` each branch has its own
    BatchNormalization, as in the paper, and has to be computed on its own.

    Args:
        filters: number of output channels, at least 1.
        kernel_size: side k of the square kernel, an integer at least 2.
        branch_norm: give each branch a BatchNormalization, with gamma starting at 1/3, instead
            of a bias.
        activation: applied to the sum; a name or callable that `keras.activations.get` knows.
        dilation_rate: spacing of the kernels' taps, the same for all branches.
        strides: only 1; any other value is refused.
        padding: only "same"; any other value is refused.
        momentum: of the branches' BatchNormalization.
        epsilon: of the branches' BatchNormalization.

    Input: (batch, height, width, channels). Output: (batch, height, width, filters).

    Raises:
        InputError: the kernel is not square, or strides or padding are not supported. Fusing is
            exact only where all three kernels see the same centre at every position.

    Source: Ding et al., "ACNet: Strengthening the Kernel Skeletons for Powerful CNN via
    Asymmetric Convolution Blocks", ICCV 2019, equations 5 to 9.

    Example:
        >>> layer = AsymmetricConv2D(8, branch_norm=True)
        >>> layer(np.zeros((1, 16, 16, 3), "float32")).shape
        TensorShape([1, 16, 16, 8])
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        *,
        branch_norm: bool = False,
        activation=None,
        dilation_rate: int = 1,
        strides: int = 1,
        padding: str = "same",
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if filters < 1:
            raise InputError(f"{self.name}: filters must be at least 1, got {filters}.")
        if not isinstance(kernel_size, int) or kernel_size < 2:
            raise InputError(
                f"{self.name}: an asymmetric block strengthens a square kernel, so kernel_size "
                f"must be one integer of at least 2, got {kernel_size!r}. Use Conv2D for others."
            )
        if dilation_rate > 1 and kernel_size % 2 == 0:
            raise InputError(
                f"{self.name}: a dilated kernel of even side has no tap at its centre, where the "
                f"branches meet; got kernel_size={kernel_size}, dilation_rate={dilation_rate}. "
                "Use an odd kernel_size."
            )
        if strides not in (1, (1, 1)) or padding != "same":
            raise InputError(
                f"{self.name}: an asymmetric block fuses exactly only with strides=1 and "
                f"padding='same', got strides={strides!r}, padding={padding!r}. Use Conv2D there."
            )
        self.filters = filters
        self.kernel_size = kernel_size
        self.branch_norm = branch_norm
        self.activation = keras.activations.get(activation)
        self.dilation_rate = dilation_rate
        self.momentum = momentum
        self.epsilon = epsilon

    def build(self, input_shape):
        k, channels = self.kernel_size, input_shape[-1]
        sides = {"square": (k, k), "horizontal": (1, k), "vertical": (k, 1)}
        self.kernels, self.biases, self.norms = {}, {}, {}
        # A third of Glorot's variance each, so that their sum starts as one convolution would;
        # otherwise a deep network without norms starts with saturated outputs.
        third = keras.initializers.VarianceScaling(1 / 3, "fan_avg", "uniform")
        for branch in BRANCHES:
            self.kernels[branch] = self.add_weight(
                name=f"{branch}_kernel",
                shape=(*sides[branch], channels, self.filters),
                initializer="glorot_uniform" if self.branch_norm else third.clone(),
            )
            if self.branch_norm:
                self.norms[branch] = keras.layers.BatchNormalization(
                    momentum=self.momentum,
                    epsilon=self.epsilon,
                    gamma_initializer=keras.initializers.Constant(1 / 3),
                    dtype=self.dtype_policy,
                    name=f"{branch}_norm",
                )
                self.norms[branch].build((*input_shape[:-1], self.filters))
            else:
                self.biases[branch] = self.add_weight(
                    name=f"{branch}_bias", shape=(self.filters,), initializer="zeros"
                )

    def call(self, inputs, training=False):
        if self.branch_norm:
            outputs = sum(
                self.norms[branch](self._convolve(inputs, self.kernels[branch]), training=training)
                for branch in BRANCHES
            )
        else:
            bias = sum(ops.cast(self.biases[branch], inputs.dtype) for branch in BRANCHES)
            outputs = self._convolve(inputs, self._summed_kernel()) + bias
        return self.activation(outputs)

    def _convolve(self, inputs, kernel):
        return ops.conv(
            inputs,
            ops.cast(kernel, inputs.dtype),
            padding="same",
            data_format="channels_last",
            dilation_rate=self.dilation_rate,
        )

    def _summed_kernel(self):
        # "same" padding puts the middle tap of an even kernel at (k - 1) // 2.
        before = (self.kernel_size - 1) // 2
        around = (before, self.kernel_size - 1 - before)
        horizontal = ops.pad(self.kernels["horizontal"], (around, (0, 0), (0, 0), (0, 0)))
        vertical = ops.pad(self.kernels["vertical"], ((0, 0), around, (0, 0), (0, 0)))
        return self.kernels["square"] + horizontal + vertical

    def fused_weights(self) -> tuple[np.ndarray, np.ndarray]:
        """The kernel and bias of the one convolution that this layer amounts to at inference.

        Returns:
            A float32 kernel of shape (k, k, channels, filters) and a float32 bias (filters,).

        Source: ACNet, equations 7 to 9: each branch is scaled by gamma / sqrt(variance + epsilon)
        and the three are added with their centres aligned.
        """
        if not self.branch_norm:
            # float32 in this order: bit-equal to LikeUnet's own merge of its weights.
            kernels = {b: _array(self.kernels[b], "float32") for b in BRANCHES}
            biases = [_array(self.biases[b], "float32") for b in BRANCHES]
            bias = biases[0] + biases[1] + biases[2]
        else:
            kernels, bias = {}, 0.0
            for branch in BRANCHES:
                scale, shift = norm_as_affine(self.norms[branch])
                kernels[branch] = _array(self.kernels[branch], "float64") * scale
                bias = bias + shift
        centre = (self.kernel_size - 1) // 2
        kernel = kernels["square"]
        kernel[centre] += kernels["horizontal"][0]
        kernel[:, centre] += kernels["vertical"][:, 0]
        return kernel.astype("float32"), bias.astype("float32")

    def assign_plain(self, kernel: np.ndarray, bias: np.ndarray | None) -> None:
        """Start from a plain convolution: the square branch takes it, the others add nothing.

        Args:
            kernel: shape (k, k, channels, filters).
            bias: shape (filters,), or None for zeros.

        Raises:
            InputError: the layer normalises its branches, so its sum cannot start as a given one.
        """
        if self.branch_norm:
            raise InputError(
                f"{self.name}: a block with branch_norm=True cannot start from a plain "
                "convolution's weights; build with branch_norm=False."
            )
        for branch in BRANCHES:
            self.kernels[branch].assign(np.zeros(self.kernels[branch].shape, "float32"))
            self.biases[branch].assign(np.zeros(self.filters, "float32"))
        self.kernels["square"].assign(kernel)
        if bias is not None:
            self.biases["square"].assign(bias)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "branch_norm": self.branch_norm,
            "activation": keras.activations.serialize(self.activation),
            "dilation_rate": self.dilation_rate,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
        }


def norm_as_affine(norm: keras.layers.BatchNormalization) -> tuple[np.ndarray, np.ndarray]:
    """A BatchNormalization at inference as scale and shift per channel, in float64.

    Returns:
        scale and shift of shape (channels,), so that output = input * scale + shift.
    """
    mean = _array(norm.moving_mean, "float64")
    variance = _array(norm.moving_variance, "float64")
    scale = 1 / np.sqrt(variance + norm.epsilon)
    if norm.scale:
        scale = scale * _array(norm.gamma, "float64")
    shift = -mean * scale
    if norm.center:
        shift = shift + _array(norm.beta, "float64")
    return scale, shift


def _array(variable, dtype: str) -> np.ndarray:
    return ops.convert_to_numpy(variable).astype(dtype)
