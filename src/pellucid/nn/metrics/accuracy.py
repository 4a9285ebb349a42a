"""The share of rows whose class is guessed right."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from pellucid.nn.metrics.metric import Arrays, Metric, check_weight, count, guesses, labels, ratio, row_count


@dataclass(frozen=True)
class Accuracy(Metric):
    """The share of rows whose most probable class is the true one: `Σ w [guess = y] / Σ w`.

    y_pred (n, 1) holds the probability of class 1, guessed where it is above `threshold`; y_pred (n, c) one
    probability for each class, of which the first largest is guessed. y: class numbers (n,) or (n, 1), or
    one-hot (n, c). NaN without rows. Raises ShapeError for other shapes.

    Of sequences, y (n, t) and y_pred (n, t, c), it is the share of steps; those whose class is ignore_class, as
    padding is, do not count.

    >>> Accuracy().measure([2, 0], [[0.1, 0.2, 0.7], [0.3, 0.4, 0.3]])
    0.5
    >>> Accuracy(ignore_class=0).measure([[1, 0]], [[[0.2, 0.8], [0.3, 0.7]]])
    1.0
    """

    threshold: float = 0.5
    ignore_class: int | None = None
    name: str = field(default="accuracy", kw_only=True)
    higher_is_better: ClassVar[bool | None] = True
    aliases: ClassVar[tuple[str, ...]] = (
        "acc",
        "binary_accuracy",
        "categorical_accuracy",
        "sparse_categorical_accuracy",
    )

    def statistics(self, xp: Any, y: Any, y_pred: Any, weight: Any) -> Arrays:
        check_weight(self, y_pred, weight)
        if len(y_pred.shape) == 3 and tuple(y.shape) in (tuple(y_pred.shape[:2]), (*y_pred.shape[:2], 1)):
            weight = None if weight is None else xp.repeat(weight, y_pred.shape[1])
            y, y_pred = xp.reshape(y, (-1,)), xp.reshape(y_pred, (-1, y_pred.shape[2]))
        if self.ignore_class is None:
            truth, _ = labels(self, xp, y, y_pred)
            right = guesses(xp, y_pred, self.threshold) == truth
            return {"right": count(xp, right, weight), "count": row_count(xp, y_pred, weight)}
        counted = xp.astype(y, xp.int32) != self.ignore_class
        truth, _ = labels(self, xp, xp.where(counted, y, 0), y_pred)
        counted = xp.reshape(counted, truth.shape)
        right = (guesses(xp, y_pred, self.threshold) == truth) & counted
        return {"right": count(xp, right, weight), "count": count(xp, counted, weight)}

    def result(self, statistics: Arrays) -> float:
        return float(ratio(statistics["right"], statistics["count"], np.nan))
