"""The weighted sum: the op that a dense network spends its time in."""

from __future__ import annotations

from math import prod
from typing import Any

from pellucid.autodiff.op import op
from pellucid.autodiff.ops.movement import reshape, swap_last
from pellucid.autodiff.tape import Array


@op("... n i, ... i o -> ... n o", joined="products", called="sum", onnx="MatMul")
def matmul(xp: Any, x: Array, w: Array) -> Array:
    """Each output number is a row of x times a column of w, added up."""
    return xp.matmul(x, w)


@matmul.backward
def _(dy: Any, y: Any, x: Any, w: Any):
    back = dy @ swap_last(w)
    if w.ndim == 2 < x.ndim:  # all matrices of x meet one w: one product adds up what each of them sends back
        rows = prod(x.shape[:-1])
        x, dy = (reshape(a, shape=(rows, a.shape[-1])) for a in (x, dy))
    return back, swap_last(x) @ dy
