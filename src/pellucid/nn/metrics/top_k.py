"""The share of rows whose class is among the few most probable ones."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from pellucid.arguments import whole
from pellucid.nn.metrics.metric import Arrays, Metric, check_weight, count, labels, ratio, row_count


@dataclass(frozen=True)
class TopKAccuracy(Metric):
    """The share of rows with fewer than k classes more probable than the true one: `Σ w [rank(y) < k] / Σ w`.

    y_pred (n, c): one probability for each class; equal ones do not count as more probable. y: class numbers (n,) or
    (n, 1), or one-hot (n, c). NaN without rows. Raises UsageError for a k below 1, ShapeError for other shapes.

    >>> TopKAccuracy(k=2).measure([2, 0, 1], [[0.1, 0.2, 0.7], [0.3, 0.4, 0.3], [0.5, 0.1, 0.4]])
    0.6666666666666666
    """

    k: int = 5
    name: str = field(default="top_k_accuracy", kw_only=True)
    higher_is_better: ClassVar[bool | None] = True
    aliases: ClassVar[tuple[str, ...]] = ("top_k_categorical_accuracy", "sparse_top_k_categorical_accuracy")

    def __post_init__(self) -> None:
        whole("k", self.k, of=self)

    def statistics(self, xp: Any, y: Any, y_pred: Any, weight: Any) -> Arrays:
        truth, _ = labels(self, xp, y, y_pred)
        check_weight(self, y_pred, weight)
        if y_pred.shape[1] == 1:
            raise self.mismatch(y, y_pred, "with one probability a row there is no rank; use accuracy")
        chance = xp.take_along_axis(y_pred, truth[:, None], axis=1)
        above = xp.sum(xp.astype(y_pred > chance, xp.int32), axis=1)
        return {"right": count(xp, above < self.k, weight), "count": row_count(xp, y_pred, weight)}

    def result(self, statistics: Arrays) -> float:
        return float(ratio(statistics["right"], statistics["count"], np.nan))
