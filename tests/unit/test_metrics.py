"""Scores against independent implementations and cases done by hand."""

import numpy as np
import pytest
from scipy import ndimage
from skimage import filters, measure

from matting_keras import metrics
from matting_keras.errors import InputError


def scenes() -> list[tuple[np.ndarray, np.ndarray]]:
    """Twenty pairs: soft edges, holes, islands, empty and full mattes, noise."""
    pairs = []
    for seed in range(16):
        rng = np.random.default_rng(seed)
        height, width = rng.integers(20, 70, 2)
        rows, columns = np.mgrid[:height, :width]
        away = np.hypot(rows - height / 2, columns - width / 2)
        truth = np.clip((min(height, width) / 3 - away) / (1 + seed % 5) + 0.5, 0, 1)
        if seed % 2:
            truth *= 1 - np.exp(-((rows - height / 2) ** 2 + (columns - width / 2) ** 2) / 20)
        alpha = np.clip(np.roll(truth, seed % 4, axis=1) + rng.normal(0, 0.08, truth.shape), 0, 1)
        if seed % 3 == 0:
            alpha[:4, :4] = rng.uniform(size=(4, 4))
        pairs.append((truth, alpha))
    empty, full = np.zeros((24, 31)), np.ones((24, 31))
    soft = pairs[0][0][:24, :31]
    soft = np.pad(soft, [(0, 24 - soft.shape[0]), (0, 31 - soft.shape[1])])
    pairs += [(empty, full), (full, full), (empty, soft), (soft, empty)]
    return [(t.astype("float32"), a.astype("float32")) for t, a in pairs]


SCENES = scenes()


def band(truth):
    unknown = ndimage.binary_dilation((truth > 0) & (truth < 1), iterations=2)
    return unknown if unknown.any() else np.ones(truth.shape, bool)


def reference_grad(truth, alpha, where):
    """A two-dimensional kernel, as the published scorer builds it, pixel by pixel."""
    side = np.arange(-4, 5)
    bell = np.exp(-(side**2) / (2 * 1.4**2)) / (1.4 * np.sqrt(2 * np.pi))
    across = np.outer(bell, -side * bell / 1.4**2)
    across /= np.sqrt((across**2).sum())
    errors = []
    for values in (truth, alpha):
        values = values.astype("float64")
        if np.ptp(values):
            values = (values - values.min()) / np.ptp(values)
        x = ndimage.convolve(values, across, mode="nearest")
        y = ndimage.convolve(values, across.T, mode="nearest")
        errors.append(np.sqrt(x**2 + y**2))
    return ((errors[0] - errors[1])[where] ** 2).sum() / 1000


def reference_conn(truth, alpha, where):
    truth, alpha = truth.astype("float64"), alpha.astype("float64")
    level = -np.ones(truth.shape)
    steps = np.arange(0, 1 + 0.1, 0.1)
    for i in range(1, len(steps)):
        both = ((truth >= steps[i]) & (alpha >= steps[i])).astype(int)
        regions = measure.label(both, connectivity=1)
        largest = np.zeros(truth.shape, bool)
        if regions.max():
            sizes = [(regions == k).sum() for k in range(1, regions.max() + 1)]
            largest = regions == 1 + int(np.argmax(sizes))
        level[(level == -1) & ~largest] = steps[i - 1]
    level[level == -1] = 1
    phi = [1 - (v - level) * (v - level >= 0.15) for v in (truth, alpha)]
    return np.abs(phi[0] - phi[1])[where].sum() / 1000


