"""Memory between frames."""

from __future__ import annotations

from functools import cache

import numpy as np


@cache
def keep_freed_memory() -> None:
    """Let the C library keep what a frame has freed for the next frame, up to 64 MB.

    By default glibc gives blocks of such a size back to the system at once. To get them again,
    zeroed, page by page, cost more time at 1280x720 than the compositing itself. Freeing one
    block just below 32 MB is what moves its limit; elsewhere this does nothing.
    """
    np.empty(2**25 - 2**16, np.uint8)
