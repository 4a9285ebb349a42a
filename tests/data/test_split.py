"""The split: shares kept, classes kept, the same for the same seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.data.split import TEST, TRAINING, VALIDATION, split
from pellucid.errors import UsageError


def test_shares() -> None:
    part = split(1000, 0, 0.1, 0.15)
    assert np.bincount(part).tolist() == [750, 100, 150]
    assert np.array_equal(part, split(1000, 0, 0.1, 0.15))
    assert not np.array_equal(part, split(1000, 1, 0.1, 0.15))


@given(sizes=st.lists(st.integers(1, 60), min_size=1, max_size=30), seed=st.integers(0, 99))
def test_every_class_trains_and_keeps_its_share(sizes: list[int], seed: int) -> None:
    classes = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    part = split(classes.size, seed, 0.1, 0.15, classes)
    for number, size in enumerate(sizes):
        counts = np.bincount(part[classes == number], minlength=3)
        assert counts[TRAINING] >= 1
        assert abs(counts[TEST] - 0.15 * size) <= 1.5 + (size < 3)
        assert abs(counts[VALIDATION] - 0.1 * size) <= 1.5 + (size < 3)


def test_many_small_classes_keep_the_overall_share() -> None:
    classes = np.repeat(np.arange(200, dtype=np.int32), 3)
    assert np.bincount(split(600, 0, 0.1, 0.15, classes)).tolist() == [450, 60, 90]


def test_shares_out_of_range() -> None:
    with pytest.raises(UsageError, match="below 1"):
        split(10, 0, 0.5, 0.5)
