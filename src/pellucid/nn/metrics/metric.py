"""What every metric is: statistics of a batch, how those of several batches join, and the number they mean.

The statistics are plain arithmetic over arrays, so the compiled step computes them beside the loss; the last
division is done on the host, once, in float64. Counts without weights are int32, because a float32 cannot
count past 2^24.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike

from pellucid.data.named import each
from pellucid.errors import DataError, ShapeError
from pellucid.registry import Configured

Arrays = dict[str, Any]


@dataclass(frozen=True)
class Metric(Configured, ABC):
    """A number that tells how good predictions are; `name` is its key in the history."""

    name: str = field(default="metric", kw_only=True)

    tag: ClassVar[str] = "metric"
    higher_is_better: ClassVar[bool | None] = None
    """None where there is no better and worse, or nobody says."""
    aliases: ClassVar[tuple[str, ...]] = ()
    """Its other names in Keras and elsewhere."""
    # "sum": add the statistics of batches up. "rows": lay them one after the other along their first axis.
    merge: ClassVar[Literal["sum", "rows"]] = "sum"
    raw: ClassVar[bool] = False
    """Whether it reads what the network gives, as logits, where others read probabilities."""

    @abstractmethod
    def statistics(self, xp: Any, y: Any, y_pred: Any, weight: Any) -> Arrays:
        """The arrays that a batch adds: `y` as the class says, `y_pred` values or probabilities (n, …),
        `weight` (n,) or None, all of namespace `xp`. Raises ShapeError where shapes do not fit.
        """

    @abstractmethod
    def result(self, statistics: Arrays) -> Any:
        """The metric's value, from the joined statistics as NumPy arrays: a float, or an array of counts."""

    def measure(self, y: Any, y_pred: Any, weight: ArrayLike | None = None) -> Any:
        """The metric of whole arrays at once, in NumPy and float64.

        >>> from pellucid.nn.metrics import Accuracy
        >>> Accuracy().measure([0, 1, 1], [[0.2], [0.9], [0.4]])
        0.6666666666666666
        """
        weights = None if weight is None else np.asarray(weight, dtype=np.float64)
        y_pred = each(lambda part: np.asarray(part, dtype=np.float64), y_pred)
        return self.result(self.statistics(np, each(np.asarray, y), y_pred, weights))

    def mismatch(self, y: Any, y_pred: Any, fix: str) -> ShapeError:
        """The error for a target and a prediction that do not fit, naming both shapes and the fix."""
        return ShapeError(f"{self.name}: y has shape {tuple(y.shape)}, y_pred {tuple(y_pred.shape)}; {fix}")


def row_count(xp: Any, y_pred: Any, weight: Any) -> Any:
    """How much all rows count together: their number as int32, or the sum of their weights."""
    return xp.asarray(y_pred.shape[0], dtype=xp.int32) if weight is None else xp.sum(weight)


def check_weight(metric: Metric, y_pred: Any, weight: Any) -> None:
    """Raise ShapeError unless there is no weight, or one for each row."""
    if weight is not None and tuple(weight.shape) != (y_pred.shape[0],):
        raise ShapeError(
            f"{metric.name}: weight has shape {tuple(weight.shape)}, y_pred {tuple(y_pred.shape)}; "
            f"expected one weight a row, shape ({y_pred.shape[0]},)"
        )


def labels(metric: Metric, xp: Any, y: Any, y_pred: Any) -> tuple[Any, int]:
    """The true class of each row as int32 (n,), and the number of classes that y_pred (n, c) tells apart.

    y is (n,) or (n, 1) class numbers, or one-hot (n, c). One column of y_pred is the probability of class 1
    of two. Raises ShapeError where the shapes do not fit, and, where the numbers can be looked at,
    DataError for a class that y_pred has no column for.
    """
    rows, columns = y_pred.shape if len(y_pred.shape) == 2 else (-1, 0)
    if columns > 1 and tuple(y.shape) == (rows, columns):
        return xp.astype(xp.argmax(y, axis=1), xp.int32), columns
    if columns == 0 or tuple(y.shape) not in ((rows,), (rows, 1)):
        fix = "expected y_pred (n, 1) or (n, classes) and y (n,), (n, 1) or one-hot like y_pred"
        raise metric.mismatch(y, y_pred, fix)
    truth = xp.astype(xp.reshape(y, (rows,)), xp.int32)
    classes = max(columns, 2)
    if xp is np and rows and not (truth.min() >= 0 and truth.max() < classes):
        raise DataError(
            f"{metric.name}: y holds classes {truth.min()} to {truth.max()}, but y_pred of shape "
            f"{tuple(y_pred.shape)} knows classes 0 to {classes - 1}; number the classes from 0"
        )
    return truth, classes


def guesses(xp: Any, y_pred: Any, threshold: float) -> Any:
    """The class each row of probabilities speaks for, int32 (n,): the first largest, or 1 above threshold."""
    if y_pred.shape[1] == 1:
        return xp.astype(y_pred[:, 0] > threshold, xp.int32)
    return xp.astype(xp.argmax(y_pred, axis=1), xp.int32)


def count(xp: Any, rows: Any, weight: Any) -> Any:
    """How many rows are True, along the first axis: int32, or their weights summed."""
    if weight is None:
        return xp.sum(xp.astype(rows, xp.int32), axis=0, dtype=xp.int32)
    weight = xp.reshape(weight, (-1,) + (1,) * (len(rows.shape) - 1))
    return xp.sum(xp.where(rows, weight, xp.zeros_like(weight)), axis=0)


def ratio(over: Any, under: Any, undefined: float = 0.0) -> Any:
    """over / under in float64, elementwise, and `undefined` where under is 0."""
    over, under = np.asarray(over, dtype=np.float64), np.asarray(under, dtype=np.float64)
    return np.divide(over, under, out=np.full(np.broadcast(over, under).shape, undefined), where=under != 0)
