import csv
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from matting_keras import build, metrics
from matting_keras.architectures import ARCHITECTURES
from matting_keras.architectures.dusk import BACKBONE
from matting_keras.data.strengths import AugmentConfig
from matting_keras.errors import InputError
from matting_keras.training import callbacks, precision, tensorboard
from matting_keras.training.checkpoint import Checkpoint
from matting_keras.training.command import overrides, parser, read_config
from matting_keras.training.config import DataConfig, RunConfig, TrainerConfig, check
from matting_keras.training.flags import parsed
from matting_keras.training.losses import AlphaLoss
from matting_keras.training.metrics import AlphaMeanIoU
from matting_keras.training.optimizers import optimizer
from matting_keras.training.setup import starting_model
from matting_keras.weights.convert import to_pytorch
from matting_keras.weights.files import save
from tests.networks import lively
from tests.places import ROOT

CONFIGS = ROOT / "train" / "configs"


def configured(line: str):
    return read_config(CONFIGS, overrides(parser().parse_args(line.split())))


def test_crossentropy_by_hand():
    truth = np.array([1.0, 0.0, 0.3]).reshape(1, 1, 3, 1)
    guess = np.array([0.8, 0.1, 0.3]).reshape(1, 1, 3, 1)
    soft = -(0.3 * np.log(0.3) + 0.7 * np.log(0.7))
    expected = (-np.log(0.8) - np.log(0.9) + soft) / 3
    assert float(AlphaLoss()(truth, guess)) == pytest.approx(expected, rel=1e-5)


def test_difference_by_hand():
    truth, guess = np.full((1, 1, 1, 1), 1.0), np.full((1, 1, 1, 1), 0.8)
    loss = AlphaLoss(crossentropy=0.5, difference=3.0)
    assert float(loss(truth, guess)) == pytest.approx(-0.5 * np.log(0.8) + 3 * 0.2, rel=1e-5)
    again = AlphaLoss.from_config(loss.get_config())
    assert float(again(truth, guess)) == float(loss(truth, guess))


def test_crossentropy_is_least_at_a_soft_truth():
    truth = np.full((1, 1, 1, 1), 0.3)
    at = {p: float(AlphaLoss()(truth, np.full((1, 1, 1, 1), p))) for p in (0.2, 0.3, 0.4)}
    assert min(at, key=at.get) == 0.3


def test_crossentropy_of_certain_errors_is_finite_in_half_precision():
    loss = AlphaLoss()
    value = loss(np.ones((1, 2, 2, 1)), tf.zeros((1, 2, 2, 1), tf.float16))
    assert value.dtype == tf.float32
    assert np.isfinite(float(value))


def test_mean_iou_of_two_batches_is_that_of_their_pixels_together():
    rng = np.random.default_rng(0)
    truth, guess = rng.uniform(0, 1, (2, 4, 8, 8, 1)).astype("float32")
    metric = AlphaMeanIoU()
    for part in (slice(0, 1), slice(1, 4)):
        metric.update_state(truth[part], guess[part])
    expected = metrics.mean_iou(*metrics.confusion(truth, guess))
    assert float(metric.result()) == pytest.approx(expected, rel=1e-5)
    metric.reset_state()
    metric.update_state(truth, truth)
    assert float(metric.result()) == pytest.approx(1.0)


def test_mean_iou_against_keras_own():
    rng = np.random.default_rng(1)
    truth, guess = rng.uniform(0, 1, (2, 1, 16, 16, 1))
    theirs = keras.metrics.MeanIoU(2)
    theirs.update_state(truth > 0.5, guess > 0.5)
    assert metrics.picture_iou(truth, guess) == pytest.approx(float(theirs.result()), rel=1e-6)


def test_figures_by_hand():
    truth, guess = np.array([[1.0, 0.0], [0.5, 0.0]]), np.array([[0.5, 0.0], [0.5, 1.0]])
    assert metrics.mad(truth, guess) == pytest.approx(1.5 / 4)
    assert metrics.mse(truth, guess) == pytest.approx(1.25 / 4)
    assert metrics.sad(truth, guess) == pytest.approx(1.5 / 1000)
    assert metrics.picture_iou(np.zeros((2, 2)), np.zeros((2, 2))) == 1


