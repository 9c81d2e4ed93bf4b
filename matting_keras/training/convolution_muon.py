"""Muon for convolutions: steps that turn every direction of a kernel equally far."""

from __future__ import annotations

import keras

SMALLEST_SIDE = 8
"""Kernels with fewer rows or columns as a matrix are left to Adam: too few to even out."""


@keras.saving.register_keras_serializable("matting_keras")
class ConvolutionMuon(keras.optimizers.Muon):
    """Muon with convolutions' kernels as matrices (height × width × inputs, outputs).

    Keras' Muon takes matrices alone and leaves kernels of convolutions to Adam, that is a whole
    network of ours. Biases, norms and a last layer with a single output still go to Adam, at the
    same rate: steps are scaled to Adam's size (Liu et al. 2025, arXiv:2502.16982, section 2.2).

    Args:
        learning_rate: a number or schedule; what suits Adam is near what suits this.
        weight_decay: a step's share of the rate by which kernels shrink; None for none.
        adam_weight_decay: the same for what Adam moves.
        **options: of `keras.optimizers.Muon`.

    Source: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/.

    Example:
        >>> kernel = keras.Variable(keras.ops.zeros((3, 3, 8, 16)))
        >>> ConvolutionMuon(1e-3).apply([keras.ops.ones((3, 3, 8, 16))], [kernel])
        >>> bool(keras.ops.all(kernel < 0))
        True
    """

    def __init__(self, learning_rate=1e-3, weight_decay=None, adam_weight_decay=None, **options):
        super().__init__(
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            adam_weight_decay=adam_weight_decay,
            **options,
        )

    def _should_use_adamw(self, variable) -> bool:
        if len(variable.shape) != 4:
            return super()._should_use_adamw(variable)
        *rows, columns = variable.shape
        rows = rows[0] * rows[1] * rows[2]
        return min(rows, columns) < SMALLEST_SIDE

    def zeropower_via_newtonschulz5(self, x, steps: int):
        return keras.ops.reshape(super().zeropower_via_newtonschulz5(matrix(x), steps), x.shape)

    def lr_adjust(self, x):
        return keras.ops.reshape(super().lr_adjust(matrix(x)), x.shape)


def matrix(kernel):
    """A kernel (height, width, inputs, outputs) as (height × width × inputs, outputs)."""
    return keras.ops.reshape(kernel, (-1, kernel.shape[-1]))
