"""Shapes on the way through a network: allowed, near the wanted area, aspect kept."""

from __future__ import annotations

import math

import pytest

from matting_keras.geometry import (
    ASPECT_RATIOS,
    LARGEST_SIDE,
    MULTIPLE,
    STRETCHED,
    best_canvas,
    buckets,
    fit_inside,
    nearest_bucket,
)

SIZES = [
    (1, 1), (1, 2000), (2000, 1), (33, 47), (512, 512), (600, 512), (1080, 1920), (1920, 1080),
    (3000, 4000), (10000, 10000), (7, 100_000), (720, 1280), (31, 31), (32, 32), (299, 1001),
]  # fmt: skip
AREAS = [128 * 128, 256 * 256, 384 * 288, 512 * 512]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("area", AREAS)
def test_a_canvas_is_one_a_network_takes(size, area):
    inner, outer = best_canvas(*size, area)
    assert all(side % MULTIPLE == 0 and MULTIPLE <= side <= LARGEST_SIDE for side in outer)
    assert all(1 <= small <= large for small, large in zip(inner, outer, strict=True))
    # The picture touches one pair of edges: it is never smaller than it could be.
    assert inner[0] == outer[0] or inner[1] == outer[1]


@pytest.mark.parametrize("size", [size for size in SIZES if max(size) <= 4 * min(size)])
@pytest.mark.parametrize("area", AREAS)
def test_a_canvas_keeps_aspect_and_area(size, area):
    inner, outer = best_canvas(*size, area)
    wanted, got = size[1] / size[0], inner[1] / inner[0]
    # Rounding to whole pixels moves each side by half a pixel at most.
    allowed = math.log(STRETCHED) if inner == outer else 0
    assert abs(math.log(got / wanted)) <= allowed + 1 / min(inner)
    assert 0.6 <= outer[0] * outer[1] / area <= 1.6
    assert inner[0] * inner[1] / (outer[0] * outer[1]) >= 0.8


@pytest.mark.parametrize("area", [256 * 256, 384 * 288])
@pytest.mark.parametrize("ratio", ASPECT_RATIOS)
def test_pictures_of_usual_shapes_fill_their_canvas(ratio, area):
    inner, outer = best_canvas(1200, round(1200 * ratio), area)
    assert inner == outer


def test_a_picture_that_would_have_to_be_stretched_too_far_is_padded():
    inner, outer = best_canvas(7, 100_000, 256 * 256)
    assert inner == (1, LARGEST_SIDE) and outer == (MULTIPLE, LARGEST_SIDE)


@pytest.mark.parametrize("size", [(512, 512), (600, 512), (1080, 1920), (3000, 4000)])
def test_a_picture_turned_gets_the_canvas_turned(size):
    upright, lying = best_canvas(*size, 384 * 288), best_canvas(*size[::-1], 384 * 288)
    assert upright.outer == lying.outer[::-1] and upright.inner == lying.inner[::-1]


@pytest.mark.parametrize("area", AREAS)
def test_buckets_are_distinct_and_near_the_area(area):
    shapes = buckets(area)
    assert len(set(shapes)) == len(shapes) > 1
    for height, width in shapes:
        assert height % MULTIPLE == width % MULTIPLE == 0
        assert 0.6 <= height * width / area <= 1.6


@pytest.mark.parametrize("ratio", ASPECT_RATIOS)
def test_every_ratio_finds_its_own_bucket(ratio):
    shapes = buckets(512 * 512)
    chosen = nearest_bucket(1000, round(1000 * ratio), shapes)
    assert abs(math.log(chosen[1] / chosen[0] / ratio)) < 0.12


def test_fit_inside_never_gives_an_empty_side():
    assert fit_inside(1, 10_000, (32, 64)).inner == (1, 64)
