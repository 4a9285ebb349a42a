"""What every loss is: how wrong a prediction is, as one number for each row, and their mean.

A loss checks the shapes it is given: a target of shape (n,) against a prediction of shape (n, 1) is an
error that names both, never a silent broadcast to (n, n).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy

from pellucid.autodiff import Tape, Value, ops
from pellucid.data.named import each
from pellucid.errors import ShapeError
from pellucid.registry import Configured

PROBABILITY_FLOOR = 1e-7
"""Keras' epsilon: probabilities are kept this far from 0 and 1 before their logarithm is taken."""


@dataclass(frozen=True)
class Loss(Configured):
    """The base of every loss: `rows` says what one row costs."""

    tag: ClassVar[str] = "loss"
    name: ClassVar[str] = "loss"
    aliases: ClassVar[tuple[str, ...]] = ()
    """Its other names in Keras."""
    link: ClassVar[Literal["sigmoid", "softmax"] | None] = None
    """What turns a logit into a probability."""
    takes_classes: ClassVar[bool] = False
    """Whether a target is a class number, not a quantity."""

    def rows(self, y: Any, y_pred: Value) -> Value:
        """The loss of each row: y and y_pred (n, …) become (n,)."""
        raise NotImplementedError

    def check(self, y: tuple[int, ...], y_pred: tuple[int, ...]) -> None:
        """Raises ShapeError where target and prediction do not have one shape."""
        if y != y_pred:
            raise ShapeError(mismatch(self.name, y, y_pred))

    def check_targets(self, y: Any, units: int) -> None:
        """Raises UsageError for a target that this loss cannot take from a last layer of `units`; y in NumPy."""

    def __call__(self, y: Any, y_pred: Any, sample_weight: Any = None) -> Value:
        """The mean over the rows: Σ weight·loss / n, the weights 1 if not given."""
        self.check(each(_shape, y), each(_shape, y_pred))
        costs = self.rows(y, y_pred)
        return ops.mean(costs if sample_weight is None else over_row(costs) * sample_weight)

    def measure(self, y: Any, y_pred: Any, sample_weight: Any = None) -> float:
        """The loss of whole arrays, in NumPy and float64; errors as in training.

        >>> from pellucid.nn.losses import MeanSquaredError
        >>> MeanSquaredError().measure([[1.0], [2.0]], [[1.5], [4.0]])
        2.125
        """
        tape = Tape({})
        y, y_pred = each(numpy.asarray, y), each(lambda a: numpy.asarray(a, numpy.float64), y_pred)
        self.check(each(_shape, y), each(_shape, y_pred))
        self.check_targets(y, each(lambda a: a.shape[-1], y_pred))
        weight = None if sample_weight is None else tape.given("weight", numpy.asarray(sample_weight, numpy.float64))
        y, y_pred = (each(lambda a: tape.given("", a), part) for part in (y, y_pred))
        return float(self(y, y_pred, weight).array)

    def prediction(self, y_pred: Any) -> Any:
        """The model's output as a person reads it: probabilities where the loss takes logits."""
        if getattr(self, "from_logits", False) and self.link:
            return getattr(ops, self.link)(y_pred)
        return y_pred


def over_row(costs: Value) -> Value:
    """The mean over everything but the first axis."""
    return ops.mean(costs, axis=tuple(range(1, costs.ndim))) if costs.ndim > 1 else costs


def _shape(array: Any) -> tuple[int, ...]:
    return tuple(array.shape)


def mismatch(name: str, y: tuple[int, ...], y_pred: tuple[int, ...]) -> str:
    """What a target and a prediction of other shapes are told."""
    text = f"{name}: the target has shape {y}, but the prediction has shape {y_pred}"
    if y == y_pred[:-1] and y_pred[-1] == 1:
        return f"{text}; make the target a column with y.reshape(-1, 1)"
    if y == (*y_pred, 1):
        return f"{text}; make the target flat with y.reshape(-1)"
    if y == y_pred[:-1]:
        return f"{text}; the last layer needs as many units as the target has numbers a row, 1"
    if len(y) == len(y_pred) and y[:-1] == y_pred[:-1]:
        return f"{text}; the last layer needs {y[-1]} unit{'s' if y[-1] > 1 else ''}"
    return f"{text}; they have to be the same"
