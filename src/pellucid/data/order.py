"""The order in which an epoch visits the rows, as a function of the seed and the epoch."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pellucid.autodiff.random import permutation

PAGE = 1024


def order(n: int, seed: int, epoch: int, shuffle: bool = True, window: int = 1 << 22) -> Iterator[NDArray[np.int64]]:
    """The rows 0 to n - 1, each once, in the order of one epoch, in pieces of at most `window` (or a page).

    Up to `window` rows: one random permutation. Beyond: pages of 1024 neighbouring rows are shuffled, then
    the rows within each window of pages, so that memory stays bounded and the disk is read page by page.

    >>> [piece.tolist() for piece in order(5, seed=0, epoch=1)]
    [[1, 3, 2, 0, 4]]
    """
    if not shuffle:
        for first in range(0, n, window):
            yield np.arange(first, min(first + window, n))
    elif n <= window:
        if n:
            yield permutation(n, seed, "epoch", epoch)
    else:
        pages = permutation(-(-n // PAGE), seed, "epoch", epoch, "pages")
        together = max(1, window // PAGE)
        for number, first in enumerate(range(0, pages.size, together)):
            rows = (pages[first : first + together, None] * PAGE + np.arange(PAGE)).ravel()
            rows = rows[rows < n]
            yield rows[permutation(rows.size, seed, "epoch", epoch, "window", number)]
