"""Metrics of a network with several outputs: one of them measured, or what it costs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from pellucid.autodiff import Tape
from pellucid.nn.losses import Loss
from pellucid.nn.losses.loss import over_row
from pellucid.nn.metrics.metric import Arrays, Metric, ratio, row_count


@dataclass(frozen=True)
class OfOutput(Metric):
    """A metric of one output; y and y_pred are dicts of arrays. Its name is "OUTPUT_METRIC".

    >>> from pellucid.nn.metrics import Accuracy
    >>> round(OfOutput("digit", Accuracy()).measure({"digit": [1, 0]}, {"digit": [[0.2, 0.8], [0.3, 0.7]]}), 2)
    0.5
    """

    output: str
    of: Metric
    name: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or f"{self.output}_{self.of.name}")
        object.__setattr__(self, "merge", self.of.merge)
        object.__setattr__(self, "higher_is_better", self.of.higher_is_better)

    def statistics(self, xp: Any, y: Any, y_pred: Any, weight: Any) -> Arrays:
        return self.of.statistics(xp, y[self.output], y_pred[self.output], weight)

    def result(self, statistics: Arrays) -> Any:
        return self.of.result(statistics)


@dataclass(frozen=True)
class OutputLoss(Metric):
    """The loss of one output alone, without its weight in the sum. Its name is "OUTPUT_loss"."""

    output: str
    loss: Loss
    name: str = field(default="", kw_only=True)
    raw: ClassVar[bool] = True
    higher_is_better: ClassVar[bool | None] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or f"{self.output}_loss")

    def statistics(self, xp: Any, y: Any, y_pred: Any, weight: Any) -> Arrays:
        tape = Tape({})
        costs = self.loss.rows(tape.given("y", y[self.output]), tape.given("y_pred", y_pred[self.output]))
        each = over_row(costs).array
        return {"total": xp.sum(each if weight is None else each * weight), "count": row_count(xp, each, None)}

    def result(self, statistics: Arrays) -> float:
        return float(ratio(statistics["total"], statistics["count"], np.nan))
