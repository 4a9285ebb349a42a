"""Stochastic gradient descent: one step downhill, with or without momentum."""

from dataclasses import dataclass
from typing import Any, ClassVar

from pellucid.optim.interval import check
from pellucid.optim.optimizer import Optimizer
from pellucid.optim.schedule import Schedule


@dataclass(frozen=True)
class SGD(Optimizer):
    """Each weight moves against its gradient, and with momentum keeps part of its last move.

    `velocity ← momentum · velocity - rate · g` and `w ← w + velocity`; with `nesterov` (a look ahead)
    `w ← w + momentum · velocity - rate · g`. Without momentum `w ← w - rate · g`. PyTorch and optax scale
    the velocity by the rate after summing it; for a constant rate that is the same.

    Raises UsageError for a momentum outside 0 … 1, and as every Optimizer.

    >>> import numpy as np
    >>> optimizer, w = SGD(0.1, momentum=0.9), {"w": np.array([1.0])}
    >>> state = optimizer.init(w)
    >>> for _ in range(2):
    ...     updates, state = optimizer.update({"w": np.array([2.0])}, state, w)
    ...     print(updates["w"].round(6))
    [-0.2]
    [-0.38]

    Source: Robbins, Monro (1951), doi:10.1214/aoms/1177729586; momentum, Polyak (1964),
    doi:10.1016/0041-5553(64)90137-5; nesterov, Sutskever et al. (2013),
    proceedings.mlr.press/v28/sutskever13.html.
    """

    learning_rate: float | Schedule = 0.01
    momentum: float = 0.0
    nesterov: bool = False

    slots: ClassVar[tuple[str, ...]] = ("velocity",)

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, momentum="[0, 1]")

    def unused(self) -> tuple[str, ...]:
        return () if self.momentum else ("velocity",)

    def rule(self, xp: Any, g: Any, w: Any, rate: Any, t: Any, velocity: Any) -> tuple[Any, ...]:
        if self.momentum:
            velocity = self.momentum * velocity - rate * g
        else:
            velocity = -rate * g
        if self.nesterov:
            change = self.momentum * velocity - rate * g
        else:
            change = velocity
        if self.weight_decay:
            change = change - rate * self.weight_decay * w
        return change, velocity
