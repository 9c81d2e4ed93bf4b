"""How fast this machine multiplies matrices: the limit that latencies are compared with."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from matting_keras.benchmark.measure import child

SIDES = (512, 1024, 2048)
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""What the libraries behind numpy read their number of threads from, once, when they start."""

PROGRAM = "from matting_keras.benchmark.peak import best_matmul; print(best_matmul({sides}))"


def peak(threads: int, sides: Sequence[int] = SIDES) -> float:
    """The best rate of float32 matrix products in numpy, in a fresh process with so many threads.

    It is what software reaches here, not what the processor's data sheet says; a convolution that
    saves multiplications (Winograd) may exceed it.

    Args:
        threads: for numpy's BLAS to use.
        sides: of the square matrices to try.

    Returns:
        GFLOP/s; a multiplication and an addition are two operations.
    """
    told = dict.fromkeys(THREADS, str(threads))
    return float(child("-c", PROGRAM.format(sides=tuple(sides)), environment=told))


def best_matmul(sides: Sequence[int], seconds: float = 0.4) -> float:
    """The best GFLOP/s of several products of each side, tried for so many seconds each."""
    best = 0.0
    for side in sides:
        values = np.random.default_rng(0).standard_normal((2, side, side), np.float32)
        product = np.empty((side, side), np.float32)
        until = time.perf_counter() + seconds
        while (began := time.perf_counter()) < until:
            np.matmul(*values, out=product)
            best = max(best, 2 * side**3 / (time.perf_counter() - began) / 1e9)
    return best


def library() -> str:
    """The library that multiplies for numpy, and its version."""
    found = np.show_config(mode="dicts")["Build Dependencies"].get("blas", {})
    return f"{found.get('name', 'unknown')} {found.get('version', '')}".strip()
