"""Adadelta: strides measured by how far the weight has moved lately."""

from dataclasses import dataclass
from typing import Any, ClassVar

from pellucid.optim.interval import check
from pellucid.optim.optimizer import Optimizer
from pellucid.optim.schedule import Schedule


@dataclass(frozen=True)
class Adadelta(Optimizer):
    """Each gradient is divided by its recent size and multiplied by the recent size of the moves.

    `v ← rho v + (1 - rho) g²`, `move = -√(u + epsilon) / √(v + epsilon) · g`, `u ← rho u + (1 - rho) move²` and
    `w ← w + rate · move`. The published form has rate 1; Keras' default is 0.001.

    Raises UsageError for a rho outside 0 … 1 (1 excluded) or epsilon < 0, and as every Optimizer.

    >>> import numpy as np
    >>> optimizer, w = Adadelta(1.0), {"w": np.array([1.0])}
    >>> state = optimizer.init(w)
    >>> for g in (2.0, -1.0):
    ...     updates, state = optimizer.update({"w": np.array([g])}, state, w)
    ...     print(updates["w"].round(6))
    [-0.001414]
    [0.000913]

    Source: Zeiler (2012), arXiv:1212.5701, algorithm 1.
    """

    learning_rate: float | Schedule = 0.001
    rho: float = 0.95
    epsilon: float = 1e-7

    slots: ClassVar[tuple[str, ...]] = ("v", "u")

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, rho="[0, 1)", epsilon="[0, inf)")

    def rule(self, xp: Any, g: Any, w: Any, rate: Any, t: Any, v: Any, u: Any) -> tuple[Any, ...]:
        v = self.rho * v + (1 - self.rho) * g**2
        move = -xp.sqrt(u + self.epsilon) / xp.sqrt(v + self.epsilon) * g
        u = self.rho * u + (1 - self.rho) * move**2
        change = rate * move
        if self.weight_decay:
            change = change - rate * self.weight_decay * w
        return change, v, u
