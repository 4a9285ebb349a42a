"""How well a ranking puts the rows of a class first, exactly: the area under precision over recall."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from pellucid.nn.metrics.ranking import Ranking


@dataclass(frozen=True)
class MeanAveragePrecision(Ranking):
    """The mean over the classes of `Σ (recall_i - recall_{i-1}) · precision_i`, i over the scores, highest first.

    For y_pred (n, 1) that of class 1; for (n, c) the mean over the classes that occur. Rows of equal score come in
    together. NaN where no row is of any such class. y and y_pred as for Accuracy, and its errors. For boxes in
    pictures see `detection_average_precision`.

    >>> round(MeanAveragePrecision().measure([0, 0, 1, 1], [[0.1], [0.4], [0.35], [0.8]]), 6)
    0.833333

    Source: Buckley and Voorhees (2000), doi:10.1145/345508.345543.
    """

    name: str = field(default="mean_average_precision", kw_only=True)
    aliases: ClassVar[tuple[str, ...]] = ("map",)

    @staticmethod
    def of_class(inside: Any, score: Any, weight: Any) -> float:
        """The average precision of one class: `inside` (n,) says which rows are in it.

        NaN if none is, or a score is NaN.

        >>> inside, score = np.array([True, False, True]), np.array([0.9, 0.8, 0.7])
        >>> round(MeanAveragePrecision.of_class(inside, score, np.ones(3)), 6)
        0.833333
        """
        levels, level = np.unique(-np.asarray(score), return_inverse=True)
        hits = np.cumsum(np.bincount(level, weight * inside, len(levels)))
        found = np.cumsum(np.bincount(level, weight, len(levels)))
        if not len(hits) or not hits[-1] > 0 or np.isnan(levels).any():
            return float("nan")
        precision = np.divide(hits, found, out=np.zeros_like(hits), where=found > 0)
        return float(np.diff(hits / hits[-1], prepend=0) @ precision)
