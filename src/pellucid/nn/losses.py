"""Losses: how wrong a prediction is, as one number for each row, and their mean.

A loss checks the shapes it is given: a target of shape (n,) against a prediction of shape (n, 1) is an
error that names both, never a silent broadcast to (n, n).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any, ClassVar, Literal

from pellucid.autodiff import Value, ops
from pellucid.errors import ShapeError, UsageError

PROBABILITY_FLOOR = 1e-7
"""Keras' epsilon: probabilities are kept this far from 0 and 1 before their logarithm is taken."""


@dataclass(frozen=True)
class Loss:
    """The base of every loss: `rows` says what one row costs."""

    name: ClassVar[str]
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
            raise ShapeError(_mismatch(self.name, y, y_pred))

    def check_targets(self, y: Any, units: int) -> None:
        """Raises UsageError for a target that this loss cannot take from a last layer of `units`; y in NumPy."""

    def __call__(self, y: Any, y_pred: Value, sample_weight: Any = None) -> Value:
        """The mean over the rows: Σ weight·loss / n, the weights 1 if not given."""
        self.check(tuple(y.shape), y_pred.shape)
        each = self.rows(y, y_pred)
        return ops.mean(each if sample_weight is None else each * sample_weight)

    def prediction(self, y_pred: Any) -> Any:
        """The model's output as a person reads it: probabilities where the loss takes logits."""
        if getattr(self, "from_logits", False) and self.link:
            return getattr(ops, self.link)(y_pred)
        return y_pred

    def to_json(self) -> dict[str, Any]:
        return {"loss": type(self).__name__} | {f.name: getattr(self, f.name) for f in fields(self)}


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """The mean of (y_pred - y)² over a row's numbers. y, y_pred: (n, k)."""

    name: ClassVar[str] = "mean_squared_error"

    def rows(self, y: Any, y_pred: Value) -> Value:
        return _over_row(ops.square(y_pred - y))


@dataclass(frozen=True)
class MeanAbsoluteError(Loss):
    """The mean of |y_pred - y| over a row's numbers. y, y_pred: (n, k)."""

    name: ClassVar[str] = "mean_absolute_error"

    def rows(self, y: Any, y_pred: Value) -> Value:
        return _over_row(ops.absolute(y_pred - y))


@dataclass(frozen=True)
class Huber(Loss):
    """½e² for an error e within delta, else delta·(|e| - ½delta). (Huber 1964, doi:10.1214/aoms/1177703732.)"""

    delta: float = 1.0
    name: ClassVar[str] = "huber"

    def __post_init__(self) -> None:
        if not self.delta > 0:
            raise UsageError(f"Huber(delta={self.delta!r}): delta is a positive number")

    def rows(self, y: Any, y_pred: Value) -> Value:
        error = ops.absolute(y_pred - y)
        near = ops.square(error) * 0.5
        far = (error - 0.5 * self.delta) * self.delta
        return _over_row(ops.where(ops.greater(error, self.delta), far, near))


@dataclass(frozen=True)
class BinaryCrossentropy(Loss):
    """-y·log(p) - (1-y)·log(1-p), the mean over a row's numbers. y, y_pred: (n, k); y from 0 to 1.

    from_logits: y_pred is x with p = sigmoid(x), computed exactly; else y_pred is p itself.
    """

    from_logits: bool = False
    name: ClassVar[str] = "binary_crossentropy"
    link: ClassVar[Literal["sigmoid", "softmax"] | None] = "sigmoid"

    def check_targets(self, y: Any, units: int) -> None:
        if y.size and not 0 <= y.min() <= y.max() <= 1:
            raise UsageError(
                f"{self.name}: the targets go from {y.min():g} to {y.max():g}, but each has to be 0, 1 or a "
                "probability between; for class numbers use sparse_categorical_crossentropy"
            )

    def rows(self, y: Any, y_pred: Value) -> Value:
        if self.from_logits:
            return _over_row(ops.sigmoid_crossentropy(y_pred, y))
        p = ops.clip(y_pred, low=PROBABILITY_FLOOR, high=1 - PROBABILITY_FLOOR)
        return _over_row(-(y * ops.log(p) + (1.0 - y) * ops.log(1.0 - p)))


