"""Cross-entropies: how surprising the true class is to a predicted probability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pellucid.autodiff import Value, ops
from pellucid.errors import ShapeError, UsageError
from pellucid.nn.losses.loss import PROBABILITY_FLOOR, Loss, over_row


@dataclass(frozen=True)
class BinaryCrossentropy(Loss):
    """-y·log(p) - (1-y)·log(1-p), the mean over a row's numbers. y, y_pred: (n, k); y from 0 to 1.

    from_logits: y_pred is x with p = sigmoid(x), computed exactly; else y_pred is p itself.
    """

    from_logits: bool = False
    name: ClassVar[str] = "binary_crossentropy"
    link: ClassVar[Literal["sigmoid", "softmax"] | None] = "sigmoid"

    def check_targets(self, y: Any, units: int) -> None:
        check_probabilities(self, y)

    def rows(self, y: Any, y_pred: Value) -> Value:
        if self.from_logits:
            return over_row(ops.sigmoid_crossentropy(y_pred, y))
        p = ops.clip(y_pred, low=PROBABILITY_FLOOR, high=1 - PROBABILITY_FLOOR)
        return over_row(-(y * ops.log(p) + (1.0 - y) * ops.log(1.0 - p)))


@dataclass(frozen=True)
class CategoricalCrossentropy(Loss):
    """-Σ y·log(p) over the classes. y (one-hot or probabilities), y_pred: (n, classes)."""

    from_logits: bool = False
    name: ClassVar[str] = "categorical_crossentropy"
    link: ClassVar[Literal["sigmoid", "softmax"] | None] = "softmax"

    def check(self, y: tuple[int, ...], y_pred: tuple[int, ...]) -> None:
        check_one_hot(self, y, y_pred)
        super().check(y, y_pred)

    def rows(self, y: Any, y_pred: Value) -> Value:
        if self.from_logits:
            return ops.softmax_crossentropy(y_pred, y)
        return -ops.sum(y * ops.log(distribution(y_pred)), axis=-1)


@dataclass(frozen=True)
class SparseCategoricalCrossentropy(Loss):
    """-log(p) of the target's class. y: (n,) or (n, 1) class numbers; y_pred: (n, classes).

    Of sequences, y (n, t) and y_pred (n, t, classes), a row's loss is the mean over its steps. ignore_class: a class
    number whose steps do not count, as the padding of sequences of unequal length; the mean is then over the other
    steps of the row, so that each row counts alike (Keras: each step). A row of nothing else costs 0.

    >>> p = [[[0.5, 0.25, 0.25], [0.5, 0.25, 0.25]]]
    >>> round(SparseCategoricalCrossentropy(ignore_class=0).measure([[1, 0]], p), 6)  # -log(0.25)
    1.386294
    """

    from_logits: bool = False
    ignore_class: int | None = None
    name: ClassVar[str] = "sparse_categorical_crossentropy"
    takes_classes: ClassVar[bool] = True
    link: ClassVar[Literal["sigmoid", "softmax"] | None] = "softmax"

    def check(self, y: tuple[int, ...], y_pred: tuple[int, ...]) -> None:
        if y not in (y_pred[:-1], (*y_pred[:-1], 1)):
            raise ShapeError(
                f"{self.name}: the target has shape {y} and the prediction {y_pred}; the target has to be one "
                f"class number a row, {y_pred[:-1]}"
                + ("; for one-hot targets use categorical_crossentropy" if y == y_pred else "")
            )
        if y_pred[-1] == 1:
            raise ShapeError(
                f"{self.name}: the prediction has one number a row, so every row is in class 0; give the last "
                "layer one unit for each class, or use binary_crossentropy"
            )

    def check_targets(self, y: Any, units: int) -> None:
        if self.ignore_class is not None:
            y = y[y != self.ignore_class]
        if y.size and not 0 <= y.min() <= y.max() < units:
            raise UsageError(
                f"{self.name}: the targets are class numbers from {y.min()} to {y.max()}, but the last layer has "
                f"{units} units, for classes 0 to {units - 1}"
            )

    def rows(self, y: Any, y_pred: Value) -> Value:
        labels = ops.as_index(ops.reshape(y, shape=y_pred.shape[:-1]))
        if self.ignore_class is None:
            return self._costs(y_pred, labels)
        apart = labels - self.ignore_class
        # What is ignored may be no class at all, as -1: it is looked up as class 0, and counts nothing.
        costs = self._costs(y_pred, ops.where(apart, labels, 0))
        counted = ops.where(apart, ops.ones_like(costs), 0.0)
        costs = ops.where(apart, costs, 0.0)
        steps = tuple(range(1, costs.ndim))
        return ops.sum(costs, axis=steps) / ops.maximum(ops.sum(counted, axis=steps), 1.0) if steps else costs

    def _costs(self, y_pred: Value, labels: Value) -> Value:
        if self.from_logits:
            return ops.sparse_softmax_crossentropy(y_pred, labels)
        return -ops.log(ops.pick(distribution(y_pred), labels))


@dataclass(frozen=True)
class KLDivergence(Loss):
    """Σ y · log(y / y_pred) over the classes: the nats y_pred wastes where y is the truth. y, y_pred: (n, classes).

    Both are probabilities, kept within 1e-7 … 1 as in Keras. Raises UsageError for a y outside 0 … 1.

    >>> round(KLDivergence().measure([[0.5, 0.5]], [[0.25, 0.75]]), 6)
    0.143841

    Source: Kullback and Leibler (1951), doi:10.1214/aoms/1177729694.
    """

    name: ClassVar[str] = "kl_divergence"
    aliases: ClassVar[tuple[str, ...]] = ("kld",)

    def check_targets(self, y: Any, units: int) -> None:
        check_probabilities(self, y)

    def rows(self, y: Any, y_pred: Value) -> Value:
        p, q = (ops.clip(v, low=PROBABILITY_FLOOR, high=1.0) for v in (y, y_pred))
        return over_row(ops.sum(p * ops.log(p / q), axis=-1))


def check_probabilities(loss: Loss, y: Any) -> None:
    """Raise UsageError unless every target lies in 0 … 1; y in NumPy."""
    if y.size and not 0 <= y.min() <= y.max() <= 1:
        raise UsageError(
            f"{loss.name}: the targets go from {y.min():g} to {y.max():g}, but each has to be 0, 1 or a "
            "probability between; for class numbers use sparse_categorical_crossentropy"
        )


def check_one_hot(loss: Loss, y: tuple[int, ...], y_pred: tuple[int, ...]) -> None:
    """Raise ShapeError where class numbers stand for one-hot targets."""
    if y_pred[-1] > 1 and y in (y_pred[:-1], (*y_pred[:-1], 1)):
        raise ShapeError(
            f"{loss.name}: the target has shape {y} and the prediction {y_pred}; for class numbers use "
            "sparse_categorical_crossentropy"
        )


def distribution(p: Value) -> Value:
    """As Keras: made to add up to 1, and kept off 0 and 1."""
    p = p / ops.sum(p, axis=-1, keepdims=True)
    return ops.clip(p, low=PROBABILITY_FLOOR, high=1 - PROBABILITY_FLOOR)
