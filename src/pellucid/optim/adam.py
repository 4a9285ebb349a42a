"""Adam and AdamW: a stride for each weight, from running means of its gradient and of the square of it."""

from dataclasses import dataclass
from typing import Any, ClassVar

from pellucid.optim.interval import check
from pellucid.optim.optimizer import Optimizer
from pellucid.optim.schedule import Schedule


@dataclass(frozen=True)
class Adam(Optimizer):
    """Each weight moves by the mean of its past gradients, measured in units of their usual size.

    `m ← beta_1 m + (1 - beta_1) g`, `v ← beta_2 v + (1 - beta_2) g²`, both corrected for having started at
    zero, `m_hat = m / (1 - beta_1^t)`, `v_hat = v / (1 - beta_2^t)`, and
    `w ← w - rate · m_hat / (√v_hat + epsilon)`. With `amsgrad` the largest v so far takes the place of v
    in v_hat. This is the published form, as PyTorch has it; Keras adds epsilon before the correction of v.

    Raises UsageError for a beta outside 0 … 1 (1 excluded) or epsilon < 0, and as every Optimizer.

    >>> import numpy as np
    >>> optimizer, w = Adam(0.1), {"w": np.array([1.0])}
    >>> state = optimizer.init(w)
    >>> for g in (2.0, -1.0):
    ...     updates, state = optimizer.update({"w": np.array([g])}, state, w)
    ...     print(updates["w"].round(6))
    [-0.1]
    [-0.026634]

    Source: Kingma, Ba (2015), arXiv:1412.6980, algorithm 1; amsgrad, Reddi, Kale, Kumar (2018),
    arXiv:1904.09237.
    """

    learning_rate: float | Schedule = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    amsgrad: bool = False

    slots: ClassVar[tuple[str, ...]] = ("m", "v", "v_max")

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, beta_1="[0, 1)", beta_2="[0, 1)", epsilon="[0, inf)")

    def unused(self) -> tuple[str, ...]:
        return () if self.amsgrad else ("v_max",)

    def rule(self, xp: Any, g: Any, w: Any, rate: Any, t: Any, m: Any, v: Any, v_max: Any) -> tuple[Any, ...]:
        m = self.beta_1 * m + (1 - self.beta_1) * g
        v = self.beta_2 * v + (1 - self.beta_2) * g**2
        m_hat = m / (1 - self.beta_1**t)
        if self.amsgrad:
            v_max = xp.maximum(v_max, v)
            v_hat = v_max / (1 - self.beta_2**t)
        else:
            v_hat = v / (1 - self.beta_2**t)
        change = -rate * m_hat / (xp.sqrt(v_hat) + self.epsilon)
        if self.weight_decay:
            change = change - rate * self.weight_decay * w
        return change, m, v, v_max


# Keyword-only, because Keras puts weight_decay second here: AdamW(1e-3, 4e-3) must not set beta_1.
@dataclass(frozen=True, kw_only=True)
class AdamW(Adam):
    """Adam that also pulls every weight towards 0, apart from its gradient: weight_decay is 0.004.

    `w ← w - rate · (m_hat / (√v_hat + epsilon) + weight_decay · w)`.

    >>> import numpy as np
    >>> optimizer, w = AdamW(0.1), {"w": np.array([1.0])}
    >>> optimizer.update({"w": np.array([2.0])}, optimizer.init(w), w)[0]["w"].round(6)
    array([-0.1004])

    Source: Loshchilov, Hutter (2019), arXiv:1711.05101.
    """

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    amsgrad: bool = False
    weight_decay: float | None = 0.004
