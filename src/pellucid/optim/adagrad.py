"""Adagrad: a stride that shrinks as a weight's gradients add up."""

from dataclasses import dataclass
from typing import Any, ClassVar

from pellucid.optim.interval import check
from pellucid.optim.optimizer import Optimizer
from pellucid.optim.schedule import Schedule


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """Each gradient is divided by the root of the sum of its squares so far: rare features move further.

    `accumulator ← accumulator + g²`, starting at initial_accumulator_value, and
    `w ← w - rate · g / √(accumulator + epsilon)`. PyTorch adds epsilon after the root.

    Raises UsageError for a negative initial_accumulator_value or epsilon, and as every Optimizer.

    >>> import numpy as np
    >>> optimizer, w = Adagrad(0.1), {"w": np.array([1.0])}
    >>> state = optimizer.init(w)
    >>> for g in (2.0, -1.0):
    ...     updates, state = optimizer.update({"w": np.array([g])}, state, w)
    ...     print(updates["w"].round(6))
    [-0.098773]
    [0.044281]

    Source: Duchi, Hazan, Singer (2011), jmlr.org/papers/v12/duchi11a.html.
    """

    learning_rate: float | Schedule = 0.001
    initial_accumulator_value: float = 0.1
    epsilon: float = 1e-7

    slots: ClassVar[tuple[str, ...]] = ("accumulator",)

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, initial_accumulator_value="[0, inf)", epsilon="[0, inf)")

    def initial(self, slot: str) -> float:
        return self.initial_accumulator_value

    def rule(self, xp: Any, g: Any, w: Any, rate: Any, t: Any, accumulator: Any) -> tuple[Any, ...]:
        accumulator = accumulator + g**2
        change = -rate * g / xp.sqrt(accumulator + self.epsilon)
        if self.weight_decay:
            change = change - rate * self.weight_decay * w
        return change, accumulator
