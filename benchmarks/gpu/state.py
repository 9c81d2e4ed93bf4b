"""The whole state of a run in one file, so that the next call goes on where this one stopped."""

from __future__ import annotations

import json
import os
from pathlib import Path

import keras
import numpy as np

from matting_keras.atomic import atomic_path
from matting_keras.errors import InputError


def save(model: keras.Model, path: str | os.PathLike, facts: dict) -> None:
    """Write weights, optimizer and facts; atomically, without losing a digit."""
    arrays = {str(i): keras.ops.convert_to_numpy(v) for i, v in enumerate(_variables(model))}
    with atomic_path(path) as temporary:
        np.savez(temporary, facts=json.dumps(facts | {"architecture": model.name}), **arrays)


def restore(model: keras.Model, path: str | os.PathLike) -> dict:
    """Put a compiled, built model back into a saved state; returns the facts.

    Raises:
        InputError: no such file, or one of another network or other settings.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"--resume {path}: no such file; expected the state.npz of a run.")
    variables = _variables(model)
    with np.load(path, allow_pickle=False) as file:
        facts = json.loads(str(file["facts"]))
        stored = [file[str(i)] for i in range(len(file.files) - 1)]
    if [a.shape for a in stored] != [tuple(v.shape) for v in variables]:
        raise InputError(
            f"--resume {path}: was written by {facts['architecture']!r} with other settings and "
            f"cannot go on as {model.name!r}; use the settings it began with."
        )
    for variable, value in zip(variables, stored, strict=True):
        variable.assign(value)
    return facts


def _variables(model: keras.Model) -> list:
    """As `Steps` orders them; the random generators of Dropout are among the second."""
    others = model.non_trainable_variables
    return [*model.trainable_variables, *others, *model.optimizer.variables]
