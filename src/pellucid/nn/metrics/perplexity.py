"""Among how many equally likely classes a model seems to choose."""

from dataclasses import dataclass, field
from math import prod
from typing import Any, ClassVar

import numpy as np

from pellucid.nn.metrics.metric import Arrays, Metric, check_weight, ratio

FLOOR = 1e-7
"""Probabilities are kept this far from 0, as in the cross-entropies."""


@dataclass(frozen=True)
class Perplexity(Metric):
    """`exp(Σ w · -log(p_y) / Σ w)`: 1 for a model that is always sure and right, c for one that guesses among c.

    y_pred (n, …, c): a probability for each class, of one prediction a row or of one for each step of a sequence. y:
    class numbers (n, …) or (n, …, 1); those equal to ignore_class do not count. NaN without rows. Raises ShapeError
    for other shapes.

    >>> Perplexity().measure([0, 1], [[0.25, 0.75], [0.75, 0.25]])
    4.0

    Source: Jelinek et al. (1977), doi:10.1121/1.2016299.
    """

    ignore_class: int | None = None
    name: str = field(default="perplexity", kw_only=True)
    higher_is_better: ClassVar[bool | None] = False

    def statistics(self, xp: Any, y: Any, y_pred: Any, weight: Any) -> Arrays:
        places = tuple(y_pred.shape[:-1])
        if len(y_pred.shape) < 2 or y_pred.shape[-1] < 2 or tuple(y.shape) not in (places, (*places, 1)):
            fix = "expected y_pred (n, …, classes) and one class number for each prediction, y (n, …)"
            raise self.mismatch(y, y_pred, fix)
        check_weight(self, y_pred, weight)
        truth = xp.reshape(xp.astype(y, xp.int32), (-1,))
        ignored = truth != truth if self.ignore_class is None else truth == self.ignore_class
        table = xp.reshape(y_pred, (-1, y_pred.shape[-1]))
        chance = xp.take_along_axis(table, xp.where(ignored, 0, truth)[:, None], axis=1)[:, 0]
        counted = xp.astype(~ignored, y_pred.dtype)
        if weight is not None:
            counted = counted * xp.repeat(weight, prod(places[1:]))
        total = xp.sum(-xp.log(xp.clip(chance, FLOOR, 1.0)) * counted)
        return {"total": total, "count": xp.sum(counted)}

    def result(self, statistics: Arrays) -> float:
        return float(np.exp(ratio(statistics["total"], statistics["count"], np.nan)))
