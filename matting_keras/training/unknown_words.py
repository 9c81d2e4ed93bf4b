"""What to say about words on a command line that no configuration knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from difflib import get_close_matches

OPEN = ("arch.options.", "recipe.options.", "recipe.schedule.", "recipe.optimizer.")
"""Keys below these are not known beforehand: they depend on what was chosen."""


def unknown(words: Sequence[str], choices: Mapping[str, Sequence[str]], schema: type) -> str | None:
    """Name the first word that is not known, what is closest to it, and what there is.

    Args:
        words: as group=choice or group.key=value.
        choices: what there is in each group.
        schema: dataclass of the whole configuration.

    Returns:
        None where every word is known; its value may be wrong all the same.

    Example:
        >>> from matting_keras.training.config import RunConfig
        >>> print(unknown(["trainer.epoch=3"], {}, RunConfig))
        there is no setting 'trainer.epoch'; did you mean 'trainer.epochs'?
    """
    settings = list(keys(schema))
    for word in words:
        key, _, value = word.lstrip("+~").partition("=")
        if key in choices:
            if value not in choices[key]:
                known = ", ".join(choices[key])
                return f"there is no {key} {value!r}{_closest(value, choices[key])} Known: {known}."
        elif key not in settings and not key.startswith(OPEN):
            # Names that share their group are alike already.
            near = _closest(key, settings if "." in key else [*settings, *choices], alike=0.8)
            group = key.partition(".")[0]
            inside = [name for name in settings if name.startswith(f"{group}.")]
            listed = f" Known: {', '.join(inside)}." if inside and near == "." else ""
            return f"there is no setting {key!r}{near}{listed}"
    return None


def keys(schema: type, prefix: str = "") -> Iterator[str]:
    """Every setting of nested dataclasses, as group.key."""
    for field in fields(schema):
        inner = field.default_factory
        if is_dataclass(inner):
            yield from keys(inner, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name


def _closest(word: str, known: Sequence[str], alike: float = 0.6) -> str:
    found = get_close_matches(word, known, n=1, cutoff=alike)
    return f"; did you mean {found[0]!r}?" if found else "."
