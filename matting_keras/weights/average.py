"""One network out of several trainings of it: the average of their weights."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import zip_longest

import keras
import numpy as np

from matting_keras.errors import InputError
from matting_keras.weights.files import load, transfer
from matting_keras.weights.presets import GRAY_TWINS


def average(
    sources: Sequence[str | os.PathLike], shares: Sequence[float] | None = None
) -> keras.Model:
    """Average the weights of networks that were trained from one start.

    Fine-tuned from the same weights, they lie in one basin of the loss, in whose middle the errors
    that each run made for itself cancel: the average is often better than each, and keeps what an
    earlier one knew and a later one forgot. Networks that began at different random weights
    have nothing in common, and their average finds nobody: score it before you use it. Statistics
    of norms are averaged like all weights.

    Among colour networks a gray twin counts as the colour network that it is the same as.

    Source: Wortsman et al. 2022, "Model soups", arXiv 2203.05482, and "Robust fine-tuning of
    zero-shot models", arXiv 2109.01903.

    Args:
        sources: .keras files or presets' names, of one architecture in one form.
        shares: what each counts, above 0; only their ratios matter. None: all the same.

    Returns:
        The average, in the form of the sources, not compiled.

    Raises:
        InputError: fewer than two sources, shares that do not fit them, a file that cannot be
            loaded, or networks that differ.

    Example:
        >>> average(["dark-light", "dark-light"], [0.3, 0.7]).name
        'dark-light'
    """
    if len(sources) < 2:
        raise InputError(f"{len(sources)} networks to average; name two or more.")
    shares = np.ones(len(sources)) if shares is None else np.array(shares, "float64")
    if len(shares) != len(sources):
        raise InputError(f"{len(shares)} shares for {len(sources)} networks; give one each.")
    if not (np.isfinite(shares).all() and (shares > 0).all()):
        raise InputError(f"shares {shares.tolist()}: each must be a number above 0.")
    shares = shares / shares.sum()
    models = _in_colour([load(source) for source in sources])
    averaged = models[0]
    for source, other in zip(sources[1:], models[1:], strict=True):
        _check_same(averaged, other, f"{source} and {sources[0]}")
    for weight, *others in zip(*(model.weights for model in models), strict=True):
        parts = zip((weight, *others), shares, strict=True)
        weight.assign(sum(_share(*part) for part in parts).astype("float32"))
    return averaged


def _in_colour(models: list[keras.Model]) -> list[keras.Model]:
    """The same models, gray ones as the colour twin that is among them."""
    colour = next((model for model in models if model.name in GRAY_TWINS), None)
    if colour is None:
        return models
    return [
        _tinted(model, colour) if model.name == GRAY_TWINS[colour.name] else model
        for model in models
    ]


def _tinted(gray: keras.Model, colour: keras.Model) -> keras.Model:
    tinted = keras.models.clone_model(colour)
    transfer(gray, tinted)
    return tinted


def _share(weight: keras.Variable, part: float) -> np.ndarray:
    """A part of a weight, in float64, so that the order of the sources does not matter."""
    return np.asarray(keras.ops.convert_to_numpy(weight), "float64") * part


def _check_same(first: keras.Model, other: keras.Model, which: str) -> None:
    """Refuse networks of which a weight of one has no counterpart in the other."""
    if other.name != first.name:
        raise InputError(
            f"{which}: one is {other.name!r}, the other {first.name!r}; only weights of one "
            "network have an average."
        )
    forms = [[(w.path, tuple(w.shape)) for w in model.weights] for model in (first, other)]
    if forms[0] != forms[1]:
        pairs = zip_longest(*forms, fillvalue=("nothing", ()))
        ours, theirs = next(pair for pair in pairs if pair[0] != pair[1])
        raise InputError(
            f"{which}: have other layers or blocks, first {theirs[0]} {theirs[1]} and {ours[0]} "
            f"{ours[1]}; average networks in the form in which they were trained, not one of them "
            "fused or exported."
        )