@dataclass(frozen=True)
class CategoricalCrossentropy(Loss):
    """-Σ y·log(p) over the classes. y (one-hot or probabilities), y_pred: (n, classes)."""

    from_logits: bool = False
    name: ClassVar[str] = "categorical_crossentropy"
    link: ClassVar[Literal["sigmoid", "softmax"] | None] = "softmax"

    def check(self, y: tuple[int, ...], y_pred: tuple[int, ...]) -> None:
        if y_pred[-1] > 1 and y in (y_pred[:-1], (*y_pred[:-1], 1)):
            raise ShapeError(
                f"{self.name}: the target has shape {y} and the prediction {y_pred}; for class numbers use "
                "sparse_categorical_crossentropy"
            )
        super().check(y, y_pred)

    def rows(self, y: Any, y_pred: Value) -> Value:
        if self.from_logits:
            return ops.softmax_crossentropy(y_pred, y)
        return -ops.sum(y * ops.log(_distribution(y_pred)), axis=-1)


@dataclass(frozen=True)
class SparseCategoricalCrossentropy(Loss):
    """-log(p) of the target's class. y: (n,) or (n, 1) class numbers; y_pred: (n, classes)."""

    from_logits: bool = False
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
        if y.size and not 0 <= y.min() <= y.max() < units:
            raise UsageError(
                f"{self.name}: the targets are class numbers from {y.min()} to {y.max()}, but the last layer has "
                f"{units} units, for classes 0 to {units - 1}"
            )

    def rows(self, y: Any, y_pred: Value) -> Value:
        labels = ops.as_index(ops.reshape(y, shape=y_pred.shape[:-1]))
        if self.from_logits:
            return ops.sparse_softmax_crossentropy(y_pred, labels)
        return -ops.log(ops.pick(_distribution(y_pred), labels))


LOSSES: dict[str, type[Loss]] = {
    cls.name: cls
    for cls in (
        MeanSquaredError,
        MeanAbsoluteError,
        Huber,
        BinaryCrossentropy,
        CategoricalCrossentropy,
        SparseCategoricalCrossentropy,
    )
}
SHORT = {"mse": "mean_squared_error", "mae": "mean_absolute_error"}


def get(loss: str | Loss) -> Loss:
    """A loss by its Keras name, or the loss itself."""
    if isinstance(loss, Loss):
        return loss
    name = SHORT.get(loss, loss)
    if name in LOSSES:
        return LOSSES[name]()
    near = get_close_matches(str(loss), [*LOSSES, *SHORT], 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise UsageError(f"loss {loss!r} is not known; {hint}Known: {', '.join(LOSSES)}")


def from_json(config: dict[str, Any]) -> Loss:
    """The loss that `to_json` described."""
    known = {cls.__name__: cls for cls in LOSSES.values()}
    if config.get("loss") not in known:
        raise UsageError(f"the loss {config.get('loss')!r} is not known; known: {', '.join(known)}")
    return known[config["loss"]](**{k: v for k, v in config.items() if k != "loss"})


def _over_row(each: Value) -> Value:
    """The mean over everything but the first axis."""
    return ops.mean(each, axis=tuple(range(1, each.ndim))) if each.ndim > 1 else each


def _distribution(p: Value) -> Value:
    """As Keras: made to add up to 1, and kept off 0 and 1."""
    p = p / ops.sum(p, axis=-1, keepdims=True)
    return ops.clip(p, low=PROBABILITY_FLOOR, high=1 - PROBABILITY_FLOOR)


def _mismatch(name: str, y: tuple[int, ...], y_pred: tuple[int, ...]) -> str:
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
