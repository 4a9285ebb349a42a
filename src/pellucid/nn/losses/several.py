"""The loss of a network with several outputs: each output's own, weighted, and added up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pellucid.autodiff import Value
from pellucid.errors import ShapeError, UsageError
from pellucid.nn.losses.loss import Loss, over_row


@dataclass(frozen=True)
class WeightedSum(Loss):
    """Σ weight · loss over the outputs of a network that gives several, {name: output}.

    What `model.compile(loss={"digit": …, "box": …}, loss_weights={"box": 5.0})` makes. Targets and predictions are
    dicts of those names; a row's loss is the weighted sum of what it costs in each. Raises ShapeError for other names.

    >>> from pellucid.nn.losses import MeanAbsoluteError, MeanSquaredError
    >>> both = WeightedSum.of({"near": MeanSquaredError(), "far": MeanAbsoluteError()}, {"far": 0.5})
    >>> both.measure({"near": [[1.0]], "far": [[2.0]]}, {"near": [[3.0]], "far": [[5.0]]})
    5.5
    """

    outputs: tuple[str, ...] = ()
    losses: tuple[Loss, ...] = ()
    weights: tuple[float, ...] = ()
    name: ClassVar[str] = "weighted_sum"

    @classmethod
    def of(cls, losses: Mapping[str, Loss], weights: Mapping[str, float] | None = None) -> WeightedSum:
        """From dicts by output; a weight that is not given is 1. Raises UsageError for one of no output."""
        given = dict(weights or {})
        if unknown := given.keys() - losses.keys():
            raise UsageError(f"loss_weights names {', '.join(sorted(unknown))}; the outputs are {', '.join(losses)}")
        if bad := {name: w for name, w in given.items() if not 0 <= w < float("inf")}:
            raise UsageError(f"loss_weights={bad}: a weight is a finite number, 0 or more")
        return cls(tuple(losses), tuple(losses.values()), tuple(float(given.get(name, 1.0)) for name in losses))

    @property
    def parts(self) -> dict[str, Loss]:
        """The loss of each output."""
        return dict(zip(self.outputs, self.losses, strict=True))

    def check(self, y: Any, y_pred: Any) -> None:
        for name, loss in self.parts.items():
            loss.check(y[name], y_pred[name])

    def check_targets(self, y: Any, units: Any) -> None:
        for name, loss in self.parts.items():
            loss.check_targets(y[name], units[name])

    def rows(self, y: Any, y_pred: Any) -> Value:
        found: Value | None = None
        for name, loss, weight in zip(self.outputs, self.losses, self.weights, strict=True):
            cost = over_row(loss.rows(y[name], y_pred[name]))
            cost = cost if weight == 1 else weight * cost
            found = cost if found is None else found + cost
        assert found is not None
        return found

    def agree(self, found: Any, what: str) -> None:
        """Raises ShapeError where something by output has not the names of the outputs."""
        if not isinstance(found, Mapping) or set(found) != set(self.outputs):
            given = ", ".join(sorted(found)) if isinstance(found, Mapping) else "one array"
            raise ShapeError(f"the losses are for the outputs {', '.join(self.outputs)}, but {what} is {given}")

    def prediction(self, y_pred: Any) -> Any:
        return {name: loss.prediction(y_pred[name]) for name, loss in self.parts.items()}
