"""The gradient by changing all weights at once, along a random direction.

Two measurements give an estimate of every slope, whatever the number of weights; it is right on average, and each
one by itself is mostly noise: that of all other weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from pellucid.arguments import whole
from pellucid.autodiff.backend import in_turn
from pellucid.autodiff.random import keep_mask
from pellucid.autodiff.tape import Array
from pellucid.errors import UsageError
from pellucid.gradcheck.difference import central
from pellucid.registry import Configured


@dataclass(frozen=True)
class SPSA(Configured):
    """Simultaneous perturbation stochastic approximation: g ≈ (f(w + eps·d) - f(w - eps·d)) / (2·eps) · d.

    d is a direction of -1 and 1, drawn anew for each sample of each step; as each number of it is its own inverse,
    this is Spall's division by it.

    eps: how far each weight is changed. samples: how many estimates are averaged; each takes two passes.

    >>> import numpy as np
    >>> w = np.array([3.0, 4.0])
    >>> SPSA().estimate(np, lambda w: (w * w).sum(), w, seed=0, step=0).round(6)
    array([14., 14.])

    Source: Spall 1992, doi:10.1109/9.119632.
    """

    tag: ClassVar[str] = "method"
    eps: float = 1e-4
    samples: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.eps < float("inf"):
            raise UsageError(f"SPSA(eps={self.eps!r}): eps is a positive number, as 1e-4")
        whole("samples", self.samples, of=self)

    def direction(self, xp: Any, seed: Any, step: Any, sample: Any, length: int) -> Array:
        """The direction of one sample of one step, a function of these numbers alone: (length,) of -1.0 and 1.0."""
        up = keep_mask(xp, seed, step * self.samples + sample, "spsa", (length,), 0.5)
        return xp.where(up, xp.ones((), dtype=xp.float64), -xp.ones((), dtype=xp.float64))

    def estimate(self, xp: Any, f: Callable[[Array], Array], w: Array, seed: Any, step: Any) -> Array:
        """The mean of the estimates of the gradient of f at w (n,), in float64; `xp` NumPy or JAX."""

        def one(sample: Any) -> Array:
            d = self.direction(xp, seed, step, sample, w.shape[0])
            return central(lambda t: f(w + t * d), 0.0, self.eps) * d

        return xp.mean(in_turn(xp, one, xp.arange(self.samples)), axis=0)
