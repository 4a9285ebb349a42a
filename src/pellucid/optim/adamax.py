"""Adamax: Adam with the largest recent gradient in the place of the mean square."""

from dataclasses import dataclass
from typing import Any, ClassVar

from pellucid.optim.interval import check
from pellucid.optim.optimizer import Optimizer
from pellucid.optim.schedule import Schedule


@dataclass(frozen=True)
class Adamax(Optimizer):
    """Each weight moves by the mean of its past gradients, measured in units of the largest of them lately.

    `m ← beta_1 m + (1 - beta_1) g`, `u ← max(beta_2 u, |g|)` and
    `w ← w - rate / (1 - beta_1^t) · m / (u + epsilon)`. The published form has no epsilon; PyTorch and optax
    add it to |g|.

    Raises UsageError for a beta outside 0 … 1 (1 excluded) or epsilon < 0, and as every Optimizer.

    >>> import numpy as np
    >>> optimizer, w = Adamax(0.1), {"w": np.array([1.0])}
    >>> state = optimizer.init(w)
    >>> for g in (2.0, -1.0):
    ...     updates, state = optimizer.update({"w": np.array([g])}, state, w)
    ...     print(updates["w"].round(6))
    [-0.1]
    [-0.021074]

    Source: Kingma, Ba (2015), arXiv:1412.6980, algorithm 2.
    """

    learning_rate: float | Schedule = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    slots: ClassVar[tuple[str, ...]] = ("m", "u")

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, beta_1="[0, 1)", beta_2="[0, 1)", epsilon="[0, inf)")

    def rule(self, xp: Any, g: Any, w: Any, rate: Any, t: Any, m: Any, u: Any) -> tuple[Any, ...]:
        m = self.beta_1 * m + (1 - self.beta_1) * g
        u = xp.maximum(self.beta_2 * u, xp.abs(g))
        m_hat = m / (1 - self.beta_1**t)
        change = -rate * m_hat / (u + self.epsilon)
        if self.weight_decay:
            change = change - rate * self.weight_decay * w
        return change, m, u
