"""Films seen closer: who is small, moves, comes in, goes, or fills the frame."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from matting_keras import Matter, composite
from matting_keras.inference.finish import Finish
from matting_keras.inference.follow import (
    OFTEN,
    PATIENCE,
    SELDOM,
    STRETCH,
    Follower,
    Region,
    Seen,
    View,
)
from matting_keras.inference.frames import Matted, mattes
from matting_keras.inference.pipeline import prepare, run
from matting_keras.inference.scale import enlarge, shrink
from matting_keras.inference.temporal import METHODS, steady
from matting_keras.media.images import Photo, read_image
from matting_keras.media.video import Frame

AREA, SIZE = 96 * 128, (600, 800)

ALL = Finish()


class Bright:
    """A network that takes what is bright for a person."""

    name, device, metadata = "bright", "CPU", {}

    def __init__(self):
        self.looks = 0

    def run(self, batch):
        self.looks += 1
        return batch[..., :1] / 255


def disc(row: float, column: float, radius: float = 40, size=SIZE) -> np.ndarray:
    rows, columns = np.mgrid[: size[0], : size[1]]
    far = np.hypot(rows - row, columns - column)
    return np.clip(radius + 0.5 - far, 0, 1).astype(np.float32)


def film(alphas) -> list[Frame]:
    pictures = (np.repeat((255 * alpha).astype(np.uint8)[..., None], 3, 2) for alpha in alphas)
    return [Frame(rgb, number, 1) for number, rgb in enumerate(pictures)]


def cut(events, temporal="off", looks=2, finish=ALL, ahead=True):
    network = Bright()
    matter = SimpleNamespace(engine=network, finish=finish, area=AREA, looks=looks, refine="off")
    return list(mattes(events, matter, steady(temporal), ahead=ahead)), network.looks


def views(events, finish=ALL, area=AREA) -> list[View]:
    network = Bright()

    def look(frame: Frame, area: int) -> Seen:
        prepared = prepare(Photo(frame.rgb, None), area, quick=True)
        return Seen(prepared, run(network, prepared.values[None].astype(np.float32))[0])

    return [one for one in Follower(look, finish, area).views(events) if isinstance(one, View)]


def error(matted: list[Matted], alphas) -> float:
    return float(np.mean([np.abs(m.alpha - a).mean() for m, a in zip(matted, alphas, strict=True)]))


@pytest.mark.parametrize("temporal", METHODS)
def test_who_walks_is_seen_closer_and_stays_in_place(temporal):
    alphas = [disc(300, 60 + 20 * number) for number in range(3 * STRETCH + 2)]
    closer, looks = cut(film(alphas), temporal)
    afar, _ = cut(film(alphas), temporal, looks=1)
    assert [matted.frame.time for matted in closer] == list(range(len(alphas)))
    assert error(closer, alphas) < 0.6 * error(afar, alphas)
    # One look at each frame, and at the whole of one frame a stretch and of the last.
    assert looks == len(alphas) + len(alphas) // STRETCH + 2
    assert closer[5].alpha.shape == SIZE and closer[5].alpha.dtype == np.float32


@pytest.mark.parametrize("temporal", METHODS)
def test_a_camera_sees_who_walks_closer_too(temporal):
    alphas = [disc(300, 200 + 8 * number) for number in range(4 * OFTEN + 2)]
    closer, looks = cut(film(alphas), temporal, ahead=False)
    afar, _ = cut(film(alphas), temporal, looks=1, ahead=False)
    assert [matted.frame.time for matted in closer] == list(range(len(alphas)))
    assert error(closer, alphas) < 0.6 * error(afar, alphas)
    for found, alpha in zip(closer, alphas, strict=True):
        assert np.abs(found.alpha - alpha).max() < 0.9, "nobody is cut off"
    assert looks == len(alphas) + 5, "one at each frame, and one in four at the whole, too"


def test_a_camera_sees_who_comes_in_at_its_next_whole_frame():
    still, more = disc(300, 150), disc(300, 600)
    alphas = [still] * (OFTEN + 1) + [np.maximum(still, more)] * 2 * OFTEN
    closer, _ = cut(film(alphas), ahead=False)
    seen = [bool(found.alpha[300, 600] > 0.5) for found in closer]
    assert seen == [False] * 2 * OFTEN + [True] * (OFTEN + 1)


def test_a_camera_is_seldom_searched_while_it_shows_nobody():
    alphas = [np.zeros(SIZE, np.float32)] * 2 * SELDOM
    _, looks = cut(film(alphas), ahead=False)
    assert looks == 2 * SELDOM + 2


def test_who_stands_is_seen_in_one_window():
    places = 300 + np.random.default_rng(0).normal(0, 2, (4 * STRETCH, 2))
    (region,) = {view.region for view in views(film(disc(*place) for place in places))}
    assert region.pixels < SIZE[0] * SIZE[1] / 4 and region.pixels >= AREA


def test_who_comes_in_or_goes_between_two_whole_frames_is_in_the_window():
    still = disc(300, 150)
    alphas = [
        np.maximum(still, disc(300, 840 - 30 * max(0, number - 4)))
        for number in range(2 * STRETCH + 1)
    ]
    for direction in (alphas, alphas[::-1]):
        matted, _ = cut(film(direction))
        for found, alpha in zip(matted, direction, strict=True):
            assert np.abs(found.alpha - alpha).max() < 0.9, "nobody is cut off"


def test_a_cut_moves_the_window():
    alphas = [disc(200, 200)] * STRETCH + [disc(400, 500)] * 2 * STRETCH
    seen = views(film(alphas))
    assert seen[0].region.pixels > seen[-1].region.pixels, "both are in the first one"
    for view, alpha in zip(seen, alphas, strict=True):
        assert np.count_nonzero(alpha[view.region.seen]) == np.count_nonzero(alpha)


@pytest.mark.parametrize(
    "alpha", [np.zeros(SIZE, np.float32), disc(300, 400, 350), disc(30, 40, 20, (60, 80))]
)
def test_the_whole_is_seen_once_where_nobody_is_small(alpha):
    frames = film([alpha] * (STRETCH + 3))
    assert {view.region for view in views(frames)} == {None}
    once, _ = cut(frames, looks=1)
    # Only where nobody is, both ends of a stretch are searched, of two here; of a camera one frame.
    for ahead, more in ((True, 1 + 3 * (not alpha.any())), (False, not alpha.any())):
        closer, looks = cut(frames, ahead=ahead)
        for one, other in zip(closer, once, strict=True):
            np.testing.assert_array_equal(one.alpha, other.alpha)
        assert looks == len(frames) + more


def test_a_window_shows_who_is_sure_and_who_may_be():
    sure, unsure, speck = disc(150, 150), 0.6 * disc(350, 400), 0.6 * disc(20, 780, 5)
    (region,) = {view.region for view in views(film([sure + unsure + speck] * 3), Finish("sure"))}
    assert np.count_nonzero((sure + unsure)[region.seen]) == np.count_nonzero(sure + unsure)
    assert not speck[region.seen].any()
    # Those who stay are all in it, however small.
    (region,) = {view.region for view in views(film([sure + disc(20, 400, 5)] * 3))}
    assert np.count_nonzero(disc(20, 400, 5)[region.seen]) == np.count_nonzero(disc(20, 400, 5))


def test_whom_whole_frames_are_certain_of_is_kept():
    alpha, finish = disc(300, 400), Finish("sure")

    class Doubtful(Bright):
        """Certain of nothing from close by."""

        def run(self, batch):
            return super().run(batch) * (0.8 if self.looks > 1 else 1)

    network = Doubtful()
    matter = SimpleNamespace(engine=network, finish=finish, area=AREA, looks=2, refine="off")
    (matted,) = mattes(film([alpha]), matter, steady("off"), ahead=True)
    assert network.looks == 2 and 0.75 < matted.alpha[300, 400] < 0.85


class NearSighted(Bright):
    """Finds nobody of less than 50 pixels."""

    def run(self, batch):
        alpha = super().run(batch)
        return alpha if (alpha > 0.5).sum() > 50 else 0 * alpha


@pytest.mark.parametrize("ahead", [True, False])
def test_who_is_too_small_for_a_look_at_the_whole_is_searched_for(ahead):
    # The whole has 18 pixels of them.
    alphas = [disc(300, 100 + 2 * number, 15) for number in range(2 * STRETCH)]
    network = NearSighted()
    matter = SimpleNamespace(engine=network, finish=ALL, area=AREA, looks=2, refine="off")
    found = list(mattes(film(alphas), matter, steady("off"), ahead=ahead))
    for matted, alpha in zip(found, alphas, strict=True):
        assert ((matted.alpha > 0.5) & (alpha > 0.5)).sum() > 0.9 * (alpha > 0.5).sum()


def test_sound_keeps_its_place_and_a_camera_is_not_held_back():
    frames = film([disc(300, 400)] * 3)
    events = ["sound", frames[0], "more", *frames[1:], "last"]
    found, _ = cut(events)
    assert [one if isinstance(one, str) else one.frame.time for one in found] == [
        "sound", 0, "more", 1, 2, "last",
    ]  # fmt: skip
    assert cut(["sound"])[0] == ["sound"] and cut([])[0] == []
    taken = []

    def camera():
        for frame in frames:
            taken.append(frame)
            yield frame

    matter = SimpleNamespace(engine=Bright(), finish=Finish(), area=AREA, looks=2, refine="off")
    next(mattes(camera(), matter, steady("off")))
    assert len(taken) == 1


def test_regions_hold_what_is_within_them():
    region = Region(10, 20, 30, 50)
    assert region.pixels == 200 and region.holds(region) and region.holds(Region(12, 20, 30, 49))
    for other in ((9, 20, 30, 50), (10, 21, 30, 50), (10, 20, 29, 50), (10, 20, 30, 51)):
        assert not region.holds(Region(*other))
    assert np.zeros((40, 60))[region.seen].shape == (10, 20)


def test_a_window_stays_a_while_where_somebody_was():
    there, gone = [disc(300, 400)] * STRETCH, [np.zeros(SIZE, np.float32)] * 7 * STRETCH
    seen = [view.region for view in views(film(there + gone))]
    assert len(set(seen)) == 2 and seen[0] is not None
    # In the first stretch they are there, in the second one they are no more.
    assert seen.index(None) == (1 + PATIENCE) * STRETCH and set(seen[seen.index(None) :]) == {None}


def test_the_default_network_keeps_who_walks_far_away(samples):
    photo = read_image(samples / "grace_hopper.jpg")
    matter = Matter()
    size = (90, round(90 * photo.shape[1] / photo.shape[0]))
    small, cut_out = shrink(photo, size), enlarge(matter(photo), size)
    frames, alphas = [], []
    for number in range(STRETCH + 3):
        alpha, left = np.zeros((720, 1280), np.float32), 100 + 20 * number
        alpha[630:, left : left + size[1]] = cut_out
        rgb = np.full((720, 1280, 3), (150, 160, 120), np.uint8)
        rgb[630:, left : left + size[1]] = composite(small, cut_out, (150, 160, 120))
        frames.append(Frame(rgb, number, 1))
        alphas.append(alpha > 0.5)
    for one, alpha in zip(mattes(frames, matter, steady("off"), ahead=True), alphas, strict=True):
        there = one.alpha > 0.5
        assert (there & alpha).sum() > 0.9 * (there | alpha).sum()
