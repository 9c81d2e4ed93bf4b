import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from matting_keras.architectures.registry import ARCHITECTURES, Architecture
from matting_keras.data.synthetic import synthetic_portrait
from matting_keras.training.command import main, read_config
from matting_keras.training.interruption import Interruption
from matting_keras.training.recipes.modnet_soc import ModnetSocLoss
from matting_keras.training.self_supervised import BackUp, SelfTaught
from matting_keras.weights.files import save
from tests.clips import gray_clip
from tests.places import ROOT
from tests.run_folders import assert_same_log, assert_same_state, log
from tests.toy import toy_modnet
from tests.under_jax import run_under_jax

CONFIGS = ROOT / "train" / "configs"


def portraits(count: int = 4, first: int = 1) -> np.ndarray:
    drawn = [synthetic_portrait(first + i, 64, 64)[0] for i in range(count)]
    return np.stack(drawn).astype("float32")


def decided(seed: int = 1) -> keras.Model:
    """A network that sees something here and nothing there, so that there is a band between."""
    keras.utils.set_random_seed(seed)
    network = toy_modnet(training=True)
    for name in ("alpha", "semantic"):
        layer = network.get_layer(name)
        layer.kernel.assign(20 * layer.kernel)
    return network


def learner(target: dict | None = None) -> SelfTaught:
    taught = SelfTaught(decided(), ModnetSocLoss(), (portraits(2), target or {}))
    taught.compile(keras.optimizers.Adam(1e-3), run_eagerly=True)
    return taught


def batches(pictures: np.ndarray) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(pictures).batch(2).map(lambda image: (image, {}))


def values(variables) -> list[np.ndarray]:
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def same(one: list, other: list) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_it_learns_to_agree_with_itself():
    taught, pictures = learner(), portraits()
    logs = []
    for _ in range(13):
        taught.reset_metrics()
        logs.append(taught.train_on_batch(pictures, {}, return_dict=True))
    assert float(logs[-1]["semantic"]) < 0.2 * float(logs[0]["semantic"])
    assert float(logs[-1]["loss"]) < 0.2 * float(logs[0]["loss"])
    assert float(logs[0]["detail"]) == float(logs[0]["matte"]) == 0, "nothing differs yet"
    assert float(logs[-1]["detail"]) > 0
    assert float(logs[-1]["matte"]) > 0
    assert set(logs[0]) == {"loss", "semantic", "detail", "matte", "agreement"}
    assert float(logs[3]["agreement"]) == pytest.approx(-float(logs[3]["loss"]), rel=1e-6)


