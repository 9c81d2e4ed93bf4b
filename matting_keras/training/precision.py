"""Which number format and which compiler a training step uses."""

from __future__ import annotations

from pathlib import Path

import keras

from matting_keras.errors import InputError

PRECISIONS = ("auto", "float32", "mixed_float16", "mixed_bfloat16")
JITS = ("auto", "on", "off")


def resolve(precision: str, jit: str) -> tuple[str, bool]:
    """Turn the flags `--precision` and `--jit` into a policy name and a switch.

    On a GPU `auto` is mixed_float16 with an XLA-compiled step. On a CPU XLA never paid off in our
    measurements, so with TensorFlow `auto` leaves it off; bfloat16 wins where the processor
    multiplies it natively, float32 elsewhere. float16 without XLA is some thirty times slower than
    with it on a CPU, so asking for it switches XLA on unless told otherwise. jax has no other
    compiler, and step by step it crawls: there `auto` is always on.

    Raises:
        InputError: an unknown value.

    Example:
        >>> resolve("float32", "off")
        ('float32', False)
    """
    if precision not in PRECISIONS:
        raise InputError(f"--precision must be one of {', '.join(PRECISIONS)}, got {precision!r}.")
    if jit not in JITS:
        raise InputError(f"--jit must be one of {', '.join(JITS)}, got {jit!r}.")
    gpu = has_gpu()
    if precision == "auto":
        native = "mixed_bfloat16" if _multiplies_bfloat16() else "float32"
        precision = "mixed_float16" if gpu else native
    wanted = gpu or precision == "mixed_float16" or keras.backend.backend() == "jax"
    return precision, wanted if jit == "auto" else jit == "on"


def has_gpu() -> bool:
    """Whether the backend in use computes on a GPU."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.default_backend() == "gpu"
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def _multiplies_bfloat16() -> bool:
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        return False
    text = info.read_text(errors="replace")
    return "amx_bf16" in text or "avx512_bf16" in text
