"""Nadam: Adam that looks one step ahead, as Nesterov's momentum does."""

from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np

from pellucid.optim.interval import check
from pellucid.optim.optimizer import Optimizer
from pellucid.optim.schedule import Schedule

FAR = 1000
"""From this update on, momentum is beta_1 to the last bit: 0.96^1000 is below 2^-58."""


@dataclass(frozen=True)
class Nadam(Optimizer):
    """Adam with the momentum of the next update already in this one, and a momentum that warms up.

    `mu_t = beta_1 (1 - ½ · 0.96^t)`, `m ← beta_1 m + (1 - beta_1) g`, `v ← beta_2 v + (1 - beta_2) g²`,
    `m_hat = mu_{t+1} m / (1 - mu_1 … mu_{t+1}) + (1 - mu_t) g / (1 - mu_1 … mu_t)`, `v_hat = v / (1 - beta_2^t)` and
    `w ← w - rate · m_hat / (√v_hat + epsilon)`. As Keras has it; the published 0.96^(t/250) warms up more slowly
    (PyTorch's momentum_decay is 1 here).

    Raises UsageError for a beta outside 0 … 1 (1 excluded) or epsilon < 0, and as every Optimizer.

    >>> import numpy as np
    >>> optimizer, w = Nadam(0.1), {"w": np.array([1.0])}
    >>> state = optimizer.init(w)
    >>> for g in (2.0, -1.0):
    ...     updates, state = optimizer.update({"w": np.array([g])}, state, w)
    ...     print(updates["w"].round(6))
    [-0.106279]
    [0.03926]

    Source: Dozat (2016), openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ.
    """

    learning_rate: float | Schedule = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    slots: ClassVar[tuple[str, ...]] = ("m", "v")
    decay: ClassVar[float] = 0.96

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, beta_1="[0, 1)", beta_2="[0, 1)", epsilon="[0, inf)")

    def momentum_product(self, xp: Any, t: Any) -> Any:
        """`mu_1 · mu_2 · … · mu_t`: a function of t alone, so that nothing has to be remembered from step to step.

        >>> import numpy as np
        >>> float(Nadam().momentum_product(np, 2).round(6)) == round(0.9 * (1 - 0.48) * 0.9 * (1 - 0.4608), 6)
        True
        """
        table = xp.asarray(_warmed(self.decay), dtype=getattr(t, "dtype", None))
        place = xp.asarray(xp.minimum(t, FAR), dtype=xp.int32)
        return self.beta_1**t * xp.take(table, place)

    def rule(self, xp: Any, g: Any, w: Any, rate: Any, t: Any, m: Any, v: Any) -> tuple[Any, ...]:
        m = self.beta_1 * m + (1 - self.beta_1) * g
        v = self.beta_2 * v + (1 - self.beta_2) * g**2
        mu = self.beta_1 * (1 - 0.5 * self.decay**t)
        mu_next = self.beta_1 * (1 - 0.5 * self.decay ** (t + 1))
        product = self.momentum_product(xp, t)
        m_hat = mu_next * m / (1 - product * mu_next) + (1 - mu) * g / (1 - product)
        v_hat = v / (1 - self.beta_2**t)
        change = -rate * m_hat / (xp.sqrt(v_hat) + self.epsilon)
        if self.weight_decay:
            change = change - rate * self.weight_decay * w
        return change, m, v


@cache
def _warmed(decay: float) -> Any:
    """For each t up to FAR: the product of 1 - ½ · decay^i over i = 1 … t."""
    return np.concatenate([[1.0], np.cumprod(1 - 0.5 * decay ** np.arange(1, FAR + 1))])
