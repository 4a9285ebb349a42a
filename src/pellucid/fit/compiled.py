"""What `compile` tells a model, and what its first pass finds out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from pellucid import optim
from pellucid.autodiff import Value
from pellucid.data.named import first
from pellucid.nn import losses, metrics


@dataclass
class Compiled:
    """Optimizer, loss and metrics; and, of the network as it was built, what is known of its input, output, weights."""

    optimizer: optim.Optimizer = field(default_factory=lambda: optim.get("rmsprop"))
    loss: losses.Loss | None = None
    metrics: tuple[metrics.Metric, ...] = ()
    dtype: str = "float32"
    features: Any = ()
    """The shape of one input row, or of each input by name."""
    units: Any = 0
    """How many numbers the last layer gives, or each output by name."""
    last_op: Any = ""
    """The op that made the prediction, or each output by name; known after the first pass."""
    weights: tuple[str, ...] | None = None
    """The paths of the weights in the order in which the first pass met them; None before it."""
    untrained: tuple[str, ...] = ()
    """The paths of what layers remember that no gradient changes, as running means."""


class NoLoss(losses.Loss):
    """Stands in for a loss where only the prediction is wanted."""

    name: ClassVar[str] = "none"

    def check(self, y: tuple[int, ...], y_pred: tuple[int, ...]) -> None:
        """Nothing to compare."""

    def rows(self, y: Any, y_pred: Any) -> Value:
        return first(y_pred)
