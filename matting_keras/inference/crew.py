"""Several frames in work at the same time, and in their order again when they are done.

Two engines with a thread each finish more frames than one engine with two threads: nobody waits
for anybody within a frame. A frame itself takes longer, which a video in a file does not mind.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from queue import SimpleQueue
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(items: Iterable[Item], hands: Sequence[Callable[[Item], Result]]) -> Iterator[Result]:
    """Work on items in several threads and give the results in the items' order.

    Args:
        items: taken one by one, as many ahead as there are hands, and one more.
        hands: what is done with an item: one function for each thread, and none is called by two
            threads at once, so that each may have an engine of its own.

    Yields:
        One result for each item. An error is raised in its item's turn; what was begun is
        finished then, and nothing else.

    Example:
        >>> list(in_order(range(5), [lambda number: number**2] * 2))
        [0, 1, 4, 9, 16]
    """
    free: SimpleQueue[Callable[[Item], Result]] = SimpleQueue()
    for hand in hands:
        free.put(hand)

    def work(item: Item) -> Result:
        hand = free.get()
        try:
            return hand(item)
        finally:
            free.put(hand)

    begun: deque[Future[Result]] = deque()
    first = True
    with ThreadPoolExecutor(len(hands), "crew") as pool:
        try:
            for item in items:
                begun.append(pool.submit(work, item))
                if first:
                    # OpenVINO's binding waits for itself for ever where two threads are the
                    # first to call it.
                    wait(begun)
                    first = False
                if len(begun) > len(hands):
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()
