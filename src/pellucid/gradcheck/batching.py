"""One op for many variants of its inputs at once.

How an op takes the axis of variants is read off its `axes`: each place stands alone, "..." stands for any axes in
front, a reduction counts its axes one further, and the few ops that move numbers say it beside their forward. An
op of which none is known is run variant by variant: right for every op, and slower. Before that, a few rules keep
small what changes in little: arithmetic place by place, sums, products with a matrix, rows of a table, and windows
(lifted_windows.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from pellucid.autodiff.backend import each
from pellucid.autodiff.tape import Array
from pellucid.gradcheck.variants import (
    Call,
    Changed,
    Column,
    Input,
    Point,
    after,
    as_column,
    count,
    deeper,
    dense,
    numbers,
    picked,
    variant,
)
from pellucid.gradcheck.window_batching import channels_alone, convolved

Rule = Callable[[Call], Changed | None]
"""A way to lift some calls; None for the others."""


def lift(call: Call) -> Changed:
    """The op's output for the P variants of its inputs."""
    for rule in (SMALL.get(call.op.name), places_of, columns_reduced, channels_alone, in_full):
        found = None if rule is None else rule(call)
        if found is not None:
            return found
    return one_by_one(call)


def one_by_one(call: Call) -> Array:
    """The op on each variant alone: what every other rule has to equal."""
    xp = call.xp

    def one(p: Any) -> Array:
        return call.run(
            *(i.base if i.changed is None else dense(xp, i.base, variant(i.changed, p))[0] for i in call.inputs)
        )

    return each(xp, one, count(call.lifted[0].changed))


def in_full(call: Call) -> Array | None:
    """All numbers of each variant, by what the op's axes say."""
    xp, op = call.xp, call.op
    full = [None if i.changed is None else dense(xp, i.base, i.changed) for i in call.inputs]
    many = count(call.lifted[0].changed)
    if op.elementwise:
        arrays = [
            i.base if a is None else deeper(xp, a, call.depth - len(i.shape))
            for i, a in zip(call.inputs, full, strict=True)
        ]
        return xp.broadcast_to(call.run(*arrays), (many, *call.output.shape))
    if "..." in op.axes:
        return _in_front(call, full, many)
    repeated = [
        a if a is not None else xp.broadcast_to(i.base, (many, *i.shape)) if i.shape else i.base
        for i, a in zip(call.inputs, full, strict=True)
    ]
    if op.lifted is not None:
        return op.lifted(xp, tuple(call.output.shape), *repeated, **call.settings)
    if op.leading:
        return call.run(*repeated)
    return call.run(*repeated, axis=call.axes) if op.axes == "reduce" else None


def _in_front(call: Call, full: Sequence[Array | None], many: int) -> Array | None:
    """By axes such as "... n i, ... i o -> ... n o": the variants stand in front of what "..." stands for."""
    xp = call.xp
    terms, result = call.op.axes.split("->")
    ahead = call.depth - len(result.split()) + 1
    arrays: list[Any] = []
    for term, i, array in zip(terms.split(","), call.inputs, full, strict=True):
        if "..." in term:
            own = len(i.shape) - len(term.split()) + 1
            array = deeper(xp, i.base[None] if array is None else array, ahead - own)
            arrays.append(xp.broadcast_to(array, (many, *array.shape[1:])))
        elif array is None:
            arrays.append(i.base)
        else:
            return None
    return call.run(*arrays)


def places_of(call: Call) -> Changed | None:
    """Arithmetic place by place: one changed number stays one, one changed column stays one."""
    xp, lifted = call.xp, call.lifted
    if not call.op.elementwise or not call.depth or not all(isinstance(i.changed, Point | Column) for i in lifted):
        return None
    if (point := _point(call)) is not None:
        return point
    columns = [i if i.changed is None else Input(i.base, as_column(xp, i.base, i.changed)) for i in call.inputs]
    places = next(i.changed.places for i in columns if i.changed is not None)
    width = call.output.shape[-1]
    if any(i.shape[-1] != width or i.changed.places is not places for i in columns if i.changed is not None):
        return None  # repeated along the last axis, or not the same column
    arrays: list[Any] = []
    for i in columns:
        if i.changed is not None:
            arrays.append(deeper(xp, i.changed.values, call.depth - len(i.shape)))
        elif i.shape and i.shape[-1] == width:
            arrays.append(deeper(xp, picked(xp, i.base, places), call.depth - len(i.shape)))
        else:
            arrays.append(i.base)
    return Column(places, xp.broadcast_to(call.run(*arrays), (places.shape[0], *call.output.shape[:-1], 1)))


