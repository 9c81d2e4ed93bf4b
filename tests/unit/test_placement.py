"""Where photos lie on a canvas: nobody twice, nobody on their head, bodies that go on."""

from __future__ import annotations

from dataclasses import asdict, replace

import cv2
import numpy as np
import pytest
import tensorflow as tf

from matting_keras.data.augment import warp
from matting_keras.data.placement import KEPT, Person, cut_edges, places
from matting_keras.data.strengths import AugmentConfig

STILL = replace(
    AugmentConfig(zoom=(1.0, 1.0)),
    **{key: 0.0 for key in asdict(AugmentConfig()) if key != "zoom"},
)
FAR = replace(STILL, zoom=(0.3, 0.6), shift=0.2, rotate=10.0, flip=0.5)
CANVAS = (96, 80)
DRAWN = 40


def photo(*, head: tuple[int, int] = (40, 32), radius: int = 10, body: int = 0) -> np.ndarray:
    """A photo of 80 x 64 with a disc for a head, gray being the alpha.

    Args:
        head: its (row, column).
        radius: its radius.
        body: half the width of a body from the head to the photo's lower edge.
    """
    rows, columns = np.mgrid[:80, :64]
    alpha = np.hypot(rows - head[0], columns - head[1]) < radius
    alpha |= (rows > head[0]) & (abs(columns - head[1]) < body)
    return np.repeat(255 * alpha[..., None], 2, -1).astype("uint8")


def moved(picture: np.ndarray, config: AugmentConfig, k: int, anew: bool = True) -> np.ndarray:
    """Its alpha on the canvas, 0..1."""
    cut = tf.constant(cut_edges(picture))
    seed = tf.constant([2, k])
    found = warp(tf.constant(picture), tf.constant(CANVAS), config, seed, cut, anew)
    return found[..., -1].numpy() / 255


def parts(alpha: np.ndarray) -> int:
    return cv2.connectedComponents((alpha > 0.5).astype("uint8"))[0] - 1


@pytest.mark.parametrize("body", [0, 5, 20, 40])
def test_nobody_stands_on_a_canvas_twice(body):
    found = [moved(photo(body=body), FAR, k) for k in range(DRAWN)]
    assert {parts(alpha) for alpha in found} == {1}


@pytest.mark.parametrize("body", [0, 5, 20])
def test_as_reflections_they_would_stand_there_twice(body):
    still, canvas = tf.constant(photo(body=body)), tf.constant(CANVAS)
    scenes = [warp(still, canvas, FAR, tf.constant([2, k]))[..., -1] for k in range(DRAWN)]
    assert np.mean([parts(scene.numpy() / 255) > 1 for scene in scenes]) > 0.5


def test_who_is_whole_in_their_photo_stays_as_they_are():
    for k in range(DRAWN):
        alpha = moved(photo(), replace(FAR, shift=0.0), k)
        rows, columns = np.nonzero(alpha > 0.5)
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert abs(height - width) <= 2
        step = np.sqrt(np.pi) * 10 / np.sqrt(alpha.sum())  # pixels of the photo per canvas pixel
        assert 0.3 * 0.97 < 0.8 / step < 0.6 * 1.03


def test_who_is_smaller_than_the_picture_may_stand_anywhere_in_it_and_whole():
    config = replace(STILL, zoom=(0.3, 0.3), shift=0.0)
    centres = []
    for k in range(4 * DRAWN):
        alpha = moved(photo(), config, k) > 0.5
        rows, columns = np.nonzero(alpha)
        assert not (alpha[[0, -1]].any() or alpha[:, [0, -1]].any())
        centres.append((rows.mean() / CANVAS[0], columns.mean() / CANVAS[1]))
    low, high = np.min(centres, 0), np.max(centres, 0)
    assert (low < 0.3).all()
    assert (high > 0.7).all()


def test_a_body_goes_on_to_the_lower_edge_and_gets_no_narrower():
    for k in range(DRAWN):
        alpha = moved(photo(head=(30, 32), body=8), replace(FAR, rotate=0.0), k)
        widths = (alpha > 0.5).sum(1)
        first = np.nonzero(widths)[0][0]
        assert (np.diff(widths[first + 16 :]) >= -1).all()
        assert widths[-1] > 0


def test_shoulders_that_leave_at_the_sides_fall():
    wide = photo(head=(30, 32), radius=8)
    wide[50:] = 255  # from edge to edge
    for k in range(DRAWN):
        config = replace(STILL, zoom=(0.4, 0.4))
        alpha = moved(wide, config, k) > 0.5
        tops = np.where(alpha.any(0), alpha.argmax(0), CANVAS[0])
        middle = int(np.nonzero(tops == tops.min())[0].mean())
        sides = tops[middle::-1][18:], tops[middle:][18:]
        for side in (side for side in sides if len(side) > 12):
            assert (np.diff(side) >= 0).all()
            assert side[-1] > min(side[0] + 10, CANVAS[0] - 1)
        assert max(map(len, sides)) > 12


def test_a_head_cut_by_the_top_stays_there():
    cut = photo(head=(2, 32), radius=14, body=20)
    assert cut_edges(cut).tolist() == [True, False, False]
    for k in range(DRAWN):
        alpha = moved(cut, replace(FAR, rotate=0.0), k)
        assert (alpha[0] > 0.5).any()


def test_a_face_cut_on_both_sides_fills_the_canvas():
    face = photo(head=(20, 32), radius=45)
    assert cut_edges(face).tolist() == [True, True, True]
    for k in range(DRAWN):
        alpha = moved(face, replace(FAR, rotate=0.0), k)
        assert (alpha[:40, [0, -1]] > 0.5).all()


def test_above_the_top_of_a_photo_there_is_nobody():
    hair = photo(body=8)
    hair[0, 30:32] = 255  # two stray hairs do not make a cut
    assert not cut_edges(hair).any()
    for k in range(DRAWN):
        alpha = moved(hair, replace(FAR, rotate=0.0, shift=0.0), k)
        assert not (alpha[0] > 0.05).any()


def test_a_photo_that_keeps_its_background_shows_little_else():
    size = np.tile([80, 64], (DRAWN, 1))
    draw = np.random.default_rng(0).uniform(-1, 1, (DRAWN, 5)).astype("float32")
    nobody = np.zeros((DRAWN, 3), bool)
    stays = Person(nobody, np.zeros(DRAWN, bool), np.zeros((DRAWN, 2), "float32"))
    wild = replace(STILL, zoom=(0.3, 1.5), shift=0.4)
    kept = places(size, draw, CANVAS, wild, stays)
    free = places(size, draw, CANVAS, wild)
    turning = [(np.diff(np.array(look.x)[:, 0]) < 0).mean() for look in (kept, free)]
    assert turning[0] < (1 - KEPT) / 2 < turning[1]
    large = places(size, draw, CANVAS, replace(wild, zoom=(1.0, 1.5)), stays)
    assert (np.diff(np.array(large.x), axis=2) > 0).all()
    assert (np.diff(np.array(large.y), axis=1) > 0).all()
    assert (np.array(large.shown) == 1).all()


@pytest.mark.parametrize("anew", [False, True])
def test_no_change_asked_for_is_no_change(anew):
    picture = np.random.default_rng(0).integers(0, 256, (*CANVAS, 2), "uint8")
    seed, cut = tf.constant([0, 0]), tf.constant(cut_edges(picture))
    found = warp(tf.constant(picture), tf.constant(CANVAS), STILL, seed, cut, anew)
    np.testing.assert_allclose(found, picture, atol=1e-2)
