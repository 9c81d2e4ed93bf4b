"""A soft edge solved for: nearer to the truth, the same equations as pymatting's, and bounded."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from PIL import Image

from matting_keras import Matter, metrics
from matting_keras.data.synthetic import synthetic_scene
from matting_keras.data.trimap import unknown_band
from matting_keras.errors import InputError
from matting_keras.evaluate import evaluate
from matting_keras.inference import closed_form
from matting_keras.inference.closed_form import draw_alpha, solve_alpha
from matting_keras.inference.pipeline import prepare
from matting_keras.inference.refine import refine_alpha
from matting_keras.inference.scale import shrink
from matting_keras.media.images import Photo, read_image


def blurred(alpha: np.ndarray, factor: int) -> np.ndarray:
    return shrink(alpha, tuple(side // factor for side in alpha.shape)).copy()


def test_a_solved_edge_is_nearer_to_the_truth_than_a_drawn_one():
    errors = []
    for seed, hair in enumerate(("short", "long", "curly", "tied")):
        scene = synthetic_scene(seed, 640, 480, people=1, hair=hair)
        band, seen = unknown_band(scene.alpha), blurred(scene.alpha, 8)
        found = (refine_alpha(scene.image, seen), draw_alpha(scene.image, seen))
        errors.append([metrics.mad(scene.alpha, alpha, band) for alpha in found])
    drawn, solved = np.transpose(errors)
    assert (solved < drawn).all(), errors
    assert solved.mean() < 0.95 * drawn.mean(), errors


def test_the_equations_are_pymattings(monkeypatch):
    """Solved to the end, it is what a sparse direct solver makes of pymatting's Laplacian."""
    cf_laplacian = pytest.importorskip("pymatting").cf_laplacian
    from scipy.sparse import diags
    from scipy.sparse.linalg import spsolve

    scene = synthetic_scene(3, 120, 96, people=1)
    start = shrink(blurred(scene.alpha, 6), scene.alpha.shape)
    unknown = (closed_form._band(start) > 0).ravel()
    assert 0.1 < unknown.mean() < 0.95
    trust = closed_form.TRUST * (closed_form.HUNCH + (2 * start.ravel() - 1) ** 2)
    laplacian = cf_laplacian(scene.image / 255, epsilon=closed_form.NOISE)
    rows = laplacian.tocsr()[unknown]
    pull = trust[unknown] * start.ravel()[unknown] - rows[:, ~unknown] @ start.ravel()[~unknown]
    wanted = start.ravel().copy()
    wanted[unknown] = spsolve((rows[:, unknown] + diags(trust[unknown])).tocsc(), pull)

    for name, value in (("STEPS", 3000), ("SETTLED", 1e-5)):
        monkeypatch.setattr(closed_form, name, value)
    found = closed_form._solved(scene.image, start)
    np.testing.assert_allclose(found.ravel(), np.clip(wanted, 0, 1), atol=0.01)
    assert np.abs(found - start).max() > 0.1, "nothing was solved for"


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 2), (3, 3), (3, 40), (5, 4)])
def test_the_smallest_pictures(size):
    dice = np.random.default_rng(0)
    picture = dice.integers(0, 256, (*size, 3), dtype=np.uint8)
    alpha = dice.random(size, dtype=np.float32)
    found = solve_alpha(picture, alpha)
    assert found.shape == size and found.dtype == np.float32
    assert found.min() >= 0 and found.max() <= 1


@pytest.mark.parametrize("colour", [0, 128, 255])
def test_a_picture_of_one_colour_keeps_its_edge_where_it_is(colour):
    picture = np.full((80, 80, 3), colour, np.uint8)
    alpha = (np.arange(80) > 40).astype(np.float32) * np.ones((80, 1), np.float32)
    found = solve_alpha(picture, alpha)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[:, :30], 0)
    np.testing.assert_array_equal(found[:, 52:], 1)
    assert (np.diff(found, axis=1) > -1e-3).all(), "it rises from one side to the other"


@pytest.mark.parametrize("value", [0, 1])
def test_nobody_and_somebody_everywhere_stay_so(value):
    picture = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    alpha = np.full((64, 64), value, np.float32)
    np.testing.assert_array_equal(solve_alpha(picture, alpha), alpha)


def test_an_alpha_in_doubt_everywhere_is_left_alone():
    dice = np.random.default_rng(2)
    picture = dice.integers(0, 256, (500, 500, 3), dtype=np.uint8)
    alpha = dice.uniform(0.2, 0.8, (500, 500)).astype(np.float32)
    np.testing.assert_array_equal(solve_alpha(picture, alpha), alpha)


