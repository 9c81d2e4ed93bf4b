import keras
import numpy as np
import pytest

from matting_keras import build
from matting_keras.data import sources
from matting_keras.data.augment import AugmentConfig
from matting_keras.data.band import unknown
from matting_keras.data.pipeline import training_batches, validation_batches
from matting_keras.data.store import check
from matting_keras.data.trimap import unknown_band
from matting_keras.errors import InputError
from matting_keras.training.checkpoint import Checkpoint
from matting_keras.training.command import overrides, parser, read_config
from matting_keras.training.learner import Learner
from matting_keras.training.recipes.registry import RECIPES, check_pair, recipe_loss
from matting_keras.training.recipes.target import check_target
from matting_keras.training.setup import starting_model
from tests.places import ROOT
from tests.toy import toy

SHAPES = [(64, 64)]


@pytest.fixture(scope="module")
def drawn():
    return check(sources.synthetic(8, 1, SHAPES), channels=1, area=4096, quiet=True)


def targets(drawn, **options):
    batches = training_batches(
        drawn.store, drawn.sizes, SHAPES, 4, seed=5, config=AugmentConfig(), targets=True, **options
    )
    return batches.as_numpy_iterator()


def test_targets_are_what_the_recipes_read(drawn):
    for _, (image, target) in zip(range(3), targets(drawn), strict=False):
        check_target({"image": image, **target})
        assert (target["refined"] == 1).all()
        assert 0 < target["unknown"].mean() < 0.9
    held = validation_batches(drawn.store, drawn.sizes, SHAPES, 4, targets=True)
    image, target = next(held.as_numpy_iterator())
    check_target({"image": image, **target})
    np.testing.assert_array_equal(target["unknown"][1], unknown(target["alpha"][1]))


def test_rough_masks_are_marked_until_they_are_composited(drawn, monkeypatch):
    from dataclasses import replace

    store = drawn.store.subset(range(8))
    store.samples = [replace(sample, rough=i % 2 == 0) for i, sample in enumerate(store.samples)]
    still = replace(AugmentConfig(), composite=0.0, empty=0.0)
    scenes = check(sources.synthetic(2, 90, SHAPES), channels=1, area=4096, quiet=True).store
    options = {"seed": 0, "scenes": scenes, "targets": True}
    seen = []
    for composite in (0.0, 1.0):
        config = replace(still, composite=composite)
        batches = training_batches(store, drawn.sizes, SHAPES, 8, config=config, **options)
        seen.append(next(batches.as_numpy_iterator())[1]["refined"].sum())
    assert seen == [4, 8]


def test_the_band_is_the_trimaps_with_square_corners(drawn):
    for sample in drawn.store.samples[:4]:
        alpha = sample.read()[1]
        ours = unknown(alpha[..., None]).numpy()[..., 0] > 0
        round_, wide = unknown_band(alpha, 2), unknown_band(alpha, 2 * 2**0.5 + 0.1)
        assert (ours | ~round_).all(), "at least the round band"
        assert (wide | ~ours).all(), "no further than its corners"


@pytest.mark.parametrize("recipe", ["likeunet", "portrait", "cyclical", "easy-to-hard"])
def test_a_recipe_lowers_its_loss(drawn, recipe):
    keras.utils.set_random_seed(1)
    loss = recipe_loss(recipe)
    batch = next(targets(drawn))
    learner = Learner(toy(), loss, batch)
    learner.compile(keras.optimizers.Adam(3e-3), run_eagerly=True)
    logs = [learner.train_on_batch(*batch, return_dict=True) for _ in range(12)]
    assert {"loss", "mIoU", "MAD"} <= set(logs[0])
    losses = []
    for _ in range(2):
        learner.reset_metrics()
        losses.append(float(learner.train_on_batch(*batch, return_dict=True)["loss"]))
    assert losses[-1] < float(logs[0]["loss"])


def test_every_part_of_a_loss_is_logged(drawn):
    batch = next(targets(drawn))
    learner = Learner(build("dark-light"), recipe_loss("likeunet", difference=1.0), batch)
    learner.compile(keras.optimizers.Adam(1e-4), run_eagerly=True)
    logs = learner.test_on_batch(*batch, return_dict=True)
    assert float(logs["loss"]) == pytest.approx(
        float(logs["crossentropy"]) + float(logs["difference"]), rel=1e-5
    )
    assert float(logs["difference"]) == pytest.approx(float(logs["MAD"]), rel=1e-5)


def test_what_is_kept_is_the_network(drawn, tmp_path):
    learner = Learner(build("dark-light"), recipe_loss("likeunet"), next(targets(drawn)))
    learner.compile(keras.optimizers.Adam(1e-4), run_eagerly=True)
    learner.optimizer.build(learner.trainable_variables)
    checkpoint = Checkpoint(tmp_path)
    checkpoint.set_model(learner)
    checkpoint.on_epoch_end(0, {"val_mIoU": 0.5})
    best = keras.saving.load_model(tmp_path / "best.keras", compile=False)
    assert best.output_shape == (None, None, None, 1)
    np.testing.assert_array_equal(best.get_weights()[0], learner.network.get_weights()[0])


def test_networks_get_the_form_that_their_recipe_needs():
    line = ["--arch", "u2netp", "--recipe", "portrait"]
    configs = ROOT / "train" / "configs"
    config = read_config(configs, overrides(parser().parse_args(line)))
    assert config.recipe.loss == "portrait"
    model = starting_model(config, recipe_loss("portrait"))
    assert set(model.output) == {"alpha", *(f"side{i}" for i in range(1, 7))}
    with pytest.raises(InputError, match="'dark-light' is trained by"):
        check_pair("modnet", "dark-light")


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_every_recipe_has_a_configuration(name):
    config = read_config(ROOT / "train" / "configs", [f"recipe={name}"])
    assert config.recipe.loss == name
    recipe_loss(config.recipe.loss, **config.recipe.options)
