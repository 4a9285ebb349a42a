"""What metrics of a ranking have in common: they read the scores of all rows at once, class by class."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from pellucid.nn.metrics.metric import Arrays, Metric, check_weight, labels


@dataclass(frozen=True)
class Ranking(Metric):
    """The mean of a number over the classes for which it is defined; for y_pred (n, 1) that of class 1."""

    merge: ClassVar[Literal["sum", "rows"]] = "rows"
    higher_is_better: ClassVar[bool | None] = True

    @staticmethod
    @abstractmethod
    def of_class(inside: Any, score: Any, weight: Any) -> float:
        """The number of one class: `inside` (n,) says which rows are in it. NaN where it is not defined."""

    def statistics(self, xp: Any, y: Any, y_pred: Any, weight: Any) -> Arrays:
        truth, _ = labels(self, xp, y, y_pred)
        check_weight(self, y_pred, weight)
        rows = {"truth": truth, "score": y_pred}
        return rows if weight is None else rows | {"weight": weight}

    def result(self, statistics: Arrays) -> float:
        truth, score = np.asarray(statistics["truth"]), np.asarray(statistics["score"])
        weight = np.asarray(statistics.get("weight", np.ones(len(truth))), dtype=np.float64)
        if score.shape[1] == 1:
            return self.of_class(truth == 1, score[:, 0], weight)
        each = np.asarray([self.of_class(truth == c, score[:, c], weight) for c in range(score.shape[1])])
        defined = each[~np.isnan(each)]
        return float(defined.mean()) if defined.size else float("nan")