def test_beyond_the_edge_nothing_changes():
    scene = synthetic_scene(5, 320, 240, people=1)
    far = ~unknown_band(scene.alpha, 12)
    found = solve_alpha(scene.image, scene.alpha)
    np.testing.assert_array_equal(found[far], scene.alpha[far])
    assert (found != scene.alpha).any()


def test_the_picture_and_the_alpha_are_left_as_they_were():
    scene = synthetic_scene(6, 160, 120, people=1)
    picture, alpha = scene.image.copy(), scene.alpha.copy()
    first = solve_alpha(picture, alpha)
    np.testing.assert_array_equal(solve_alpha(picture, alpha), first)
    np.testing.assert_array_equal(picture, scene.image)
    np.testing.assert_array_equal(alpha, scene.alpha)


def test_a_large_picture_is_solved_small(monkeypatch):
    """And memory stays within what its own size takes."""
    seen = []
    solve = closed_form.solve_alpha
    monkeypatch.setattr(
        closed_form, "solve_alpha", lambda rgb, alpha: seen.append(alpha.size) or solve(rgb, alpha)
    )
    scene = synthetic_scene(9, 2000, 1500, people=1)
    alpha = blurred(scene.alpha, 4)
    tracemalloc.start()
    try:
        found = draw_alpha(scene.image, alpha)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.shape == scene.alpha.shape
    assert len(seen) == 1 and 0.99 < seen[0] / closed_form.SOLVED < 1.01
    assert peak < 300e6


def test_sizes_that_differ_are_refused():
    with pytest.raises(InputError, match=r"alpha is \(4, 5\) but its picture \(4, 6\)"):
        solve_alpha(np.zeros((4, 6, 3), np.uint8), np.zeros((4, 5), np.float32))


def test_photos_are_solved_with_shipped_weights_and_frames_never(tiny_onnx, samples):
    assert Matter("dawn").refine == "closed-form"
    assert Matter("dawn", refine="guided").refine == "guided"
    assert Matter(tiny_onnx).refine == "guided"
    photo = Photo(read_image(samples / "astronaut.png"), None)
    assert prepare(photo, 96 * 96, "closed-form").refine == "closed-form"
    assert prepare(photo, 96 * 96, "closed-form", quick=True).refine == "guided"
    assert prepare(photo, 96 * 96, "off", quick=True).refine == "off"


def test_what_is_soft_amid_the_person_or_the_background_is_left_as_it_is():
    """There the colours around know one side only."""
    scene = synthetic_scene(5, 320, 240, people=1)
    alpha = (scene.alpha > 0.5).astype(np.float32)
    inside, outside = (
        closed_form.opencv().distanceTransform(part.astype(np.uint8), 2, 5)
        for part in (alpha > 0.5, alpha < 0.5)
    )
    doubt = np.zeros(alpha.shape, bool)
    for distance in (inside, outside):
        row, column = np.unravel_index(distance.argmax(), alpha.shape)
        doubt[row - 3 : row + 4, column - 3 : column + 4] = True
    alpha[doubt] = 0.5
    found = solve_alpha(scene.image, alpha)
    np.testing.assert_array_equal(found[doubt], 0.5)
    assert (found != alpha).any(), "the edge itself is solved for"


def test_evaluate_solves_for_peers_only_when_told(tmp_path, monkeypatch):
    """A network whose edge lies four pixels beside the picture's, half of a room being somebody."""
    person = (np.arange(80) >= 40) * np.ones((60, 1), np.float32)

    class Beside:
        area = None

        def __init__(self, path):
            pass

        def __call__(self, image):
            return closed_form.opencv().GaussianBlur(np.roll(person, -4, axis=1), (0, 0), 3)

    monkeypatch.setattr("matting_keras.evaluate.Peer", Beside)
    picture = np.where(person[..., None], [200, 120, 90], [20, 60, 160]).astype(np.uint8)
    for folder, pixels in (("images", picture), ("masks", np.uint8(person * 255))):
        (tmp_path / folder).mkdir()
        Image.fromarray(pixels).save(tmp_path / folder / "a.png")
    errors = {
        refine: evaluate("a.onnx", tmp_path, peer=True, refine=refine, quiet=True).rows[0]["MAD"]
        for refine in (None, "guided", "closed-form")
    }
    assert errors["closed-form"] < 0.5 * errors[None]
    assert errors["guided"] == errors[None]
