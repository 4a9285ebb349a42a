"""The gradient by slightly changing each weight and measuring the loss.

No rule of calculus is used, so it can prove those that are. Central: (f(w + h) - f(w - h)) / 2h, whose
error falls with h²; forward: (f(w + h) - f(w)) / h, the textbook's first try, whose error falls with h.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy

from pellucid.autodiff.tape import Array, Tape, Value
from pellucid.errors import ShapeError, UsageError


@dataclass(frozen=True)
class FiniteDifference:
    """How far and to which side a weight is changed.

    eps: the change h; None takes 1e-6 · max(1, |w|), which in float64 balances the error of the formula
        (h²) against rounding (1e-16 / h).
    scheme: "central" (both sides) or "forward" (one).
    """

    eps: float | None = None
    scheme: Literal["central", "forward"] = "central"

    def __post_init__(self) -> None:
        if self.scheme not in ("central", "forward"):
            raise UsageError(f"scheme={self.scheme!r} is not known; it is 'central' or 'forward'")
        if self.eps is not None and not 0 < self.eps < float("inf"):
            raise UsageError(f"eps={self.eps!r} must be a positive number, as 1e-6")

    def change(self, xp: Any, w: Array) -> Array:
        """h for each weight."""
        one = xp.ones_like(w)
        return 1e-6 * xp.maximum(one, xp.abs(w)) if self.eps is None else self.eps * one


def finite_difference(
    f: Callable[[dict[str, Value]], Value],
    parameters: Mapping[str, Array],
    *,
    eps: float | None = None,
    scheme: Literal["central", "forward"] = "central",
) -> dict[str, Array]:
    """The gradient of f with respect to each parameter, one weight at a time, in float64.

    Args and errors as for `backprop`; cost: two passes for each number of each parameter.

    >>> import numpy as np
    >>> g = finite_difference(lambda p: (p["w"] * 2.0 - 6.0) ** 2, {"w": np.array(2.0)})
    >>> round(float(g["w"]), 6)
    -8.0
    """
    how = FiniteDifference(eps, scheme)
    point = {path: numpy.array(array, dtype=numpy.float64) for path, array in parameters.items()}

    def value() -> float:
        tape = Tape(dict(point))
        output = f({path: tape.parameter(path) for path in point})
        if output.shape not in ((), (1,)):
            raise ShapeError(f"only one number has a gradient, but f returned shape {output.shape}")
        return float(output.array.reshape(()))

    here = value() if how.scheme == "forward" else 0.0
    gradient = {path: numpy.zeros_like(array) for path, array in point.items()}
    for path, array in point.items():
        weights, out = array.reshape(-1), gradient[path].reshape(-1)
        changes = how.change(numpy, weights)
        for i, h in enumerate(changes):
            before = weights[i]
            weights[i] = before + h
            up, above = value(), weights[i]
            if how.scheme == "forward":
                out[i] = (up - here) / (above - before)
            else:
                weights[i] = before - h
                out[i] = (up - value()) / (above - weights[i])  # the change as it was rounded
            weights[i] = before
    return gradient
