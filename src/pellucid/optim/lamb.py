"""Lamb: Adam's direction, with a stride for each array that is in proportion to the array's own size."""

from dataclasses import dataclass
from typing import Any, ClassVar

from pellucid.optim.interval import check
from pellucid.optim.optimizer import Optimizer
from pellucid.optim.schedule import Schedule


@dataclass(frozen=True)
class Lamb(Optimizer):
    """Adam's move, scaled so that each array of weights moves by the share `rate` of its own length.

    m_hat and v_hat as in Adam, `move = m_hat / (√v_hat + epsilon) + weight_decay · w`,
    `trust = ‖w‖ / ‖move‖` over the whole array (1 where either is 0), and `w ← w - rate · trust · move`. Made for
    large batches. Here, as published, the weight decay counts in ‖move‖; Keras takes it off apart.

    Raises UsageError for a beta outside 0 … 1 (1 excluded) or epsilon < 0, and as every Optimizer.

    >>> import numpy as np
    >>> optimizer, w = Lamb(0.1), {"w": np.array([3.0, 4.0])}
    >>> updates, _ = optimizer.update({"w": np.array([0.5, -0.5])}, optimizer.init(w), w)
    >>> updates["w"].round(6)  # a tenth of the length 5, along (-1, 1)
    array([-0.353553,  0.353553])

    Source: You et al. (2020), arXiv:1904.00962, algorithm 2.
    """

    learning_rate: float | Schedule = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    slots: ClassVar[tuple[str, ...]] = ("m", "v")

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, beta_1="[0, 1)", beta_2="[0, 1)", epsilon="[0, inf)")

    def trust_ratio(self, xp: Any, w: Any, move: Any) -> Any:
        """`‖w‖ / ‖move‖`, one number for the whole array; 1 where either length is 0.

        >>> import numpy as np
        >>> float(Lamb().trust_ratio(np, np.array([3.0, 4.0]), np.array([0.0, 2.0])))
        2.5
        """
        length, moved = xp.sqrt(xp.sum(w * w)), xp.sqrt(xp.sum(move * move))
        both = (length > 0) & (moved > 0)
        return xp.where(both, length, 1.0) / xp.where(both, moved, 1.0)

    def rule(self, xp: Any, g: Any, w: Any, rate: Any, t: Any, m: Any, v: Any) -> tuple[Any, ...]:
        m = self.beta_1 * m + (1 - self.beta_1) * g
        v = self.beta_2 * v + (1 - self.beta_2) * g**2
        m_hat = m / (1 - self.beta_1**t)
        v_hat = v / (1 - self.beta_2**t)
        move = m_hat / (xp.sqrt(v_hat) + self.epsilon)
        if self.weight_decay:
            move = move + self.weight_decay * w
        trust = self.trust_ratio(xp, w, move)
        change = -rate * trust * move
        return change, m, v
