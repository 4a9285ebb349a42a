"""Hinge losses: nothing is lost where the right answer wins by a margin of 1. The prediction is a score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy

from pellucid.autodiff import Value, ops
from pellucid.errors import UsageError
from pellucid.nn.losses.crossentropy import check_one_hot, check_probabilities
from pellucid.nn.losses.loss import Loss, over_row


@dataclass(frozen=True)
class _Hinge(Loss):
    def check_targets(self, y: Any, units: int) -> None:
        kinds = set(numpy.unique(y).tolist())
        if not (kinds <= {0, 1} or kinds <= {-1, 1}):
            shown = ", ".join(f"{kind:g}" for kind in sorted(kinds)[:5])
            raise UsageError(f"{self.name}: the targets are {shown}; each has to be -1 or 1, or each 0 or 1")

    def missing(self, y: Any, y_pred: Value) -> Value:
        """What each score lacks to its margin: max(1 - y·y_pred, 0), where a 0 of y stands for -1."""
        return ops.relu(1.0 - (y - ops.equal(y, 0.0)) * y_pred)


@dataclass(frozen=True)
class Hinge(_Hinge):
    """The mean of max(1 - y·y_pred, 0) over a row's numbers. y (-1 or 1; 0 stands for -1), y_pred: (n, k).

    Raises UsageError for another y.

    >>> Hinge().measure([[1.0], [0.0]], [[0.25], [-3.0]])
    0.375

    Source: Cortes and Vapnik (1995), doi:10.1007/BF00994018.
    """

    name: ClassVar[str] = "hinge"

    def rows(self, y: Any, y_pred: Value) -> Value:
        return over_row(self.missing(y, y_pred))


@dataclass(frozen=True)
class SquaredHinge(_Hinge):
    """The mean of max(1 - y·y_pred, 0)² over a row's numbers. y (-1 or 1; 0 stands for -1), y_pred: (n, k).

    Raises UsageError for another y.

    >>> SquaredHinge().measure([[1.0], [0.0]], [[0.5], [-3.0]])
    0.125

    Source: Cortes and Vapnik (1995), doi:10.1007/BF00994018.
    """

    name: ClassVar[str] = "squared_hinge"

    def rows(self, y: Any, y_pred: Value) -> Value:
        return over_row(ops.square(self.missing(y, y_pred)))


@dataclass(frozen=True)
class CategoricalHinge(Loss):
    """max(1 + largest wrong score - right score, 0): (1-y)·y_pred against y·y_pred. y (one-hot), y_pred: (n, classes).

    As in Keras, the right class stands among the wrong ones with a score of 0. Raises ShapeError for class numbers,
    UsageError for a y outside 0 … 1.

    >>> CategoricalHinge().measure([[0.0, 1.0, 0.0]], [[0.5, 2.0, 1.5]])
    0.5

    Source: Crammer and Singer (2001), jmlr.org/papers/v2/crammer01a.html.
    """

    name: ClassVar[str] = "categorical_hinge"

    def check(self, y: tuple[int, ...], y_pred: tuple[int, ...]) -> None:
        check_one_hot(self, y, y_pred)
        super().check(y, y_pred)

    def check_targets(self, y: Any, units: int) -> None:
        check_probabilities(self, y)

    def rows(self, y: Any, y_pred: Value) -> Value:
        right, wrong = ops.sum(y * y_pred, axis=-1), ops.amax((1.0 - y) * y_pred, axis=-1)
        return over_row(ops.relu(wrong - right + 1.0))
