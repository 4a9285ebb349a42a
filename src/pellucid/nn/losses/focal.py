"""Focal cross-entropies: rows that are already predicted well count little, so that rare and hard ones are learned."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pellucid.autodiff import Value, ops
from pellucid.errors import UsageError
from pellucid.nn.losses.crossentropy import check_one_hot, check_probabilities, distribution
from pellucid.nn.losses.loss import PROBABILITY_FLOOR, Loss, over_row


@dataclass(frozen=True)
class Focal(Loss):
    """What both have in common: how much counts what is predicted well (gamma), and what is 1 (alpha)."""

    alpha: float = 0.25
    gamma: float = 2.0
    from_logits: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise UsageError(f"{type(self).__name__}(alpha={self.alpha!r}): alpha is a number from 0 to 1")
        if not 0 <= self.gamma < float("inf"):
            raise UsageError(f"{type(self).__name__}(gamma={self.gamma!r}): gamma is a number, 0 or more")


@dataclass(frozen=True)
class BinaryFocalCrossentropy(Focal):
    """(1 - p_t)^gamma times the binary cross-entropy, with p_t the probability given to the truth. y, y_pred: (n, k).

    p_t = y·p + (1-y)·(1-p), and of a row's numbers the mean. With apply_class_balancing, what is 1 also counts `alpha`
    and what is 0 counts 1 - alpha. from_logits: y_pred is x with p = sigmoid(x). gamma 0 is binary cross-entropy.

    Raises UsageError for a gamma below 0, an alpha outside 0 … 1, a y outside 0 … 1.

    >>> round(BinaryFocalCrossentropy().measure([[1.0]], [[0.9]]), 8)  # 0.1² · -log(0.9)
    0.00105361

    Source: Lin et al. (2017), arXiv:1708.02002, equations 4 and 5.
    """

    apply_class_balancing: bool = field(default=False, kw_only=True)
    name: ClassVar[str] = "binary_focal_crossentropy"
    link: ClassVar[Literal["sigmoid", "softmax"] | None] = "sigmoid"

    def check_targets(self, y: Any, units: int) -> None:
        check_probabilities(self, y)

    def rows(self, y: Any, y_pred: Value) -> Value:
        if self.from_logits:
            right, wrong = ops.sigmoid(y_pred), ops.sigmoid(-y_pred)
            entropy = ops.sigmoid_crossentropy(y_pred, y)
        else:
            right = ops.clip(y_pred, low=PROBABILITY_FLOOR, high=1 - PROBABILITY_FLOOR)
            wrong = 1.0 - right
            entropy = -(y * ops.log(right) + (1.0 - y) * ops.log(wrong))
        # 1 - p_t, off 0, where a power below 1 has no slope
        missed = ops.clip(y * wrong + (1.0 - y) * right, low=PROBABILITY_FLOOR, high=1.0)
        each = missed**self.gamma * entropy
        if self.apply_class_balancing:
            each = (y * self.alpha + (1.0 - y) * (1 - self.alpha)) * each
        return over_row(each)


@dataclass(frozen=True)
class CategoricalFocalCrossentropy(Focal):
    """-Σ alpha · (1 - p)^gamma · y·log(p) over the classes. y (one-hot or probabilities), y_pred: (n, classes).

    from_logits: y_pred is x with p = softmax(x). gamma 0 and alpha 1 are categorical cross-entropy.

    Raises UsageError for a gamma below 0 or an alpha outside 0 … 1, ShapeError for class numbers.

    >>> round(CategoricalFocalCrossentropy().measure([[0.0, 1.0]], [[0.1, 0.9]]), 8)  # ¼ · 0.1² · -log(0.9)
    0.0002634

    Source: Lin et al. (2017), arXiv:1708.02002.
    """

    name: ClassVar[str] = "categorical_focal_crossentropy"
    link: ClassVar[Literal["sigmoid", "softmax"] | None] = "softmax"

    def check(self, y: tuple[int, ...], y_pred: tuple[int, ...]) -> None:
        check_one_hot(self, y, y_pred)
        super().check(y, y_pred)

    def rows(self, y: Any, y_pred: Value) -> Value:
        if self.from_logits:
            p, log_p = ops.softmax(y_pred), ops.log_softmax(y_pred)
        else:
            p = distribution(y_pred)
            log_p = ops.log(p)
        missed = ops.clip(1.0 - p, low=PROBABILITY_FLOOR, high=1.0)
        return over_row(-ops.sum(missed**self.gamma * y * log_p, axis=-1) * self.alpha)
