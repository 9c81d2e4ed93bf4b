import numpy as np
import pytest
from scipy import ndimage

from matting_keras.data.trimap import trimap, unknown_band
from matting_keras.errors import InputError


def test_the_band_lies_along_a_hard_edge_on_both_sides():
    alpha = np.zeros((40, 60), "float32")
    alpha[:, 30:] = 1
    band = unknown_band(alpha, reach=5)
    assert band[:, 25:35].all()
    assert not band[:, :25].any()
    assert not band[:, 35:].any()


def test_the_band_holds_all_that_is_soft():
    rng = np.random.default_rng(0)
    alpha = ndimage.gaussian_filter((rng.random((80, 80)) > 0.5).astype("float32"), 4)
    alpha = np.clip((alpha - 0.5) * 12 + 0.5, 0, 1)
    band = unknown_band(alpha)
    assert band[(alpha > 0.06) & (alpha < 0.94)].all()
    certain = alpha[~band]
    assert ((certain <= 0.05) | (certain >= 0.95)).all()


def test_the_band_is_as_wide_as_the_distance_says():
    rows, columns = np.mgrid[0:101, 0:101]
    away = np.hypot(rows - 50, columns - 50)
    band = unknown_band((away <= 30).astype("float32"), reach=6)
    assert band[np.abs(away - 30.5) < 5].all()
    assert not band[np.abs(away - 30.5) > 7].any()


@pytest.mark.parametrize("value", [0, 1])
def test_an_even_alpha_has_no_band(value):
    alpha = np.full((20, 30), value, "float32")
    assert not unknown_band(alpha).any()
    assert (trimap(alpha) == 255 * value).all()


def test_an_alpha_soft_all_over_is_all_band():
    assert unknown_band(np.full((20, 30), 0.5, "float32"), reach=0).all()


def test_the_default_reach_grows_with_the_picture():
    widths = []
    for side in (50, 100, 1000):
        alpha = np.zeros((side, side), "float32")
        alpha[:, side // 2 :] = 1
        widths.append(unknown_band(alpha)[0].sum())
    assert widths == [4, 4, 40]


def test_a_trimap_keeps_certain_person_and_background():
    alpha = np.zeros((40, 60), "float32")
    alpha[:, 30:] = 1
    values = trimap(alpha, reach=3)
    assert values.dtype == np.uint8
    assert values[0, [0, 26, 27, 32, 33, 59]].tolist() == [0, 0, 128, 128, 255, 255]


def test_what_is_no_alpha_is_refused():
    with pytest.raises(InputError, match=r"made of an alpha \(height, width\), got \(4, 4, 1\)"):
        unknown_band(np.zeros((4, 4, 1)))
    with pytest.raises(InputError, match="0 or more, got -1"):
        unknown_band(np.zeros((4, 4)), reach=-1)