@pytest.mark.parametrize(
    ("gpu", "native", "flags", "expected"),
    [
        (True, False, ("auto", "auto"), ("mixed_float16", True)),
        (False, True, ("auto", "auto"), ("mixed_bfloat16", False)),
        (False, False, ("auto", "auto"), ("float32", False)),
        (False, False, ("mixed_float16", "auto"), ("mixed_float16", True)),
        (False, False, ("float32", "on"), ("float32", True)),
        (True, False, ("auto", "off"), ("mixed_float16", False)),
    ],
)
def test_precision_follows_the_machine(monkeypatch, gpu, native, flags, expected):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["gpu"] * gpu)
    monkeypatch.setattr(precision, "_multiplies_bfloat16", lambda: native)
    assert precision.resolve(*flags) == expected


def test_unknown_precision_and_jit():
    with pytest.raises(InputError, match="--precision must be one of auto, float32"):
        precision.resolve("half", "auto")
    with pytest.raises(InputError, match="--jit must be one of auto, on, off"):
        precision.resolve("auto", "yes")


def test_flags_reach_the_configuration(tmp_path):
    odd = tmp_path / "it's, a = folder"
    odd.mkdir()
    flags = parser().parse_args(
        ["--arch", "night", "--data", str(odd), "/b", "trainer.epochs=3", "--jit", "off"]
    )
    config = read_config(CONFIGS, overrides(flags))
    assert config.arch.name == "night"
    assert config.data.folders == [str(odd), "/b"]
    assert config.trainer.epochs == 3
    assert config.trainer.jit == "off"
    assert config.output == "runs/night"
    assert not config.trainer.resume


def test_the_later_of_two_words_counts_wherever_flags_stand():
    line = "--recipe modnet --data /a trainer.epochs=3 seed=1 --arch modnet trainer.epochs=6 seed=2"
    config = read_config(CONFIGS, overrides(parsed(parser(), line.split())))
    assert (config.trainer.epochs, config.seed) == (6, 2)
    assert config.data.folders == ["/a"]


def test_a_setting_is_dropped_among_folders_as_well():
    line = "--recipe likeunet --data /a ~recipe.optimizer.amsgrad recipe.optimizer.name=muon"
    config = configured(line)
    assert config.data.folders == ["/a"]
    assert config.recipe.optimizer == {"name": "muon"}


def test_an_optimizer_refuses_what_it_does_not_know_and_says_how_to_drop_it():
    recipe = configured("--recipe likeunet recipe.optimizer.name=sgd").recipe
    with pytest.raises(InputError, match=r"'sgd' has no setting 'amsgrad'.*~recipe.optimizer.ams"):
        optimizer(recipe, TrainerConfig(), 10)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--arch darker", "no arch 'darker'; did you mean 'dark'. Known: dark, dark-light"),
        ("--recipe nothing", "no recipe 'nothing'. Known: cyclical, easy-to-hard"),
        ("trainer.epoch=3", "no setting 'trainer.epoch'; did you mean 'trainer.epochs'"),
        ("+trainer.gamma=3", r"no setting 'trainer.gamma'\. Known: trainer\.epochs, "),
        ("trainers=smoke", "no setting 'trainers'; did you mean 'trainer'"),
        ("trainer.epochs=many", r"trainer\.epochs=many\nValue 'many'.* to Integer$"),
        ("trainer.epochs=[1", r"mismatched|no viable|token"),
    ],
)
def test_what_the_configuration_does_not_know(line, message):
    with pytest.raises(InputError, match=message):
        configured(line)


@pytest.mark.parametrize("zoom", [(0.0, 1.2), (-1.0, 1.0), (1.3, 0.5), (0.5,), (0.5, 1.0, 1.5)])
def test_a_zoom_that_cannot_be_is_refused_before_anything_is_loaded(zoom):
    config = RunConfig(data=DataConfig(augment=AugmentConfig(zoom=zoom)))
    with pytest.raises(InputError, match=r"data\.augment\.zoom is the smallest and the largest"):
        check(config)
    check(RunConfig(data=DataConfig(augment=AugmentConfig(zoom=(1.0, 1.0)))))


