"""The one interface of all recipes' losses."""

from __future__ import annotations

from collections.abc import Mapping

from keras import ops

from matting_keras.errors import InputError

SIDE = "side"
"""Names of side outputs begin with it: side1, side2 ..."""


class RecipeLoss:
    """What a recipe minimises: `loss(target, outputs)` gives named parts, whose sum it is.

    Everything is computed in float32, whatever the network's precision. Subclasses say what they
    need of a network and of the data, and what the parts are.

    Args of a call:
        target: what `reads` names, of
            "image" (batch, height, width, channels), 0..255;
            "alpha" (batch, height, width, 1), 0..1;
            "unknown" (batch, height, width, 1), 1 inside the trimap's unknown band, else 0;
            "refined" (batch,), 1 where the alpha is soft and trusted, 0 for a rough mask.
            More may be there and is left alone.
        outputs: the network's dictionary, or {"alpha": ...} of a network with one output; each
            (batch, height, width, 1), 0..1, unless the recipe says otherwise.

    Returns of a call:
        A dictionary of float32 scalars. The names depend on settings and outputs, never on values.

    Raises on a call, from shapes alone, so also while a step is traced:
        InputError: something is missing, has not one channel, or is of another size.

    Attributes:
        needs: the outputs that a network must have.
        reads: the parts of the target that are used.
        sides: weight of each side output; 0 leaves them out. 0 too in recipes without them.
        supervised: whether photos need alphas. Where not, `self_supervised.SelfTaught` gives the
            loss a target of the network's own.
    """

    needs: tuple[str, ...] = ("alpha",)
    reads: tuple[str, ...] = ("alpha",)
    sides: float = 0.0
    supervised: bool = True

    def __call__(self, target: Mapping, outputs: Mapping) -> dict:
        target = self._cast(target, self.reads, "target")
        names = [*self.needs, *(side_names(outputs) if self.sides else ())]
        outputs = self._cast(outputs, names, "output")
        for name, value in outputs.items():
            if name != "semantic":
                _same_size(type(self).__name__, name, value, target["alpha"])
        return self.parts(target, outputs)

    def parts(self, target: dict, outputs: dict) -> dict:
        """The named parts, of tensors that are float32 and fit."""
        raise NotImplementedError

    def get_config(self) -> dict:
        """What `from_config` needs to make an equal loss."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: dict) -> RecipeLoss:
        return cls(**config)

    def _cast(self, given: Mapping, names, what: str) -> dict:
        cast = {}
        for name in names:
            if name not in given:
                raise InputError(
                    f"{type(self).__name__} needs the {what} {name!r}, but there is only "
                    f"{', '.join(sorted(given))}."
                )
            cast[name] = ops.cast(given[name], "float32")
            _well_formed(type(self).__name__, name, cast[name])
        return cast


class SidesLoss(RecipeLoss):
    """A loss that asks the same of every side output as of the alpha.

    The parts of the alpha have their own names, and each side output is one part under its own.
    """

    def terms(self, target: dict, alpha) -> dict:
        """The parts of one map."""
        raise NotImplementedError

    def parts(self, target: dict, outputs: dict) -> dict:
        parts = dict(self.terms(target, outputs["alpha"]))
        for name in side_names(outputs):
            parts[name] = self.sides * sum(self.side_terms(target, outputs[name]).values())
        return parts

    def side_terms(self, target: dict, alpha) -> dict:
        """The parts of a side output: those of the alpha, unless a recipe says otherwise."""
        return self.terms(target, alpha)


def side_names(outputs: Mapping) -> list[str]:
    """The side outputs among a network's outputs, in order."""
    return sorted(name for name in outputs if name.startswith(SIDE))


def _well_formed(loss: str, name: str, value) -> None:
    shape = tuple(value.shape)
    wanted = 1 if name == "refined" else 4
    if len(shape) != wanted:
        form = "(batch,)" if wanted == 1 else "(batch, height, width, channels)"
        raise InputError(f"{loss}: {name!r} must be {form}, got {shape}.")
    # An alpha of three channels would be broadcast against the network's one without a word.
    if wanted == 4 and name != "image" and shape[-1] not in (1, None):
        raise InputError(f"{loss}: {name!r} must have one channel, got {shape}.")


def _same_size(loss: str, name: str, value, alpha) -> None:
    for here, there in zip(value.shape[:3], alpha.shape[:3], strict=True):
        if None not in (here, there) and here != there:
            raise InputError(
                f"{loss}: the output {name!r} is {tuple(value.shape)} and the true alpha "
                f"{tuple(alpha.shape)}; both must be of one size."
            )
