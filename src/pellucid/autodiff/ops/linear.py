"""The weighted sum: the op that a dense network spends its time in."""

from __future__ import annotations

from typing import Any

from pellucid.autodiff.op import op
from pellucid.autodiff.ops.movement import swap_last
from pellucid.autodiff.tape import Array


@op("... n i, ... i o -> ... n o")
def matmul(xp: Any, x: Array, w: Array) -> Array:
    """Each output number is a row of x times a column of w, added up."""
    return xp.matmul(x, w)


@matmul.backward
def _(dy: Any, y: Any, x: Any, w: Any):
    return dy @ swap_last(w), swap_last(x) @ dy
