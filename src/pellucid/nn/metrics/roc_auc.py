"""The area under the ROC curve, exactly: how often a row of a class scores above a row that is not in it."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from pellucid.nn.metrics.ranking import Ranking


@dataclass(frozen=True)
class ROCAUC(Ranking):
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
    aliases: ClassVar[tuple[str, ...]] = ("roc_auc",)

    @staticmethod
    def of_class(inside: Any, score: Any, weight: Any) -> float:
        """The area for one class: `inside` (n,) says which rows are in it.

        NaN if all rows are in it, none is, or a score is NaN.

        >>> ROCAUC.of_class(np.array([False, True]), np.array([0.5, 0.5]), np.ones(2))
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
