import numpy as np
import pytest

from matting_keras.changes import CHANGES, SHADE, changed
from matting_keras.data.sample import Sample
from matting_keras.errors import InputError


def only(change: str, image: np.ndarray, alpha: np.ndarray, number: int = 0):
    samples = [Sample(str(n), lambda: (image, alpha), str(n)) for n in range(number + 1)]
    return changed(samples, change)[number].read()


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("size", [(240, 320), (301, 203), (3, 2)])
def test_size_and_kind_stay_and_the_same_number_is_changed_alike(change, size):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), "uint8")
    alpha = np.random.default_rng(1).uniform(0, 1, size).astype("float32")
    first, again, other = (only(change, image, alpha, number) for number in (2, 2, 3))
    assert first[0].shape == image.shape and first[0].dtype == np.uint8
    assert first[1].shape == alpha.shape and first[1].dtype == np.float32
    np.testing.assert_array_equal(first[0], again[0])
    if min(size) > 3:
        assert np.abs(first[0].astype(float) - image).mean() > 1
        assert change in ("blurred", "small") or (first[0] != other[0]).any()


def test_alpha_turns_with_its_photo():
    alpha = np.zeros((80, 60), "float32")
    alpha[10:50, 20:45] = 1
    image = np.repeat(np.uint8(255 * alpha)[..., None], 3, -1)
    for number in (0, 1):
        turned, truth = only("rotated", image, alpha, number)
        np.testing.assert_allclose(turned[..., 0] / 255, truth, atol=0.02)
        assert 0.05 < np.abs(truth - alpha).mean() < 0.3
    assert (
        only("rotated", image, alpha, 0)[1][20, 20] != only("rotated", image, alpha, 1)[1][20, 20]
    )


def test_one_side_is_in_the_shade():
    image, alpha = np.full((4, 90, 3), 200, "uint8"), np.zeros((4, 90), "float32")
    for number, bright in ((0, 0), (1, -1)):
        columns = only("half-lit", image, alpha, number)[0][0, :, 0]
        assert columns[bright] == 200 and columns[-1 - bright] == round(200 * SHADE)
        assert np.abs(np.diff(columns.astype(int))).max() < 6


def test_an_unknown_change_is_named():
    with pytest.raises(InputError, match="no change 'foggy'; there are rotated, half-lit"):
        changed([], "foggy")
