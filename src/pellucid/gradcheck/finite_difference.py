"""The gradient by slightly changing each weight and measuring the loss.

No rule of calculus is used, so it can prove those that are. Central: (f(w + h) - f(w - h)) / 2h, whose
error falls with h²; forward: (f(w + h) - f(w)) / h, the textbook's first try, whose error falls with h.

`finite_difference` runs f from its start for each change, and knows nothing of how f is made. `measured` runs
again only what a change reaches (restart.py), which is hundreds of times faster and gives the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy

from pellucid.autodiff.op import namespace
from pellucid.autodiff.tape import Array, Tape, Value
from pellucid.errors import ShapeError, UsageError
from pellucid.gradcheck.difference import central, forward
from pellucid.gradcheck.restart import Progress, Restart
from pellucid.registry import Configured


@dataclass(frozen=True)
class FiniteDifference(Configured):
    """How far and to which side a weight is changed.

    eps: the change h; None takes 1e-6 · max(1, |w|), which in float64 balances the error of the formula
        (h²) against rounding (1e-16 / h).
    scheme: "central" (both sides) or "forward" (one).
    """

    tag: ClassVar[str] = "method"
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

    def slope(self, f: Callable[[Any], Any], w: Any, h: Any, here: Any) -> Any:
        """The slope of f at w by a change of h; `here` is f(w), which the central scheme has no need of."""
        return central(f, w, h) if self.scheme == "central" else forward(f, w, h, here)


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

            def at(w: float, i: int = i, weights: Array = weights) -> float:
                weights[i] = w
                return value()

            out[i] = how.slope(at, before, h, here)
            weights[i] = before
    return gradient


def measured(
    output: Value,
    wrt: Sequence[Value],
    how: FiniteDifference | None = None,
    *,
    at: Sequence[Array | None] | None = None,
    progress: Progress | None = None,
) -> list[Array]:
    """The slope of `output` (one number of a finished pass) with respect to each number of each Value of `wrt`.

    (f(w + h) - f(w - h)) / 2h as in `finite_difference`, from the numbers on the tape, in their precision, which
    should be float64. NumPy or JAX, traced or not.

    Args:
        how: eps and scheme; central by default.
        at: for each Value the places to measure, counted in reading order, shape (k,); None for all.
        progress: called with how many numbers are done, and how many there are (NumPy alone).

    Returns for each Value an array of its shape, or (k,) where places are given.

    Raises ShapeError where `output` is more than one number.

    >>> import numpy as np
    >>> tape = Tape({"w": np.array([[2.0, 1.0], [0.0, -3.0]])})
    >>> w = tape.parameter("w")
    >>> from pellucid.autodiff import ops
    >>> slope, = measured(ops.sum(np.array([[1.0, 2.0]]) @ w) ** 2, [w])
    >>> (slope.round(4) + 0.0).tolist()
    [[-6.0, -6.0], [-12.0, -12.0]]
    """
    if output.shape not in ((), (1,)):
        raise ShapeError(f"only one number has a gradient, but the output has shape {output.shape}; take its mean")
    how = how or FiniteDifference()
    xp = namespace(output.array, *(value.array for value in wrt))
    chosen = [None] * len(wrt) if at is None else at
    places = [xp.arange(_size(v)) if a is None else xp.asarray(a) for v, a in zip(wrt, chosen, strict=True)]
    total, done = sum(p.shape[0] for p in places), 0
    found: list[Array] = []
    for value, where, asked in zip(wrt, places, chosen, strict=True):

        def tell(now: int, _: int, before: int = done) -> None:
            if progress is not None:
                progress(before + now, total)

        slope = _slopes(output, value, where, how, tell)
        found.append(xp.reshape(slope, value.shape) if asked is None else slope)
        done += where.shape[0]
    return found


def _slopes(output: Value, value: Value, places: Array, how: FiniteDifference, progress: Progress) -> Array:
    nodes, xp = output.tape.nodes, namespace(output.array, value.array)
    again = Restart(nodes, value.node.index, (output.node.index,))
    if not places.shape[0] or not again.reaches:
        return xp.zeros(places.shape, dtype=value.array.dtype)
    w = xp.take(xp.reshape(value.array, (-1,)), places)

    def slope(places: Array, w: Array, h: Array) -> tuple[Array]:
        return (how.slope(lambda w: again.values(places, w), w, h, output.array),)

    return again.each(slope, places, w, how.change(xp, w), progress=progress)[0]


def _size(value: Value) -> int:
    return math.prod(value.shape)
