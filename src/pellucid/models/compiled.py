"""What `compile` tells a model, and the weights that its first pass made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from pellucid import optim
from pellucid.autodiff import Value
from pellucid.data.named import first
from pellucid.engine.step import Arrays
from pellucid.nn import losses, metrics


@dataclass
class Compiled:
    """What `compile` was given, and the weights once they exist."""

    optimizer: optim.Optimizer = field(default_factory=lambda: optim.get("rmsprop"))
    loss: losses.Loss | None = None
    metrics: tuple[metrics.Metric, ...] = ()
    parameters: Arrays | None = None
    untrained: Arrays = field(default_factory=dict[str, Any])
    """What layers remember that no gradient changes, as running means."""
    dtype: str = "float32"
    features: Any = ()
    """The shape of one input row, or of each input by name."""
    units: Any = 0
    """How many numbers the last layer gives, or each output by name."""
    last_op: Any = ""
    """The op that made the prediction, or each output by name; known after the first pass."""


class NoLoss(losses.Loss):
    """Stands in for a loss where only the prediction is wanted."""

    name: ClassVar[str] = "none"

    def check(self, y: tuple[int, ...], y_pred: tuple[int, ...]) -> None:
        """Nothing to compare."""

    def rows(self, y: Any, y_pred: Any) -> Value:
        return first(y_pred)
