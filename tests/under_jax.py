"""Run a program in a Python of its own, with jax as Keras' backend."""

import os
import subprocess
import sys
import textwrap

import pytest

from tests.places import ROOT


def run_under_jax(program: str, *arguments: str) -> str:
    """Run the program's text on the processor and return what it printed; it has to succeed."""
    pytest.importorskip("jax", reason="jax is another backend: pip install jax")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *arguments],
        env=os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
