"""Which part of a run's batches one of several workers makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

Batch = TypeVar("Batch")


class Share(NamedTuple):
    """One worker's part of every batch, so that together they have what one alone would have.

    Attributes:
        index: of the worker, from 0.
        count: how many workers there are.

    Example:
        >>> Share(1, 2).rows(8), Share(1, 2).whole(["a", "b", "c", "d"])
        (slice(4, 8, None), ['b', 'd'])
    """

    index: int = 0
    count: int = 1

    def rows(self, batch_size: int) -> slice:
        """The rows of a training batch that it makes.

        Args:
            batch_size: photos per batch over all workers; a multiple of their number.
        """
        mine = batch_size // self.count
        return slice(self.index * mine, (self.index + 1) * mine)

    def whole(self, batches: Sequence[Batch]) -> list[Batch]:
        """The batches for validation that it takes, whole: figures do not depend on the share."""
        return list(batches[self.index :: self.count])


ALL = Share()
"""The share of a worker that is alone."""
