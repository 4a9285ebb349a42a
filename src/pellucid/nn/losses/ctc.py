"""Connectionist temporal classification: sequences whose targets are shorter, with no word about when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from pellucid.autodiff import Value, ctc, ops
from pellucid.errors import ShapeError, UsageError
from pellucid.nn.losses.loss import Loss


@dataclass(frozen=True)
class CTC(Loss):
    """-log of the chance that the scores of t steps spell a label, over all ways to stretch it. As Keras, from logits.

    y: (n, l) class numbers from 1 on, filled up with 0 behind each label; y_pred: (n, t, classes), class 0 the
    blank between. A label of k classes, r of them equal to the one before, needs k + r steps: with fewer the loss is
    infinite.

    Raises ShapeError for other axes or l > t, UsageError for class numbers out of range or after a 0.

    >>> import numpy as np
    >>> scores = np.log([[[0.2, 0.8], [0.6, 0.4]]])  # two steps; class 1 is spelled by 11, 10 and 01
    >>> round(float(np.exp(-CTC().measure([[1]], scores))), 6)  # 0.8·0.4 + 0.8·0.6 + 0.2·0.4
    0.88

    Source: Graves, Fernández, Gomez, Schmidhuber (2006), doi:10.1145/1143844.1143891.
    """

    name: ClassVar[str] = "ctc"
    takes_classes: ClassVar[bool] = True

    def check(self, y: tuple[int, ...], y_pred: tuple[int, ...]) -> None:
        if len(y_pred) != 3 or len(y) != 2 or y[0] != y_pred[0] or not 1 <= y[1] <= y_pred[1]:
            raise ShapeError(
                f"{self.name}: the target has shape {y} and the prediction {y_pred}; expected y (n, l) and y_pred "
                "(n, t, classes) with l from 1 to t"
            )

    def check_targets(self, y: Any, units: int) -> None:
        if y.size and not 0 <= y.min() <= y.max() < units:
            raise UsageError(
                f"{self.name}: the targets are class numbers from {y.min()} to {y.max()}, but the last layer has "
                f"{units} units, for classes 1 to {units - 1} and the blank, 0"
            )
        odd = ((y[:, :-1] == 0) & (y[:, 1:] != 0)).any(axis=1)
        if odd.any():
            raise UsageError(
                f"{self.name}: row {int(odd.argmax())} of the targets has a class behind a 0; 0 only fills up the end"
            )

    def rows(self, y: Any, y_pred: Value) -> Value:
        return ctc(y_pred, ops.as_index(y))