@pytest.mark.parametrize("stray", [-0.1, 1.5, float("nan")])
def test_strays_that_cannot_be_are_refused(stray):
    with pytest.raises(InputError, match=r"data\.stray is a share of the photos"):
        check(RunConfig(data=DataConfig(stray=stray)))


def test_a_networks_own_options_can_be_set():
    config = configured("--arch u2netp arch.options.input_norm=half arch.asymmetric=true")
    assert config.arch.options == {"input_norm": "half"}
    assert starting_model(config).get_layer("scale").scale[0] == pytest.approx(2 / 255)


def test_frozen_layers_keep_their_weights():
    config = configured("--arch dark-light arch.frozen=[stem,'conv[12]','conv[12]_norm']")
    model = starting_model(config)
    frozen = {layer.name for layer in model.layers if layer.weights and not layer.trainable}
    assert frozen == {"stem", "conv1", "conv1_norm", "conv2", "conv2_norm"}
    before = [np.array(weight) for weight in model.get_layer("conv2_norm").weights]
    model.compile("sgd", AlphaLoss(), run_eagerly=True)
    x = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 1)).astype("float32")
    model.train_on_batch(x, (x > 128).astype("float32"))
    for weight, old in zip(model.get_layer("conv2_norm").weights, before, strict=True):
        np.testing.assert_array_equal(np.array(weight), old)


def test_dusk_begins_with_a_published_modnets_backbone(tmp_path):
    source = lively("modnet")
    to_pytorch(source, tmp_path / "modnet.pth")
    model = starting_model(configured(f"--arch dusk --weights {tmp_path}/modnet.pth"))
    shared = [layer for layer in model.layers if layer.weights and layer.name.startswith(BACKBONE)]
    assert len(shared) == 2 * 48
    for layer in shared:
        for ours, theirs in zip(layer.weights, source.get_layer(layer.name).weights, strict=True):
            np.testing.assert_array_equal(np.array(ours), np.array(theirs))


def test_dawn_begins_with_the_selfie_network(tmp_path):
    source = lively("selfie")
    save(source, tmp_path / "selfie.keras")
    model = starting_model(configured(f"--arch dawn --weights {tmp_path}/selfie.keras"))
    own = {"narrow", "stem", "head", "alpha"}
    shared = [layer for layer in model.layers if layer.weights and layer.name not in own]
    assert len(shared) == 43 + 11
    for layer in shared:
        for ours, theirs in zip(layer.weights, source.get_layer(layer.name).weights, strict=True):
            np.testing.assert_array_equal(np.array(ours), np.array(theirs))


@pytest.mark.parametrize(
    "pattern, message",
    [
        ("[cnov1]", r"no layer of 'dark-light' is called 'cnov1'; there are stem, conv1, conv1_n"),
        ("['*']", r"arch\.frozen: \* leaves nothing to learn"),
    ],
)
def test_patterns_that_freeze_nothing_or_all_are_refused(pattern, message):
    with pytest.raises(InputError, match=message):
        starting_model(configured(f"--arch dark-light arch.frozen={pattern}"))


def test_every_network_is_known_to_the_command():
    for name in ARCHITECTURES:
        assert configured(f"--arch {name}").arch.name == name


def compiled(seed: int = 0, **options) -> keras.Model:
    keras.utils.set_random_seed(seed)
    image = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(1, 3, padding="same")(image)
    # Dropout has a state of its own, which a resumed run must find again.
    model = keras.Model(image, keras.layers.Dropout(0.3)(x), name="small")
    adam = keras.optimizers.Adam(1e-2, amsgrad=True, **options)
    model.compile(adam, "mse", run_eagerly=True)
    model.optimizer.build(model.trainable_variables)
    return model


def test_checkpoint_restores_weights_and_optimizer(tmp_path):
    x = np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype("float32")
    model, checkpoint = compiled(), Checkpoint(tmp_path)
    checkpoint.set_model(model)
    model.train_on_batch(x, x)
    checkpoint.on_epoch_end(0, {"val_mIoU": 0.5})
    after = [float(model.train_on_batch(x, x)) for _ in range(3)]
    other, again = compiled(seed=9), Checkpoint(tmp_path)
    assert again.restore(other) == 1
    assert again.best == 0.5
    assert [float(other.train_on_batch(x, x)) for _ in range(3)] == after


