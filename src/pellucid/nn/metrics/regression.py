"""How far predicted values lie from the true ones."""

from dataclasses import dataclass, field
from math import prod
from typing import Any, ClassVar, Literal

import numpy as np

from pellucid.nn.metrics.metric import Arrays, Metric, check_weight, ratio, row_count


@dataclass(frozen=True)
class _Regression(Metric):
    def check(self, xp: Any, y: Any, y_pred: Any, weight: Any) -> tuple[Any, Any]:
        """y in the dtype of y_pred, and the weight as it multiplies an array like y_pred."""
        if tuple(y.shape) != tuple(y_pred.shape):
            column = tuple(y_pred.shape) == (*y.shape, 1)
            fix = "make y a column with y.reshape(-1, 1)" if column else "expected equal shapes"
            flat = tuple(y.shape) == (*y_pred.shape, 1)
            raise self.mismatch(y, y_pred, "make y flat with y.reshape(-1)" if flat else fix)
        check_weight(self, y_pred, weight)
        y = xp.astype(y, y_pred.dtype)
        if weight is None:
            return y, 1.0
        return y, xp.reshape(weight, (-1,) + (1,) * (len(y_pred.shape) - 1))


@dataclass(frozen=True)
class _MeanError(_Regression):
    higher_is_better: ClassVar[bool | None] = False

    def error(self, xp: Any, difference: Any) -> Any:
        raise NotImplementedError

    def statistics(self, xp: Any, y: Any, y_pred: Any, weight: Any) -> Arrays:
        y, w = self.check(xp, y, y_pred, weight)
        total = xp.sum(self.error(xp, y_pred - y) * w)
        return {"total": total / max(1, prod(y_pred.shape[1:])), "count": row_count(xp, y_pred, weight)}

    def result(self, statistics: Arrays) -> float:
        return float(ratio(statistics["total"], statistics["count"], np.nan))


@dataclass(frozen=True)
class MeanSquaredError(_MeanError):
    """The mean of `(y_pred - y)²` over all numbers, in the target's unit squared.

    y and y_pred have one shape, (n,) or (n, k); each row counts by its weight. NaN without rows. Raises
    ShapeError for other shapes.

    >>> MeanSquaredError().measure([[1.0], [2.0]], [[1.5], [4.0]])
    2.125
    """

    name: str = field(default="mean_squared_error", kw_only=True)
    aliases: ClassVar[tuple[str, ...]] = ("mse",)

    def error(self, xp: Any, difference: Any) -> Any:
        return difference * difference


@dataclass(frozen=True)
class RootMeanSquaredError(MeanSquaredError):
    """The root of the mean squared error, in the target's own unit.

    >>> RootMeanSquaredError().measure([[1.0], [2.0]], [[1.5], [4.0]])
    1.4577379737113252
    """

    name: str = field(default="root_mean_squared_error", kw_only=True)
    aliases: ClassVar[tuple[str, ...]] = ("rmse",)

    def result(self, statistics: Arrays) -> float:
        return float(np.sqrt(super().result(statistics)))


@dataclass(frozen=True)
class MeanAbsoluteError(_MeanError):
    """The mean of `|y_pred - y|` over all numbers, in the target's unit. Shapes as MeanSquaredError.

    >>> MeanAbsoluteError().measure([[1.0], [2.0]], [[1.5], [4.0]])
    1.25
    """

    name: str = field(default="mean_absolute_error", kw_only=True)
    aliases: ClassVar[tuple[str, ...]] = ("mae",)

    def error(self, xp: Any, difference: Any) -> Any:
        return xp.abs(difference)


@dataclass(frozen=True)
class R2Score(_Regression):
    """The share of the target's variance that the predictions explain: 1 is perfect, 0 as good as the mean.

    `1 - Σ w (y - y_pred)² / Σ w (y - mean(y))²`, averaged over the columns of (n, k). A column that does not
    vary scores 1 if predicted exactly, else 0, as scikit-learn has it. NaN without rows.

    >>> R2Score().measure([[1.0], [2.0], [3.0]], [[1.0], [2.0], [4.0]])
    0.5

    Source: joining the variances of batches, Chan, Golub, LeVeque (1983), doi:10.1080/00031305.1983.10483115.
    """

    name: str = field(default="r2_score", kw_only=True)
    higher_is_better: ClassVar[bool | None] = True
    aliases: ClassVar[tuple[str, ...]] = ("r2",)

    # One row a batch: sums of squares alone would cancel in float32 where the mean is large.
    merge: ClassVar[Literal["sum", "rows"]] = "rows"

    def statistics(self, xp: Any, y: Any, y_pred: Any, weight: Any) -> Arrays:
        y, w = self.check(xp, y, y_pred, weight)
        table = (y_pred.shape[0], prod(y_pred.shape[1:]))
        error, y = xp.reshape(y_pred - y, table), xp.reshape(y, table)
        if weight is not None:
            w = xp.reshape(weight, (-1, 1))
        size = row_count(xp, y_pred, weight)
        # A batch in which every weight is 0 has no mean; any will do, for it counts nothing.
        rows = xp.asarray(xp.where(size == 0, 1, size), dtype=y.dtype)
        mean = xp.sum(y * w, axis=0) / rows
        spread = xp.sum(w * (y - mean) ** 2, axis=0)
        found = {"count": size, "mean": mean, "spread": spread, "error": xp.sum(w * error**2, axis=0)}
        return {key: xp.asarray(value)[None] for key, value in found.items()}

    def result(self, statistics: Arrays) -> float:
        size, mean, spread, error = (
            np.asarray(statistics[key], dtype=np.float64) for key in ("count", "mean", "spread", "error")
        )
        if not size.sum() > 0:
            return float("nan")
        overall = size @ mean / size.sum()
        total = spread.sum(axis=0) + size @ (mean - overall) ** 2
        missed = error.sum(axis=0)
        return float(np.mean(np.where(total > 0, 1 - ratio(missed, total), np.where(missed > 0, 0.0, 1.0))))
