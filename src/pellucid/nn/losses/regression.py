"""Losses of quantities: how far a prediction lies from the number it should be."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import Any, ClassVar

from pellucid.autodiff import Value, ops
from pellucid.errors import UsageError
from pellucid.nn.layers.normalization import unit_length
from pellucid.nn.losses.loss import PROBABILITY_FLOOR, Loss, over_row


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """The mean of (y_pred - y)² over a row's numbers. y, y_pred: (n, k)."""

    name: ClassVar[str] = "mean_squared_error"
    aliases: ClassVar[tuple[str, ...]] = ("mse",)

    def rows(self, y: Any, y_pred: Value) -> Value:
        return over_row(ops.square(y_pred - y))


@dataclass(frozen=True)
class MeanAbsoluteError(Loss):
    """The mean of |y_pred - y| over a row's numbers. y, y_pred: (n, k)."""

    name: ClassVar[str] = "mean_absolute_error"
    aliases: ClassVar[tuple[str, ...]] = ("mae",)

    def rows(self, y: Any, y_pred: Value) -> Value:
        return over_row(ops.absolute(y_pred - y))


@dataclass(frozen=True)
class Huber(Loss):
    """½e² for an error e within delta, else delta·(|e| - ½delta). (Huber 1964, doi:10.1214/aoms/1177703732.)"""

    delta: float = 1.0
    name: ClassVar[str] = "huber"

    def __post_init__(self) -> None:
        if not self.delta > 0:
            raise UsageError(f"Huber(delta={self.delta!r}): delta is a positive number")

    def rows(self, y: Any, y_pred: Value) -> Value:
        error = ops.absolute(y_pred - y)
        near = ops.square(error) * 0.5
        far = (error - 0.5 * self.delta) * self.delta
        return over_row(ops.where(ops.greater(error, self.delta), far, near))


@dataclass(frozen=True)
class LogCosh(Loss):
    """The mean of log(cosh(e)) for e = y_pred - y: ½e² near 0, |e| - log 2 far away. y, y_pred: (n, k).

    >>> round(LogCosh().measure([[0.0]], [[1.0]]), 6)
    0.433781

    Source: Green (1990), doi:10.1109/42.52985.
    """

    name: ClassVar[str] = "log_cosh"
    aliases: ClassVar[tuple[str, ...]] = ("logcosh",)

    def rows(self, y: Any, y_pred: Value) -> Value:
        error = y_pred - y
        return over_row(error + ops.softplus(error * -2.0) - log(2.0))  # cosh itself would overflow


@dataclass(frozen=True)
class Poisson(Loss):
    """The mean of y_pred - y · log(y_pred + 1e-7): of counts y whose expected number is y_pred. y, y_pred: (n, k).

    It lacks the terms that y alone decides. Raises UsageError for a count below 0. The last layer has to give positive
    numbers (activation="softplus").

    >>> round(Poisson().measure([[2.0]], [[3.0]]), 6)
    0.802775

    Source: McCullagh and Nelder, "Generalized Linear Models" (1989), doi:10.1007/978-1-4899-3242-6, chapter 6.
    """

    name: ClassVar[str] = "poisson"

    def check_targets(self, y: Any, units: int) -> None:
        if y.size and not y.min() >= 0:
            raise UsageError(f"{self.name}: the targets go down to {y.min():g}, but each has to be a count, 0 or more")

    def rows(self, y: Any, y_pred: Value) -> Value:
        return over_row(y_pred - y * ops.log(y_pred + PROBABILITY_FLOOR))


@dataclass(frozen=True)
class CosineSimilarity(Loss):
    """Minus the cosine of the angle between y and y_pred along `axis`: -1 for one direction, 1 for opposite ones.

    `-Σ y · y_pred / (‖y‖ ‖y_pred‖)`, and 0 where a vector is zero. y, y_pred: (n, …); of what is left the mean.

    >>> CosineSimilarity().measure([[1.0, 0.0]], [[3.0, 4.0]])
    -0.6
    """

    axis: int = -1
    name: ClassVar[str] = "cosine_similarity"

    def rows(self, y: Any, y_pred: Value) -> Value:
        return over_row(-ops.sum(unit_length(y, self.axis) * unit_length(y_pred, self.axis), axis=self.axis))
