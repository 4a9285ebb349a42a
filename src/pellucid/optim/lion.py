"""Lion: every weight moves by the same stride, and only the direction is learned from the gradients."""

from dataclasses import dataclass
from typing import Any, ClassVar

from pellucid.optim.interval import check
from pellucid.optim.optimizer import Optimizer
from pellucid.optim.schedule import Schedule


@dataclass(frozen=True)
class Lion(Optimizer):
    """Each weight moves by the learning rate against the sign of a mean of its gradients.

    `w ← w - rate · sign(beta_1 m + (1 - beta_1) g)`, then `m ← beta_2 m + (1 - beta_2) g`. It wants a learning
    rate a few times smaller than Adam's, and a weight decay as many times larger.

    Raises UsageError for a beta outside 0 … 1 (1 excluded), and as every Optimizer.

    >>> import numpy as np
    >>> optimizer, w = Lion(0.1), {"w": np.array([1.0])}
    >>> state = optimizer.init(w)
    >>> for g in (2.0, -0.1):
    ...     updates, state = optimizer.update({"w": np.array([g])}, state, w)
    ...     print(updates["w"], state["m/w"].round(4))
    [-0.1] [0.02]
    [-0.1] [0.0188]

    Source: Chen et al. (2023), arXiv:2302.06675, algorithm 2.
    """

    learning_rate: float | Schedule = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.99

    slots: ClassVar[tuple[str, ...]] = ("m",)

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, beta_1="[0, 1)", beta_2="[0, 1)")

    def rule(self, xp: Any, g: Any, w: Any, rate: Any, t: Any, m: Any) -> tuple[Any, ...]:
        direction = self.beta_1 * m + (1 - self.beta_1) * g
        m = self.beta_2 * m + (1 - self.beta_2) * g
        change = -rate * xp.sign(direction)
        if self.weight_decay:
            change = change - rate * self.weight_decay * w
        return change, m
