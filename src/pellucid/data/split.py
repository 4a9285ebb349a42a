"""Which rows train, which validate, which test: a function of the seed and of the rows' classes alone."""

import numpy as np
from numpy.typing import NDArray

from pellucid.autodiff.random import permutation
from pellucid.errors import UsageError

TRAINING, VALIDATION, TEST = 0, 1, 2


def split(
    count: int, seed: int, validation: float, test: float, classes: NDArray[np.int32] | None = None
) -> NDArray[np.uint8]:
    """The part of each of `count` rows: 0 training, 1 validation, 2 test; shape (count,).

    The rows (of each class by itself, where `classes` numbers them) are put in random order and cut; what a
    class's share falls short of a whole row is carried to the next class, so that the shares of the whole
    are kept. Every class keeps at least one training row.

    >>> np.bincount(split(100, 0, validation=0.1, test=0.15))
    array([75, 10, 15])
    """
    if not (0 <= validation < 1 and 0 <= test < 1 and validation + test < 1):
        raise UsageError(f"validation={validation} and test={test}: each is a share from 0, together below 1.")
    part = np.zeros(count, np.uint8)
    groups = [np.arange(count)] if classes is None else _groups(classes)
    owed_validation = owed_test = 0.0
    for number, rows in enumerate(groups):
        shuffled = rows[permutation(rows.size, seed, "split", number)]
        owed_test += rows.size * test
        owed_validation += rows.size * validation
        tests = min(int(owed_test + 0.5), rows.size - 1)
        validations = min(int(owed_validation + 0.5), rows.size - 1 - tests)
        owed_test -= tests
        owed_validation -= validations
        part[shuffled[:tests]] = TEST
        part[shuffled[tests : tests + validations]] = VALIDATION
    return part


def _groups(classes: NDArray[np.int32]) -> list[NDArray[np.int64]]:
    """The rows of each class in turn, ascending."""
    order = np.argsort(classes, kind="stable")
    starts = np.flatnonzero(np.diff(classes[order], prepend=classes[order[:1]] - 1)) if order.size else order
    return np.split(order, starts[1:])