def _point(call: Call) -> Point | None:
    """Where all that changes is one number and no input is repeated but plain numbers."""
    xp, shape = call.xp, tuple(call.output.shape)
    if not all(isinstance(i.changed, Point) and i.shape == shape for i in call.lifted):
        return None
    if any(i.shape != shape for i in call.inputs if i.shape):
        return None
    places = next(i.changed.places for i in call.inputs if i.changed is not None)
    values = [
        i.changed.values if i.changed is not None else numbers(xp, i.base, places) if i.shape else i.base
        for i in call.inputs
    ]
    return Point(places, xp.broadcast_to(call.run(*values), places.shape))


def columns_reduced(call: Call) -> Changed | None:
    """A reduction over axes before the last: one changed column stays one."""
    xp, x = call.xp, call.inputs[-1]
    if call.op.axes != "reduce" or not isinstance(x.changed, Point | Column) or len(x.shape) < 2:
        return None
    if len(x.shape) in call.axes:
        return None
    column = as_column(xp, x.base, x.changed)
    others = (picked(xp, i.base, column.places) for i in call.inputs[:-1])
    return Column(column.places, call.run(*others, column.values, axis=call.axes))


def sums(call: Call) -> Changed | None:
    """A sum or a mean over the last axis moves by what the changed numbers move it."""
    xp, (x,) = call.xp, call.inputs
    if not isinstance(x.changed, Point | Column) or len(x.shape) not in call.axes:
        return None
    if isinstance(x.changed, Point) and len(call.axes) == len(x.shape):
        moved = x.changed.values - numbers(xp, x.base, x.changed.places)
        moved = after(xp, moved, call.depth)
    else:
        column = as_column(xp, x.base, x.changed)
        moved = column.values - picked(xp, x.base, column.places)
        moved = xp.sum(moved, axis=call.axes, keepdims=bool(call.settings.get("keepdims")))
    if call.op.name == "mean":
        moved = moved / math.prod(x.shape[axis - 1] for axis in call.axes)
    return call.output + moved


def products(call: Call) -> Changed | None:
    """z = x @ w. A changed number (i, j) of w moves column j of z by change · x[:, i]; a changed column j of x moves
    z by change · w[j, :]; many changed x against one w are products of large matrices."""
    xp, (x, w) = call.xp, call.inputs
    if len(w.shape) != 2 or len(x.shape) < 2:
        return None
    if isinstance(w.changed, Point):
        return _of_one_number(call, w.changed)
    if isinstance(w.changed, Column) and x.changed is None:
        column = deeper(xp, w.changed.values, len(x.shape) - 2)
        return Column(w.changed.places, xp.matmul(x.base, column))
    if w.changed is not None:
        return None
    if not isinstance(x.changed, Point | Column):
        return _times(xp, x.changed, w.base)
    column = as_column(xp, x.base, x.changed)
    change = column.values - picked(xp, x.base, column.places)
    rows = picked(xp, xp.swapaxes(w.base, 0, 1), column.places)[..., 0]
    return call.output + change * deeper(xp, rows, len(x.shape) - 1)


def _of_one_number(call: Call, changed: Point) -> Changed:
    """x @ w for a changed number (i, j) of w."""
    xp, (x, w) = call.xp, call.inputs
    i, j = changed.places // w.shape[1], changed.places % w.shape[1]
    change = after(xp, changed.values - numbers(xp, w.base, changed.places), call.depth)
    if x.changed is None:
        return Column(j, picked(xp, call.output, j) + change * picked(xp, x.base, i))
    rows = dense(xp, x.base, x.changed)
    taken = xp.take_along_axis(rows, xp.broadcast_to(after(xp, i, call.depth), (*rows.shape[:-1], 1)), axis=-1)
    here = xp.arange(w.shape[1]) == after(xp, j, call.depth)
    return _times(xp, rows, w.base) + xp.where(here, change * taken, 0.0)


def _times(xp: Any, x: Array, w: Array) -> Array:
    """x @ w for x (P, ..., n, i) and w (i, o), the variants last in memory."""
    return xp.moveaxis(xp.matmul(xp.swapaxes(w, 0, 1), xp.moveaxis(x, 0, -1)), -1, 0)


def rows_of_table(call: Call) -> Changed | None:
    """A changed number of a table moves one column of the rows that are taken from it."""
    xp, (table, indices) = call.xp, call.inputs
    if not isinstance(table.changed, Point) or indices.changed is not None or len(table.shape) != 2:
        return None
    length, width = table.shape
    row, place = table.changed.places // width, table.changed.places % width
    here = xp.clip(indices.base, 0, length - 1) == after(xp, row, len(indices.shape))
    values = after(xp, table.changed.values, call.depth)
    return Column(place, xp.where(here[..., None], values, picked(xp, call.output, place)))


SMALL: dict[str, Rule] = {
    "convolution": convolved,
    "matmul": products,
    "mean": sums,
    "sum": sums,
    "take_rows": rows_of_table,
}
"""By the name of an op: what keeps its changes small."""
