"""Which class is taken for which."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.nn.metrics.metric import Arrays, Metric, check_weight, guesses, labels


@dataclass(frozen=True)
class ConfusionMatrix(Metric):
    """How many rows of each true class (down) are guessed to be of each class (across): (classes, classes).

    `counts[i, j] = Σ w [y = i] [guess = j]`; two classes where y_pred has one column. Integers without
    weights. y and y_pred as for Accuracy, and its errors.

    >>> ConfusionMatrix().measure([0, 1, 1], [[0.2], [0.9], [0.4]])
    array([[1, 0],
           [1, 1]])
    """

    threshold: float = 0.5
    name: str = field(default="confusion_matrix", kw_only=True)

    def statistics(self, xp: Any, y: Any, y_pred: Any, weight: Any) -> Arrays:
        truth, classes = labels(self, xp, y, y_pred)
        check_weight(self, y_pred, weight)
        every = xp.arange(classes, dtype=xp.int32)
        # A product of floats is many times faster than one of integers, and exact for a batch below 2^24.
        is_true = xp.astype(truth[:, None] == every, y_pred.dtype)
        is_guess = xp.astype(guesses(xp, y_pred, self.threshold)[:, None] == every, y_pred.dtype)
        if weight is not None:
            return {"counts": xp.matmul(is_true.T, is_guess * weight[:, None])}
        return {"counts": xp.astype(xp.matmul(is_true.T, is_guess), xp.int32)}

    def result(self, statistics: Arrays) -> NDArray[Any]:
        counts = np.asarray(statistics["counts"])
        return counts.astype(np.float64 if counts.dtype.kind == "f" else np.int64)
