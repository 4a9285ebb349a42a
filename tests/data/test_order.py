"""The order of an epoch: every row once, the same again for the same seed."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pellucid.data.order import order


@given(
    n=st.integers(0, 20_000),
    seed=st.integers(0, 2**32),
    epoch=st.integers(0, 1000),
    shuffle=st.booleans(),
    window=st.integers(1, 8192),
)
def test_each_row_exactly_once(n: int, seed: int, epoch: int, shuffle: bool, window: int) -> None:
    pieces = list(order(n, seed, epoch, shuffle, window))
    rows = np.concatenate([*pieces, np.zeros(0, np.int64)])
    assert np.array_equal(np.sort(rows), np.arange(n))
    assert rows.dtype == np.int64
    assert all(0 < piece.size <= max(window, 1024) for piece in pieces)
    again = np.concatenate([*order(n, seed, epoch, shuffle, window), np.zeros(0, np.int64)])
    assert np.array_equal(rows, again)


def test_epochs_and_seeds_differ() -> None:
    first = next(order(1000, 0, 0))
    assert not np.array_equal(first, next(order(1000, 0, 1)))
    assert not np.array_equal(first, next(order(1000, 1, 0)))


def test_a_window_reads_few_pages() -> None:
    """Beyond the window a piece touches only as many pages of the disk as it holds rows."""
    for piece in order(100_000, 0, 0, window=8192):
        assert np.unique(piece // 1024).size <= 8
