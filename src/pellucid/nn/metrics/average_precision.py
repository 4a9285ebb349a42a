"""How well a ranking puts the rows of a class first, exactly: the area under precision over recall."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from pellucid.nn.metrics.metric import Arrays, Metric, check_weight, labels


@dataclass(frozen=True)
class MeanAveragePrecision(Metric):
    """The mean over the classes of `Σ (recall_i - recall_{i-1}) · precision_i`, i over the scores, highest first.

    For y_pred (n, 1) that of class 1; for (n, c) the mean over the classes that occur. Rows of equal score come in
    together. NaN where no row is of any such class. y and y_pred as for Accuracy, and its errors. For boxes in
    pictures see `detection_average_precision`.

    >>> round(MeanAveragePrecision().measure([0, 0, 1, 1], [[0.1], [0.4], [0.35], [0.8]]), 6)
    0.833333

    Source: Buckley and Voorhees (2000), doi:10.1145/345508.345543.
    """

    name: str = field(default="mean_average_precision", kw_only=True)

    merge: ClassVar[Literal["sum", "rows"]] = "rows"

    def statistics(self, xp: Any, y: Any, y_pred: Any, weight: Any) -> Arrays:
        truth, _ = labels(self, xp, y, y_pred)
        check_weight(self, y_pred, weight)
        rows = {"truth": truth, "score": y_pred}
        return rows if weight is None else rows | {"weight": weight}

    def result(self, statistics: Arrays) -> float:
        truth, score = np.asarray(statistics["truth"]), np.asarray(statistics["score"])
        weight = np.asarray(statistics.get("weight", np.ones(len(truth))), dtype=np.float64)
        if score.shape[1] == 1:
            return average_precision(truth == 1, score[:, 0], weight)
        each = np.asarray([average_precision(truth == c, score[:, c], weight) for c in range(score.shape[1])])
        defined = each[~np.isnan(each)]
        return float(defined.mean()) if defined.size else float("nan")


def average_precision(inside: Any, score: Any, weight: Any) -> float:
    """The average precision of one class: `inside` (n,) says which rows are in it.

    NaN if none is, or a score is NaN.

    >>> round(average_precision(np.array([True, False, True]), np.array([0.9, 0.8, 0.7]), np.ones(3)), 6)
    0.833333
    """
    levels, level = np.unique(-np.asarray(score), return_inverse=True)
    hits = np.cumsum(np.bincount(level, weight * inside, len(levels)))
    found = np.cumsum(np.bincount(level, weight, len(levels)))
    if not len(hits) or not hits[-1] > 0 or np.isnan(levels).any():
        return float("nan")
    precision = np.divide(hits, found, out=np.zeros_like(hits), where=found > 0)
    return float(np.diff(hits / hits[-1], prepend=0) @ precision)