@pytest.mark.parametrize("part", ["picture", "band"])
@pytest.mark.parametrize("scene", range(len(SCENES)))
def test_agrees_with_independent_scorers(scene, part):
    truth, alpha = SCENES[scene]
    where = None if part == "picture" else band(truth)
    counted = np.ones(truth.shape, bool) if where is None else where
    t, a = truth.astype("float64")[counted], alpha.astype("float64")[counted]
    assert metrics.mad(truth, alpha, where) == pytest.approx(np.mean(np.abs(t - a)), abs=1e-9)
    assert metrics.mse(truth, alpha, where) == pytest.approx(np.mean((t - a) ** 2), abs=1e-9)
    assert metrics.sad(truth, alpha, where) == pytest.approx(np.abs(t - a).sum() / 1000, abs=1e-9)
    ious = []
    for person in (True, False):
        x, y = (t > 0.5) == person, (a > 0.5) == person
        ious.append((x & y).sum() / (x | y).sum() if (x | y).any() else 1.0)
    assert metrics.picture_iou(truth, alpha, where) == pytest.approx(np.mean(ious))
    assert metrics.foreground_iou(truth, alpha, where) == pytest.approx(ious[0])
    wanted = reference_grad(truth, alpha, counted)
    assert metrics.grad(truth, alpha, where) == pytest.approx(wanted, rel=1e-6, abs=1e-9)
    wanted = reference_conn(truth, alpha, counted)
    assert metrics.conn(truth, alpha, where) == pytest.approx(wanted, rel=1e-2, abs=1e-6)


def test_steepness_is_that_of_a_gaussian():
    """Far from the border and but for the norm of the kernel, scikit-image, differentiated."""
    truth = SCENES[2][0].astype("float64")
    blurred = filters.gaussian(truth, 1.4, truncate=6)
    down, across = np.gradient(blurred)
    ours, theirs = metrics._steepness(truth), np.hypot(down, across)
    assert np.corrcoef(ours[6:-6, 6:-6].ravel(), theirs[6:-6, 6:-6].ravel())[0, 1] > 0.99


@pytest.mark.parametrize("figure", ["mad", "mse", "sad", "grad", "conn"])
def test_equal_mattes_have_no_error(figure):
    for truth, _ in SCENES:
        assert getattr(metrics, figure)(truth, truth) == 0


def test_by_hand():
    truth, alpha = np.zeros((10, 10)), np.zeros((10, 10))
    truth[2:8, 2:8] = 1
    alpha[2:8, 2:5] = 1
    assert metrics.sad(truth, alpha) == pytest.approx(0.018)
    assert metrics.mad(truth, alpha) == pytest.approx(0.18)
    assert metrics.foreground_iou(truth, alpha) == pytest.approx(0.5)
    # The missing half is not connected in the prediction: 18 pixels rise a whole level.
    assert metrics.conn(truth, alpha) == pytest.approx(0.018)


def test_an_island_costs_connectivity():
    truth = np.zeros((20, 20))
    truth[5:15, 5:15] = 1
    island = truth.copy()
    island[1:3, 1:3] = 1
    assert metrics.conn(truth, island) == pytest.approx(0.004)


def test_no_pixel_counted_is_no_error():
    truth, alpha = SCENES[0]
    nowhere = np.zeros(truth.shape, bool)
    for figure in (metrics.mad, metrics.mse, metrics.sad, metrics.grad, metrics.conn):
        assert figure(truth, alpha, nowhere) == 0
    assert metrics.picture_iou(truth, alpha, nowhere) == 1


def test_video_figures():
    rng = np.random.default_rng(0)
    truth, alpha = rng.uniform(size=(2, 5, 8, 9))
    change = np.diff(truth, axis=0) - np.diff(alpha, axis=0)
    wanted = np.mean([np.sqrt(np.mean(frame**2)) for frame in change]) * 100
    assert metrics.dtssd(truth, alpha) == pytest.approx(wanted)
    moving = np.linspace(0, 1, 6).reshape(6, 1, 1) * np.ones((6, 4, 4))
    assert metrics.flicker(moving) == 0
    moving[3] = 0  # below its neighbours by 0.4, and the frame before is above its by 0.2
    assert metrics.flicker(moving) == pytest.approx(100 * (0.2 + 0.4) / 4)
    with pytest.raises(InputError, match="dtSSD"):
        metrics.dtssd(truth[:1], alpha[:1])
    with pytest.raises(InputError, match="flicker"):
        metrics.flicker(alpha[:2])
