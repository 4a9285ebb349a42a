"""RMSprop: the gradient in units of its own recent size."""

from dataclasses import dataclass
from typing import Any, ClassVar

from pellucid.optim.interval import check
from pellucid.optim.optimizer import Optimizer
from pellucid.optim.schedule import Schedule


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """Each gradient is divided by the root of a running mean of its squares.

    `v ← rho v + (1 - rho) g²` and `w ← w - rate · g / √(v + epsilon)`. With `centered`, the mean's square is
    taken off: `m ← rho m + (1 - rho) g` and v - m² stands for v (never below 0, where rounding would put
    it). With `momentum`, `velocity ← momentum · velocity - rate · g / √…` and `w ← w + velocity`.
    PyTorch adds epsilon after the root.

    Raises UsageError for a rho outside 0 … 1 (1 excluded), momentum outside 0 … 1 or epsilon < 0, and as
    every Optimizer.

    >>> import numpy as np
    >>> optimizer, w = RMSprop(0.1), {"w": np.array([1.0])}
    >>> state = optimizer.init(w)
    >>> for g in (2.0, -1.0):
    ...     updates, state = optimizer.update({"w": np.array([g])}, state, w)
    ...     print(updates["w"].round(6))
    [-0.316228]
    [0.147442]

    Source: Tieleman, Hinton, "Lecture 6.5: rmsprop", Coursera (2012); centered, Graves (2013),
    arXiv:1308.0850, section 4.2.
    """

    learning_rate: float | Schedule = 0.001
    rho: float = 0.9
    momentum: float = 0.0
    epsilon: float = 1e-7
    centered: bool = False

    slots: ClassVar[tuple[str, ...]] = ("v", "m", "velocity")

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, rho="[0, 1)", momentum="[0, 1]", epsilon="[0, inf)")

    def unused(self) -> tuple[str, ...]:
        return (() if self.centered else ("m",)) + (() if self.momentum else ("velocity",))

    def rule(
        self,
        xp: Any,
        g: Any,
        w: Any,
        rate: Any,
        t: Any,
        v: Any,
        m: Any,
        velocity: Any,
    ) -> tuple[Any, ...]:
        v = self.rho * v + (1 - self.rho) * g**2
        if self.centered:
            m = self.rho * m + (1 - self.rho) * g
            variance = xp.maximum(v - m**2, 0)
            change = -rate * g / xp.sqrt(variance + self.epsilon)
        else:
            change = -rate * g / xp.sqrt(v + self.epsilon)
        if self.momentum:
            velocity = self.momentum * velocity + change
            change = velocity
        if self.weight_decay:
            change = change - rate * self.weight_decay * w
        return change, v, m, velocity
