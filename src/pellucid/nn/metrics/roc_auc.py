"""The area under the ROC curve, exactly: how often a row of a class scores above a row that is not in it."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from pellucid.nn.metrics.metric import Arrays, Metric, check_weight, labels


@dataclass(frozen=True)
class ROCAUC(Metric):
    """The chance that a random row of class 1 scores higher than one of class 0; equal scores count half.

    `Σ w_i w_j ([s_i > s_j] + ½ [s_i = s_j]) / Σ w_i w_j` over all i of class 1 and j of class 0, from the
    sorted scores of all rows (no thresholds, so no error of binning). For y_pred (n, c) the mean over the
    classes, each against the rest, of those that have rows inside and outside. NaN where no class has. y and
    y_pred as for Accuracy, and its errors.

    >>> ROCAUC().measure([0, 0, 1, 1], [[0.1], [0.4], [0.35], [0.8]])
    0.75

    Source: Hanley, McNeil (1982), doi:10.1148/radiology.143.1.7063747.
    """

    name: str = field(default="auc", kw_only=True)

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
            return area(truth == 1, score[:, 0], weight)
        areas = np.asarray([area(truth == c, score[:, c], weight) for c in range(score.shape[1])])
        defined = areas[~np.isnan(areas)]
        return float(defined.mean()) if defined.size else float("nan")


def area(inside: Any, score: Any, weight: Any) -> float:
    """The area for one class: `inside` (n,) says which rows are in it.

    NaN if all rows are in it, none is, or a score is NaN.

    >>> area(np.array([False, True]), np.array([0.5, 0.5]), np.ones(2))
    0.5
    """
    levels, level = np.unique(score, return_inverse=True)
    won = np.bincount(level, weight * inside, len(levels))
    lost = np.bincount(level, weight * ~inside, len(levels))
    pairs = won.sum() * lost.sum()
    if not pairs > 0 or np.isnan(levels).any():
        return float("nan")
    below = np.cumsum(lost) - lost
    return float(won @ (below + lost / 2) / pairs)
