"""The share of rows whose class is guessed right."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.nn.metrics.metric import Arrays, Metric, check_weight, count, guesses, labels, ratio, row_count


@dataclass(frozen=True)
class Accuracy(Metric):
    """The share of rows whose most probable class is the true one: `Σ w [guess = y] / Σ w`.

    y_pred (n, 1) holds the probability of class 1, guessed where it is above `threshold`; y_pred (n, c) one
    probability for each class, of which the first largest is guessed. y: class numbers (n,) or (n, 1), or
    one-hot (n, c). NaN without rows. Raises ShapeError for other shapes.

    >>> Accuracy().measure([2, 0], [[0.1, 0.2, 0.7], [0.3, 0.4, 0.3]])
    0.5
    """

    threshold: float = 0.5
    name: str = field(default="accuracy", kw_only=True)

    def statistics(self, xp: Any, y: Any, y_pred: Any, weight: Any) -> Arrays:
        truth, _ = labels(self, xp, y, y_pred)
        check_weight(self, y_pred, weight)
        right = guesses(xp, y_pred, self.threshold) == truth
        return {"right": count(xp, right, weight), "count": row_count(xp, y_pred, weight)}

    def result(self, statistics: Arrays) -> float:
        return float(ratio(statistics["right"], statistics["count"], np.nan))