def test_averages_are_validated_and_saved_and_learning_goes_on_without_them(tmp_path):
    x = np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype("float32")
    model, checkpoint = compiled(use_ema=True, ema_momentum=0.5), Checkpoint(tmp_path)
    validation = callbacks.AveragedValidation()
    for callback in (checkpoint, validation):
        callback.set_model(model)
    seen = []
    for _ in range(3):
        model.train_on_batch(x, x)
        seen.append(model.get_weights()[0])
    wanted = seen[0] / 4 + seen[1] / 4 + seen[2] / 2
    validation.on_test_begin()
    np.testing.assert_allclose(model.get_weights()[0], wanted, atol=1e-6)
    validation.on_test_end()
    checkpoint.on_epoch_end(0, {"val_mIoU": 0.5})
    np.testing.assert_array_equal(model.get_weights()[0], seen[2])
    best = keras.saving.load_model(tmp_path / "best.keras", compile=False)
    np.testing.assert_allclose(best.get_weights()[0], wanted, atol=1e-6)
    other = compiled(seed=9, use_ema=True, ema_momentum=0.5)
    Checkpoint(tmp_path).restore(other)
    np.testing.assert_array_equal(other.get_weights()[0], seen[2])
    with callbacks.averaged(other):
        np.testing.assert_allclose(other.get_weights()[0], wanted, atol=1e-6)


def test_only_a_better_model_replaces_the_best(tmp_path):
    model, checkpoint = compiled(), Checkpoint(tmp_path)
    checkpoint.set_model(model)
    checkpoint.on_epoch_end(0, {"val_mIoU": 0.5})
    best = (tmp_path / "best.keras").read_bytes()
    model.set_weights([w + 1 for w in model.get_weights()])
    checkpoint.on_epoch_end(1, {"val_mIoU": 0.4})
    assert (tmp_path / "best.keras").read_bytes() == best
    checkpoint.on_epoch_end(2, {"val_mIoU": 0.6})
    assert (tmp_path / "best.keras").read_bytes() != best


def test_state_of_another_network_is_refused(tmp_path):
    checkpoint = Checkpoint(tmp_path)
    checkpoint.set_model(compiled())
    checkpoint.on_epoch_end(0, {})
    model = build("dark-light")
    model.compile(keras.optimizers.Adam(), "mse")
    model.optimizer.build(model.trainable_variables)
    with pytest.raises(InputError, match="was written by 'small' with other settings"):
        checkpoint.restore(model)


def test_log_drops_lines_that_are_done_again(tmp_path):
    path = tmp_path / "log.csv"
    first = callbacks.CsvLog(path)
    for epoch in range(3):
        first.on_epoch_end(epoch, {"loss": epoch})
    second = callbacks.CsvLog(path, first_epoch=2)
    second.on_train_begin()
    second.on_epoch_end(2, {"loss": 9.0})
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["epoch"], row["loss"]) for row in rows] == [("1", "0"), ("2", "1"), ("3", "9")]


def test_strips_show_photo_truth_prediction_error():
    images = np.full((1, 2, 3, 1), 255.0)
    alphas, predicted = np.ones((1, 2, 3, 1)), np.full((1, 2, 3, 1), 0.25)
    strip = tensorboard.strips(images, alphas, predicted)
    assert strip.shape == (1, 2, 12, 3)
    assert strip[0, 0, ::3, 0].tolist() == [1, 1, 0.25, 0.75]


def test_output_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"--output .*file/run: cannot be made"):
        callbacks.ensure_folder(tmp_path / "file" / "run")


def test_configuration_is_json():
    from dataclasses import asdict

    json.dumps(asdict(configured("--arch dark")))


def test_metric_and_loss_come_back_from_their_configuration():
    assert AlphaMeanIoU.from_config(AlphaMeanIoU().get_config()).name == "mIoU"
    assert AlphaLoss.from_config(AlphaLoss(difference=2.0).get_config()).difference == 2.0