class Watch(keras.callbacks.Callback):
    """Keeps what backup and network are at the beginning of each epoch and after each step."""

    def __init__(self):
        super().__init__()
        self.begun, self.backups = [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.begun.append(values(self.model.network.weights))
        self.backups.append([])

    def on_train_batch_end(self, batch, logs=None):
        self.backups[-1].append(values(self.model.backup.weights))


def test_the_backup_is_what_each_epoch_began_with():
    taught, watch = learner(), Watch()
    taught.fit(
        batches(portraits()),
        epochs=3,
        shuffle=False,
        verbose=0,
        callbacks=[*taught.callbacks(), watch],
    )
    for begun, backups in zip(watch.begun, watch.backups, strict=True):
        assert len(backups) == 2
        assert all(same(begun, backup) for backup in backups)
    assert not same(watch.begun[0], watch.begun[1])
    assert not same(watch.begun[1], watch.begun[2])


def test_norms_keep_their_statistics_and_learn_their_scales():
    taught = learner()
    before = {weight.path: values([weight])[0] for weight in taught.network.weights}
    taught.fit(
        batches(portraits()), epochs=2, shuffle=False, verbose=0, callbacks=taught.callbacks()
    )
    for weight in taught.network.weights:
        moved = not np.array_equal(before[weight.path], values([weight])[0])
        assert moved == ("moving" not in weight.path), weight.path
    assert not taught.backup.trainable_variables


@pytest.mark.parametrize("level", [0.0, 127.0, 255.0])
@pytest.mark.parametrize("everywhere", [-30.0, 30.0])
def test_pictures_without_an_edge_give_no_nan(level, everywhere):
    taught = learner()
    for name in ("alpha", "semantic"):
        # Nobody is seen, or nothing else: the band is empty.
        taught.network.get_layer(name).bias.assign([everywhere])
    taught.back_up()
    for _ in range(3):
        logs = taught.train_on_batch(np.full((2, 64, 64, 3), level), {}, return_dict=True)
        assert all(np.isfinite(float(value)) for value in logs.values())
    assert all(np.isfinite(value).all() for value in values(taught.network.weights))


def test_a_truth_is_only_measured_against():
    taught, pictures = learner(), portraits(2)
    assert taught.monitor == "val_agreement"
    alpha = np.stack([synthetic_portrait(1 + i, 64, 64)[1] for i in range(2)])[..., None]
    truth = {"alpha": alpha, "unknown": np.ones_like(alpha), "refined": np.ones(2)}
    judged = learner(truth)
    assert judged.monitor == "val_mIoU"
    told = judged.test_on_batch(pictures, truth, return_dict=True)
    alone = taught.test_on_batch(pictures, {}, return_dict=True)
    assert set(told) - set(alone) == {"mIoU", "MAD", "band_MAD"}
    assert float(told["loss"]) == float(alone["loss"])
    predicted = keras.ops.convert_to_numpy(taught(pictures)["alpha"])
    assert float(told["MAD"]) == pytest.approx(np.abs(predicted - alpha).mean(), rel=1e-5)


UNDER_JAX = """
import keras, numpy as np
from matting_keras.training.recipes.modnet_soc import ModnetSocLoss
from matting_keras.training.self_supervised import SelfTaught
from tests.unit.test_self_supervised import Watch, batches, decided, portraits, same
assert keras.backend.backend() == "jax"
taught = SelfTaught(decided(), ModnetSocLoss(), (portraits(2), {}))
taught.compile(keras.optimizers.Adam(1e-3))
data, watch = batches(portraits()), Watch()
done = taught.fit(data, validation_data=data, epochs=4, shuffle=False, verbose=0,
                  callbacks=[*taught.callbacks(), watch])
assert done.history["val_loss"][-1] < 0.9 * done.history["val_loss"][0], done.history
assert done.history["val_agreement"][-1] == -done.history["val_loss"][-1]
assert not [name for name in done.history if "mIoU" in name]
begun = watch.begun
assert all(same(*pair) for pair in zip(begun, [b[-1] for b in watch.backups], strict=True))
assert not same(begun[0], begun[1])
"""


def test_under_jax():
    run_under_jax(UNDER_JAX)


def test_the_recipe_is_as_published_and_can_be_changed():
    config = read_config(CONFIGS, ["arch=modnet", "recipe=modnet-soc"])
    assert (config.trainer.epochs, config.trainer.batch_size) == (10, 1)
    assert config.recipe.learning_rate == 1e-5
    assert config.recipe.optimizer == {"name": "adam", "beta_1": 0.9, "beta_2": 0.99}
    assert config.recipe.options == {"semantic": 100.0, "detail": 1.0}
    assert config.data.augment.composite == config.data.augment.empty == 0
    assert config.data.augment.rotate > 0
    words = ["arch=modnet", "recipe=modnet-soc", "trainer.batch_size=3", "trainer.epochs=2"]
    assert read_config(CONFIGS, words).trainer.batch_size == 3
    assert read_config(CONFIGS, ["recipe=modnet"]).trainer.batch_size == 16


@pytest.fixture(scope="module", autouse=True)
def small():
    """MODNet is a toy."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(ARCHITECTURES, "modnet", Architecture(toy_modnet, 3, 64 * 64, "for tests"))
        yield


@pytest.fixture(scope="module")
def modnet(tmp_path_factory):
    """The weights to begin with."""
    path = tmp_path_factory.mktemp("weights") / "start.keras"
    save(decided(), path)
    return path


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder of pictures, without masks."""
    folder = tmp_path_factory.mktemp("some") / "photos"
    folder.mkdir()
    for i in range(12):
        Image.fromarray(synthetic_portrait(i, 64, 64)[0]).save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def whole(modnet, photos, tmp_path_factory):
    """A run that nothing stopped."""
    folder = tmp_path_factory.mktemp("whole")
    assert main(CONFIGS, line(modnet, photos, folder)) == 0
    return folder


def line(weights, data, output, *more: str) -> list[str]:
    return [
        *("--arch", "modnet", "--recipe", "modnet-soc", "--weights", str(weights)),
        *("--data", str(data), "--output", str(output), "data.area=4096", "data.ratios=[1.0]"),
        *("data.validation=0.3", "recipe.learning_rate=0.001", "trainer.batch_size=2"),
        *("trainer.epochs=3", "trainer.steps_per_epoch=4", "trainer.checkpoint_minutes=1e-9"),
        *more,
    ]


class Cut(Exception):
    """The process ends here, as far as a test is concerned."""


def cut_between(monkeypatch):
    """Ends a run at the beginning of its second epoch."""
    original = BackUp.on_epoch_begin

    def begin(self, epoch, logs=None):
        if epoch == 1:
            raise Cut
        original(self, epoch, logs)

    monkeypatch.setattr(BackUp, "on_epoch_begin", begin)


def cut_within(monkeypatch):
    """Ends a run in the middle of its second epoch."""
    original = Interruption.on_train_batch_end

    def end(self, batch, logs=None):
        original(self, batch, logs)
        if int(self.model.optimizer.iterations) == 6:
            raise Cut

    monkeypatch.setattr(Interruption, "on_train_batch_end", end)


def test_a_run_on_photos_alone_says_how_well_it_agrees(whole):
    rows = log(whole)
    assert rows[-1]["val_loss"] < rows[0]["val_loss"]
    assert all(row["val_agreement"] == -row["val_loss"] for row in rows)
    assert not {"mIoU", "val_mIoU"} & set(rows[0])
    best = keras.saving.load_model(whole / "best.keras", compile=False)
    assert set(best.output) == {"alpha", "semantic", "detail"}
    assert all(layer.trainable for layer in best.layers), "nothing stays frozen for others"


@pytest.mark.parametrize("cut", [cut_between, cut_within])
def test_a_resumed_run_is_as_one_that_never_stopped(
    cut, whole, modnet, photos, tmp_path, monkeypatch
):
    with monkeypatch.context() as patched:
        cut(patched)
        with pytest.raises(Cut):
            main(CONFIGS, line(modnet, photos, tmp_path))
    assert main(CONFIGS, [*line(modnet, photos, tmp_path), "--resume"]) == 0
    assert_same_log(whole, tmp_path)
    assert_same_state(whole, tmp_path)


def test_masks_are_validated_on_and_not_learned_from(modnet, pairs, photos, tmp_path):
    from matting_keras.training.photos import gather

    folder = pairs(8)
    for path in photos.iterdir():
        shutil.copy(path, folder / "images" / f"alone{path.name}")
    words = ["arch=modnet", "recipe=modnet-soc", f"data.folders=[{folder}]", "data.validation=0.4"]
    found = gather(read_config(CONFIGS, [*words, "data.area=1024"]))
    held = found.held.store.samples
    assert 0 < len(held) < 8
    assert all(sample.labelled for sample in held)
    assert len(found.train.store) == 20 - len(held)
    assert sum(not sample.labelled for sample in found.train.store.samples) == 12
    assert main(CONFIGS, line(modnet, folder, tmp_path / "run", "trainer.epochs=1")) == 0
    row = log(tmp_path / "run")[0]
    assert {"val_mIoU", "val_agreement", "val_band_MAD"} <= set(row)
    assert "mIoU" not in row


@pytest.fixture
def clip(tmp_path):
    return gray_clip(tmp_path / "clips" / "gray.mp4")


def test_a_video_trains_and_its_end_is_held_back(modnet, clip, tmp_path, caplog):
    words = line(modnet, clip, tmp_path / "run", "trainer.epochs=1", "data.frame_step=2")
    assert main(CONFIGS, words) == 0
    assert "held back are the last 4" in caplog.text
    assert log(tmp_path / "run")[0]["val_loss"] >= 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--weights", ""], "name a network that works already: --weights FILE"),
        (["--weights", "matte.keras"], "has no outputs semantic, detail"),
        (["--arch", "dark"], "needs the outputs semantic, detail"),
        (["--data", "nowhere"], "no such folder; expected one with pictures or videos"),
        (["--backgrounds", "scenes"], "without alpha cannot be put in front of other scenes"),
        (["data.frame_step=0"], "data.frame_step must be 1 or more"),
        (["--data", "clips", "data.memory=0"], "take fewer"),
    ],
)
def test_what_cannot_be_learned_from_is_said(
    more, message, modnet, photos, clip, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(photos, tmp_path / "scenes")
    save(toy_modnet(), tmp_path / "matte.keras")
    assert main(CONFIGS, [*line(modnet, photos, tmp_path / "run"), *more]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run" / "state.npz").exists()
