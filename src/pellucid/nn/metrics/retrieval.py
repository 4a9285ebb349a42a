"""Precision, recall and F1: how many rows put in a class belong there, how many of its rows are found."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from pellucid.errors import UsageError
from pellucid.nn.metrics.metric import Arrays, Metric, check_weight, count, guesses, labels, ratio

Average = Literal["macro", "micro", "weighted"]


@dataclass(frozen=True)
class _Retrieval(Metric):
    """Of each class: `hits` rows guessed rightly, `guessed` rows put in it, `actual` rows that are in it.

    y_pred (n, 1): class 1 alone. y_pred (n, c): each class, then their mean ("macro"), their mean weighted by
    `actual` ("weighted"), or the same of the sums over all classes ("micro").
    """

    higher_is_better: ClassVar[bool | None] = True
    average: Average = "macro"
    threshold: float = 0.5

    def __post_init__(self) -> None:
        if self.average not in ("macro", "micro", "weighted"):
            raise UsageError(f"{type(self).__name__}: average is {self.average!r}; expected macro, micro or weighted")

    def statistics(self, xp: Any, y: Any, y_pred: Any, weight: Any) -> Arrays:
        truth, classes = labels(self, xp, y, y_pred)
        check_weight(self, y_pred, weight)
        every = xp.asarray([1] if y_pred.shape[1] == 1 else list(range(classes)), dtype=xp.int32)
        is_true = truth[:, None] == every
        is_guess = guesses(xp, y_pred, self.threshold)[:, None] == every
        return {
            "hits": count(xp, is_true & is_guess, weight),
            "guessed": count(xp, is_guess, weight),
            "actual": count(xp, is_true, weight),
        }

    def share(self, hits: Any, guessed: Any, actual: Any) -> tuple[Any, Any]:
        """What is divided by what."""
        raise NotImplementedError

    def result(self, statistics: Arrays) -> float:
        hits, guessed, actual = (np.asarray(statistics[key], dtype=np.float64) for key in ("hits", "guessed", "actual"))
        if self.average == "micro":
            return float(ratio(*self.share(hits.sum(), guessed.sum(), actual.sum())))
        each = ratio(*self.share(hits, guessed, actual))
        if self.average == "weighted":
            return float(ratio((each * actual).sum(), actual.sum()))
        return float(each.mean())


@dataclass(frozen=True)
class Precision(_Retrieval):
    """Of the rows guessed to be in a class, the share that is: `hits / guessed`, and 0 if none is guessed.

    y_pred (n, 1): of class 1, guessed above `threshold`. y_pred (n, c): `average` over the classes: "macro",
    "micro" or "weighted" by their true number. Raises ShapeError as Accuracy does, UsageError for another
    average.

    >>> Precision().measure([0, 1, 1, 0], [[0.9], [0.8], [0.7], [0.1]])
    0.6666666666666666
    """

    name: str = field(default="precision", kw_only=True)

    def share(self, hits: Any, guessed: Any, actual: Any) -> tuple[Any, Any]:
        return hits, guessed


@dataclass(frozen=True)
class Recall(_Retrieval):
    """Of the rows that are in a class, the share that is found: `hits / actual`, and 0 if there is none.

    Shapes, averages and errors as Precision.

    >>> Recall().measure([0, 1, 1, 0], [[0.9], [0.8], [0.3], [0.1]])
    0.5
    """

    name: str = field(default="recall", kw_only=True)

    def share(self, hits: Any, guessed: Any, actual: Any) -> tuple[Any, Any]:
        return hits, actual


@dataclass(frozen=True)
class F1Score(_Retrieval):
    """The harmonic mean of precision and recall: `2 hits / (guessed + actual)`, and 0 if both are undefined.

    Shapes, averages and errors as Precision.

    >>> F1Score().measure([0, 1, 1, 0], [[0.9], [0.8], [0.3], [0.1]])
    0.5

    Source: van Rijsbergen, "Information Retrieval" (1979), chapter 7.
    """

    name: str = field(default="f1_score", kw_only=True)
    aliases: ClassVar[tuple[str, ...]] = ("f1",)

    def share(self, hits: Any, guessed: Any, actual: Any) -> tuple[Any, Any]:
        return 2 * hits, guessed + actual
