"""Steadiness in time: what trembles comes to rest, what moves is neither late nor smeared."""

from __future__ import annotations

import numpy as np
import pytest

from matting_keras import Matter
from matting_keras.errors import InputError
from matting_keras.inference.pipeline import prepare
from matting_keras.inference.temporal import LOUDEST, METHODS, SURE, Smooth, noise, steady
from matting_keras.media.images import Photo, read_image
from matting_keras.metrics import dtssd, flicker

SIZE = (64, 96)


def run(name: str, alphas, pictures) -> np.ndarray:
    """All alphas through a method, checked to come out once each and in order."""
    method, done = steady(name), []
    for number, (alpha, picture) in enumerate(zip(alphas, pictures, strict=True)):
        done += method.push(number, alpha, picture)
    done += method.flush()
    assert [one.item for one in done] == list(range(len(alphas)))
    return np.stack([one.alpha for one in done])


def scene(
    frames: int, speed: float, seed: int = 0, deviation: float = 4.0
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The alphas and pictures of a hand that moves right over a pattern, with sensor noise."""
    random = np.random.default_rng(seed)
    pattern = random.integers(60, 130, (*SIZE, 3)).astype(np.float32)
    columns = np.arange(SIZE[1])
    alphas, pictures = [], []
    for number in range(frames):
        right = 30 + speed * number
        across = np.clip((right - columns) / 3, 0, 1) * np.clip((columns - right + 20) / 3, 0, 1)
        alpha = np.broadcast_to(across, SIZE).astype(np.float32)
        picture = pattern + alpha[..., None] * ((210, 170, 150) - pattern)
        picture += random.normal(0, deviation, picture.shape)
        alphas.append(np.clip(alpha + random.normal(0, 0.03, SIZE), 0, 1).astype(np.float32))
        pictures.append(np.clip(picture, 0, 255).astype(np.uint8))
    return alphas, pictures


@pytest.mark.parametrize(("name", "delay"), [("off", 0), ("ofd", 1), ("smooth", 0)])
def test_every_frame_comes_out_at_most_one_frame_later(name, delay):
    method, alpha, rgb = steady(name), np.zeros(SIZE, np.float32), np.zeros((*SIZE, 3), np.uint8)
    for number in range(5):
        came = [one.item for one in method.push(number, alpha, rgb)]
        assert came == ([number - delay] if number >= delay else [])
    assert [one.item for one in method.flush()] == ([4] if delay else [])


def test_an_unknown_method_is_refused():
    with pytest.raises(InputError, match="no temporal method 'ema'; there are off, ofd, smooth"):
        steady("ema")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((0.2, 0.9, 0.25, 0.2), (0.2, 0.225, 0.25, 0.2)),
        ((0, 1, 0, 1, 0, 1), (0, 0, 0, 0, 0, 1)),
        ((0, 0, 1, 1), (0, 0, 1, 1)),
        ((0.5, 0.55, 0.5), (0.5, 0.55, 0.5)),
        ((0.9,), (0.9,)),
    ],
)
def test_one_frame_delay(values, expected):
    alphas = [np.full((2, 2), value, np.float32) for value in values]
    found = run("ofd", alphas, [None] * len(alphas))
    np.testing.assert_allclose(found[:, 0, 0], expected, atol=1e-6)


@pytest.mark.parametrize("gray", [False, True])
def test_noise_on_a_scene_that_stands_still_is_averaged(gray):
    random = np.random.default_rng(0)
    pattern = np.repeat(random.integers(50, 200, (*SIZE, 1)), 3, axis=2)
    shape = (16, *SIZE, 1 if gray else 3)
    pictures = np.clip(pattern + random.normal(0, 5, shape), 0, 255).astype(np.uint8)
    alphas = np.clip(random.normal(0.5, 0.1, (16, *SIZE)), 0, 1).astype(np.float32)
    assert flicker(run("smooth", alphas, pictures)) < flicker(alphas) / 5


@pytest.mark.parametrize("name", ["ofd", "smooth"])
@pytest.mark.parametrize("speed", [0.5, 3, 9])
def test_a_moving_hand_is_not_late_and_leaves_no_ghost(name, speed):
    frames = 7 if speed == 9 else 14
    alphas, pictures = scene(frames, speed)
    clean, _ = scene(frames, speed)
    done = run(name, alphas, pictures)
    # The right edge, as the number of columns from the middle of the hand on that are its.
    for number in range(3, frames):
        edges = [a[number][:, int(20 + speed * number) :].mean(0).sum() for a in (done, clean)]
        assert abs(edges[0] - edges[1]) <= max(0.5, 0.3 * speed)
        behind = done[number][:, 12 : int(9 + speed * number)]
        assert behind.size == 0 or behind.mean() < 0.03


def test_a_change_of_colour_alone_is_seen():
    red, green = np.array([200, 60, 60]), np.array([60, 132, 56])
    assert abs((red - green) @ (0.299, 0.587, 0.114)) < 1
    pictures = [np.full((*SIZE, 3), red, np.uint8)] * 5 + [np.full((*SIZE, 3), green, np.uint8)]
    alphas = [np.full(SIZE, value, np.float32) for value in (1, 1, 1, 1, 1, 0.8)]
    assert run("smooth", alphas, pictures)[-1] == pytest.approx(0.8)


def test_a_network_that_changes_its_mind_is_believed_at_the_second_frame():
    pictures = [np.full((*SIZE, 3), 90, np.uint8)] * 12
    alphas = [np.full(SIZE, value, np.float32) for value in [0] * 10 + [0.9, 0.9]]
    done = run("smooth", alphas, pictures)
    assert done[10].max() < 0.2 and done[11] == pytest.approx(0.9)


def test_a_slow_fade_is_followed():
    """In small steps a picture can change altogether without one step that is large.

    Where all of it changes, all of it may be noise: alpha stays behind by as much at most.
    """
    levels = np.linspace(40, 200, 60)
    pictures = [np.full((*SIZE, 3), level, np.uint8) for level in levels]
    alphas = [np.full(SIZE, level / 255, np.float32) for level in levels]
    assert np.abs(run("smooth", alphas, pictures) - alphas).max() < LOUDEST * SURE / 255


def test_what_came_out_is_not_written_to_again():
    alphas, pictures = scene(6, 2)
    method = Smooth()
    for alpha, picture in zip(alphas, pictures, strict=True):
        (done,) = method.push(None, alpha, picture)
        done.alpha.flags.writeable = False
    np.testing.assert_array_equal(alphas[0], scene(6, 2)[0][0])


def test_another_size_starts_anew():
    for name in METHODS:
        method = steady(name)
        for side in (32, 64, 32):
            list(method.push(None, np.ones((side, side)), np.zeros((side, side, 3), np.uint8)))
        assert [one.alpha.shape for one in method.flush()] in ([], [(32, 32)])


def test_not_a_number_passes_through_to_whoever_complains():
    pictures = [np.zeros((*SIZE, 3), np.uint8)] * 3
    assert np.isnan(run("smooth", [np.full(SIZE, np.nan, np.float32)] * 3, pictures)).all()


def test_noise_is_bounded():
    assert noise(np.zeros(999)) == 1.0 and noise(np.full(999, 80.0)) == 4.0


def test_a_noisy_photo_flickers_a_third_at_most(samples):
    """The shipped network on copies of one photo; see benchmarks/flicker.py for the figures."""
    matter, random = Matter("dark-light", looks=1), np.random.default_rng(0)
    photo = read_image(samples / "astronaut.png").astype(np.float32)
    alphas, pictures = [], []
    for _ in range(8):
        noisy = np.clip(photo + random.normal(0, 8, photo.shape), 0, 255).astype(np.uint8)
        pictures.append(prepare(Photo(noisy, None), matter.area).values)
        alphas.append(matter.runtime.run(pictures[-1][None].astype(np.float32))[0, ..., 0])
    smooth, raw = run("smooth", alphas, pictures), np.stack(alphas)
    assert flicker(smooth) < flicker(raw) / 3
    # Skipped: the first frames, of which there is nothing to average yet.
    assert dtssd(0 * raw[3:], smooth[3:]) < dtssd(0 * raw, raw) / 3
