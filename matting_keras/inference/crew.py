"""Several frames in work at the same time, and in their order again when they are done."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(items: Iterable[Item], work: Callable[[Item], Result], hands: int) -> Iterator[Result]:
    """Work on items in several threads and give the results in the items' order.

    Args:
        items: taken one by one, as many ahead as there are hands; with one hand none ahead.
        work: what is done with an item, by several threads at once.
        hands: threads; with one the caller's own is used.

    Yields:
        One result for each item. An error is raised in its item's turn; what was begun is
        finished then, and nothing else.

    Example:
        >>> list(in_order(range(5), lambda number: number**2, 2))
        [0, 1, 4, 9, 16]
    """
    if hands == 1:
        yield from map(work, items)
        return
    begun: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(hands, "crew") as pool:
        try:
            for item in items:
                begun.append(pool.submit(work, item))
                if len(begun) > hands:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()
