"""Several frames at once, rectangles around what is marked, and memory that is kept."""

from __future__ import annotations

import platform
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from matting_keras.inference.crew import in_order
from matting_keras.inference.tiles import tiles


@pytest.mark.parametrize("hands", [1, 2, 4])
def test_results_keep_the_items_order_however_long_each_takes(hands):
    def work(number: int) -> int:
        time.sleep(0.02 if number % 3 == 0 else 0)
        return number

    assert list(in_order(range(20), work, hands)) == list(range(20))


def test_hands_work_at_once():
    together = threading.Barrier(2, timeout=10)
    # Nobody passes the barrier alone.
    assert len(list(in_order(range(8), lambda number: together.wait(), 2))) == 8


@pytest.mark.parametrize("hands", [1, 2])
def test_items_are_taken_only_a_few_ahead(hands):
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    results = in_order(items(), lambda number: number, hands)
    assert next(results) == 0 and len(taken) == (1 if hands == 1 else hands + 1)
    results.close()
    assert len(taken) <= hands + 1


@pytest.mark.parametrize("hands", [1, 3])
def test_an_error_comes_in_its_turn(hands):
    def work(number: int) -> int:
        if number == 3:
            raise ValueError("the fourth frame")
        return number

    results, found = in_order(range(100), work, hands), []
    with pytest.raises(ValueError, match="the fourth frame"):
        for result in results:
            found.append(result)
    assert found == [0, 1, 2]


def test_nothing_gives_nothing():
    assert list(in_order([], abs, 2)) == []


@pytest.mark.parametrize("size", [(1, 1), (48, 64), (49, 65), (300, 1), (1, 300), (200, 333)])
@pytest.mark.parametrize("share", [0, 0.001, 0.5, 1])
def test_rectangles_cover_every_mark_once(size, share):
    marks = np.random.default_rng(1).random(size) < share
    covered = np.zeros(size, int)
    for here in tiles(marks):
        assert marks[here].any()
        covered[here] += 1
    assert covered.max(initial=0) <= 1
    assert covered[marks].all()


def test_rectangles_leave_most_of_a_picture_out():
    marks = np.zeros((960, 1280), bool)
    marks[100:110, 300:310] = marks[500, 700] = True
    assert sum(marks[here].size for here in tiles(marks)) < 0.02 * marks.size


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives memory back")
def test_freed_memory_is_not_asked_for_again():
    """Without it every frame costs thousands of page faults."""
    program = """
import resource
import numpy as np
from matting_keras.inference.heap import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        first = np.ones((720, 1280), np.float32)
        second, third = first + 1, first * 2
        del first, second, third
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 20

keep_freed_memory()
faults()
print(faults())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 100
