"""Muon: a matrix of weights moves along the nearest orthogonal matrix to its momentum."""

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from pellucid.errors import UsageError
from pellucid.optim.adam import AdamW
from pellucid.optim.interval import check, check_count
from pellucid.optim.optimizer import Optimizer
from pellucid.optim.schedule import Scaled, Schedule


@dataclass(frozen=True)
class Muon(Optimizer):
    """The momentum of each matrix, with all its singular values brought near 1: rare directions move as far.

    `m ← momentum · m + g`, `ahead = g + momentum · m` (with nesterov, else m), and
    `w ← w - rate · (√max(1, out / in) · orthogonal(ahead) + weight_decay · w)`. An array of more than two axes
    counts as a matrix (all but the last, last), so a convolution's kernel is (height · width · in, out).

    Vectors and single numbers, arrays whose path has "embedding" in it (unless exclude_embeddings is False) and
    those whose path matches one of the regular expressions in `exclude_layers` are moved by AdamW, weight decay
    included, at `adam_lr_ratio` times the rate. It is meant for hidden layers: name the last layer in exclude_layers.
    Keras multiplies by √max(1, in / out), and leaves kernels of four axes to AdamW.

    Raises UsageError for a setting out of its range or an expression that is none, and as every Optimizer.

    >>> import numpy as np
    >>> optimizer, w = Muon(0.1, weight_decay=None), {"w": np.eye(2)}
    >>> g = {"w": np.array([[0.0, 2.0], [1e-3, 0.0]])}
    >>> updates, _ = optimizer.update(g, optimizer.init(w), w)
    >>> updates["w"].round(2)  # both directions, though one gradient is 2000 times the other
    array([[-0.  , -0.11],
           [-0.08, -0.  ]])

    Source: Jordan et al. (2024), kellerjordan.github.io/posts/muon; Liu et al. (2025), arXiv:2502.16982.
    """

    learning_rate: float | Schedule = 0.001
    adam_beta_1: float = 0.9
    adam_beta_2: float = 0.999
    epsilon: float = 1e-7
    weight_decay: float | None = 0.1
    exclude_layers: tuple[str, ...] | list[str] = ()
    exclude_embeddings: bool = True
    muon_a: float = 3.4445
    muon_b: float = -4.7750
    muon_c: float = 2.0315
    adam_lr_ratio: float = 0.1
    momentum: float = 0.95
    ns_steps: int = 6
    nesterov: bool = True

    slots: ClassVar[tuple[str, ...]] = ("m",)

    def __post_init__(self) -> None:
        super().__post_init__()
        # A tuple, so that an optimizer given a list is still hashable and equal to itself read back.
        object.__setattr__(self, "exclude_layers", tuple(self.exclude_layers))
        check(self, adam_beta_1="[0, 1)", adam_beta_2="[0, 1)", epsilon="[0, inf)", momentum="[0, 1]")
        check(self, adam_lr_ratio="[0, inf)")
        check_count(self, "ns_steps")
        for pattern in self.exclude_layers:
            try:
                re.compile(pattern)
            except re.error as error:
                raise UsageError(
                    f"Muon: exclude_layers has {pattern!r}, which is no regular expression: {error}"
                ) from None

    def of(self, path: str, w: Any) -> Optimizer:
        embedding = self.exclude_embeddings and "embedding" in path.lower()
        if len(w.shape) > 1 and not embedding and not any(re.search(e, path) for e in self.exclude_layers):
            return self
        return AdamW(
            Scaled(self.learning_rate, self.adam_lr_ratio),
            beta_1=self.adam_beta_1,
            beta_2=self.adam_beta_2,
            epsilon=self.epsilon,
            weight_decay=self.weight_decay,
            use_ema=self.use_ema,
            ema_momentum=self.ema_momentum,
            ema_overwrite_frequency=self.ema_overwrite_frequency,
            lookahead_period=self.lookahead_period,
            lookahead_step_size=self.lookahead_step_size,
        )

    def orthogonal(self, xp: Any, matrix: Any) -> Any:
        """A matrix with the same singular vectors and all singular values between about 0.7 and 1.2.

        Newton-Schulz: from `x = matrix / ‖matrix‖`, ns_steps times `x ← a x + b (x xᵀ) x + c (x xᵀ)² x`, which takes
        every singular value, however small, towards 1. The shape stays.

        >>> import numpy as np
        >>> np.linalg.svd(Muon().orthogonal(np, np.diag([5.0, 0.1])))[1].round(1)
        array([1.1, 1.1])
        """
        shape = tuple(matrix.shape)
        x = xp.reshape(matrix, (-1, shape[-1]))
        tall = x.shape[0] > x.shape[1]
        x = x.T if tall else x
        x = x / (xp.sqrt(xp.sum(x * x)) + 1e-7)
        for _ in range(self.ns_steps):
            square = x @ x.T
            x = self.muon_a * x + (self.muon_b * square + self.muon_c * square @ square) @ x
        return xp.reshape(x.T if tall else x, shape)

    def scale(self, xp: Any, w: Any) -> float:
        """`√max(1, out / in)`: a wide layer's move is as large for each of its inputs as a square one's.

        >>> import numpy as np
        >>> Muon().scale(np, np.zeros((2, 8))), Muon().scale(np, np.zeros((8, 2)))
        (2.0, 1.0)
        """
        out = w.shape[-1]
        return max(1.0, out * out / w.size) ** 0.5

    def rule(self, xp: Any, g: Any, w: Any, rate: Any, t: Any, m: Any) -> tuple[Any, ...]:
        m = self.momentum * m + g
        if self.nesterov:
            ahead = g + self.momentum * m
        else:
            ahead = m
        direction = self.orthogonal(xp, ahead)
        scale = self.scale(xp, w)
        change = -rate * scale * direction
        if self.weight_decay:
            change = change - rate * self.weight_decay * w
        return change, m
