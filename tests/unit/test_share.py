import numpy as np
import pytest

from matting_keras.data import sources
from matting_keras.data.augment import AugmentConfig
from matting_keras.data.order import plan
from matting_keras.data.packed.batches import HeldBatches, TrainingBatches
from matting_keras.data.packed.inputs import finite
from matting_keras.data.pipeline import training_batches, validation_batches
from matting_keras.data.share import ALL, Share
from matting_keras.data.store import Store, check

SHAPES = [(32, 32), (48, 24)]
BOTH = [Share(0, 2), Share(1, 2)]


@pytest.fixture(scope="module")
def drawn():
    return check(sources.synthetic(22, 1, SHAPES), channels=1, area=1024, quiet=True)


def training(drawn, share, first=0):
    made = training_batches(
        *(drawn.store, drawn.sizes, SHAPES, 4),
        **{"seed": 5, "config": AugmentConfig(), "first_step": first, "share": share},
    )
    return list(made.take(3).as_numpy_iterator())


@pytest.mark.parametrize("first", [0, 2])
def test_shares_make_up_the_batches_of_one_worker(drawn, first):
    parts = [training(drawn, share, first) for share in (*BOTH, ALL)]
    for (image, alpha), (rest, rest_alpha), (whole, whole_alpha) in zip(*parts, strict=True):
        assert len(image) == 2
        np.testing.assert_array_equal(whole, np.concatenate([image, rest]))
        np.testing.assert_array_equal(whole_alpha, np.concatenate([alpha, rest_alpha]))


def test_packed_shares_make_up_the_batches_of_one_worker(drawn):
    first, second, whole = (
        TrainingBatches(drawn.store, drawn.sizes, SHAPES, 4, seed=5, share=share)
        for share in (*BOTH, ALL)
    )
    for step in (0, 3):
        for name in ("canvas", "draw", "key", "rough", "hard"):
            rows = np.concatenate([first[step][name], second[step][name]])
            np.testing.assert_array_equal(whole[step][name], rows)


def test_no_photo_is_read_for_another_workers_rows(monkeypatch):
    asked: list[int] = []
    read = Store.__getitem__

    def note(self, index):
        asked.append(index)
        return read(self, index)

    many = check(sources.synthetic(160, 1, SHAPES[:1]), channels=1, area=1024, quiet=True)
    monkeypatch.setattr(Store, "__getitem__", note)
    made = training_batches(
        *(many.store, many.sizes, SHAPES, 4),
        **{"seed": 5, "config": AugmentConfig(), "share": BOTH[1]},
    )
    assert len(list(made.take(2))) == 2
    planned = plan(np.zeros(160, int), 4, 5)
    mine = {int(index) for _ in range(40) for index in next(planned)[1][2:]}
    assert set(asked) <= mine, "of the first epoch, of which the pipeline makes a part in advance"


def test_validation_is_divided_by_whole_batches(drawn):
    def made(share):
        found = validation_batches(drawn.store, drawn.sizes, SHAPES, 4, share=share)
        return [image.shape[:3] for image, _ in found.as_numpy_iterator()]

    whole, first, second = map(made, (ALL, *BOTH))
    assert len(whole) == 6
    assert [first[0], second[0], first[1], second[1], first[2], second[2]] == whole
    held = HeldBatches(drawn.store, drawn.sizes, SHAPES, 4)
    parts = [[batch["placed"].shape[:3] for (batch,) in finite(held, share)] for share in BOTH]
    assert parts == [first, second]


def test_a_worker_may_have_nothing_to_validate(drawn):
    eighth = validation_batches(drawn.store, drawn.sizes, SHAPES, 4, share=Share(7, 8))
    assert len(list(eighth)) == 0
