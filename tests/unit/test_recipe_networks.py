"""Which network goes with which recipe."""

import pytest

from matting_keras import build
from matting_keras.architectures import ARCHITECTURES
from matting_keras.errors import InputError
from matting_keras.training.recipes.registry import (
    RECIPES,
    check_pair,
    needs_training_form,
    networks_for,
    recipe_loss,
    training_outputs,
)


def test_modnet_outputs_are_known_without_building():
    assert networks_for("modnet") == networks_for("modnet-soc") == ["modnet"]
    assert networks_for("portrait") == list(ARCHITECTURES)
    for network in ("u2netp", "modnet"):
        options = {"backbone": None} if network == "modnet" else {}
        model = build(network, training=True, **options)
        assert set(model.output) == set(training_outputs(network))


def test_pairs_that_cannot_go_together_are_refused():
    for recipe in RECIPES:
        for network in networks_for(recipe):
            check_pair(recipe, network)
    with pytest.raises(InputError, match=r"semantic, detail.*It trains modnet; 'dark'.*portrait"):
        check_pair("modnet-soc", "dark")


def test_training_form_is_built_only_where_it_is_used():
    assert needs_training_form(recipe_loss("modnet"), "modnet")
    assert needs_training_form(recipe_loss("likeunet"), "u2net")
    assert not needs_training_form(recipe_loss("likeunet", sides=0), "u2net")
    assert not needs_training_form(recipe_loss("cyclical"), "night")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: recipe_loss("portait"), "--recipe must be one of likeunet, portrait"),
        (lambda: recipe_loss("cyclical", edge=2), "no option 'edge'; it takes boundary, sides"),
        (lambda: recipe_loss("easy-to-hard", stage=3), "stages 1 and 2"),
        (lambda: recipe_loss("easy-to-hard", form="l1"), "difference, crossentropy"),
    ],
)
def test_unknown_recipes_and_options(make, message):
    with pytest.raises(InputError, match=message):
        make()
