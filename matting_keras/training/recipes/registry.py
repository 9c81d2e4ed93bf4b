"""Every recipe's loss by name, and which network each can train."""

from __future__ import annotations

import inspect

from matting_keras.architectures.registry import ARCHITECTURES
from matting_keras.errors import InputError
from matting_keras.training.recipes.cyclical import CyclicalLoss
from matting_keras.training.recipes.easy_to_hard import EasyToHardLoss
from matting_keras.training.recipes.likeunet import LikeUnetLoss
from matting_keras.training.recipes.loss import RecipeLoss, side_names
from matting_keras.training.recipes.modnet import ModnetLoss
from matting_keras.training.recipes.modnet_soc import ModnetSocLoss
from matting_keras.training.recipes.portrait import PortraitLoss

RECIPES: dict[str, type[RecipeLoss]] = {
    "likeunet": LikeUnetLoss,
    "portrait": PortraitLoss,
    "cyclical": CyclicalLoss,
    "easy-to-hard": EasyToHardLoss,
    "modnet": ModnetLoss,
    "modnet-soc": ModnetSocLoss,
}

_SCALES = ("alpha", *(f"side{number}" for number in range(1, 7)))
_OUTPUTS = {
    "u2net": _SCALES,
    "u2netp": _SCALES,
    "modnet": ("alpha", "semantic", "detail"),
}


def recipe_loss(name: str, **options) -> RecipeLoss:
    """Make a recipe's loss.

    Args:
        name: a key of `RECIPES`.
        **options: arguments of that loss; the published numbers without them.

    Raises:
        InputError: an unknown name or option.

    Example:
        >>> recipe_loss("portrait", unknown=5.0).unknown
        5.0
    """
    if name not in RECIPES:
        raise InputError(f"--recipe must be one of {', '.join(RECIPES)}, got {name!r}.")
    known = inspect.signature(RECIPES[name]).parameters
    for option in options:
        if option not in known:
            raise InputError(
                f"the loss of recipe {name!r} has no option {option!r}; it takes "
                f"{', '.join(known)}."
            )
    return RECIPES[name](**options)


def training_outputs(network: str) -> tuple[str, ...]:
    """The outputs of a network's training form.

    Args:
        network: a key of `ARCHITECTURES`.
    """
    return _OUTPUTS.get(network, ("alpha",))


def networks_for(recipe: str) -> list[str]:
    """The networks a recipe can train."""
    needs = set(RECIPES[recipe].needs)
    return [network for network in ARCHITECTURES if needs <= set(training_outputs(network))]


def check_pair(recipe: str, network: str) -> None:
    """Refuse a recipe that asks for outputs which the network does not have.

    Nothing is built or loaded for it.

    Raises:
        InputError: with the networks that this recipe can train and the recipes that can train
            this network.

    Example:
        >>> check_pair("modnet", "dark")
        Traceback (most recent call last):
        matting_keras.errors.InputError: recipe 'modnet' needs the outputs semantic, detail, ...
    """
    missing = [n for n in RECIPES[recipe].needs if n not in training_outputs(network)]
    if missing:
        others = [name for name in RECIPES if network in networks_for(name)]
        raise InputError(
            f"recipe {recipe!r} needs the outputs {', '.join(missing)}, which {network!r} does "
            f"not have. It trains {', '.join(networks_for(recipe))}; {network!r} is trained by "
            f"{', '.join(others)}."
        )


def needs_training_form(loss: RecipeLoss, network: str) -> bool:
    """Whether a network is to be built with `training=True` for a loss.

    Example:
        >>> needs_training_form(recipe_loss("portrait"), "u2net")
        True
        >>> needs_training_form(recipe_loss("portrait"), "modnet")
        False
    """
    sides = bool(loss.sides) and bool(side_names(training_outputs(network)))
    return sides or len(loss.needs) > 1
