"""One op for many variants of its inputs at once: to batch it.

How an op takes the axis of variants is read off its `axes`: each place stands alone, "..." stands for any axes in
front, a reduction counts its axes one further, and the few ops that move numbers say it beside their forward. An
op of which none is known is run variant by variant: right for every op, and slower. Before that, a few rules keep
small what changes in little: arithmetic place by place, sums, products with a matrix, rows of a table, and windows
(window_batching.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from pellucid.autodiff.backend import each
from pellucid.autodiff.tape import Array
from pellucid.gradcheck.variants import (
    Call,
    Column,
    Input,
    Point,
    Variants,
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

Rule = Callable[[Call], Variants | None]
"""A way to batch some calls; None for the others."""
MATRICES = "... n i, ... i o -> ... n o"
"""The axes of a product of matrices."""


def batch(call: Call) -> Variants:
    """The op's output for the P variants of its inputs."""
    for rule in RULES:
        if (found := rule(call)) is not None:
            return found
    return one_by_one(call)


def one_by_one(call: Call) -> Array:
    """The op on each variant alone: what every other rule has to equal."""
    xp = call.xp

    def one(p: Any) -> Array:
        return call.run(
            *(i.base if i.variants is None else dense(xp, i.base, variant(i.variants, p))[0] for i in call.inputs)
        )

    return each(xp, one, count(call.varying[0].variants))


def in_full(call: Call) -> Array | None:
    """All numbers of each variant, by what the op's axes say."""
    xp, op = call.xp, call.op
    full = [None if i.variants is None else dense(xp, i.base, i.variants) for i in call.inputs]
    many = count(call.varying[0].variants)
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
    if op.batched is not None:
        return op.batched(xp, tuple(call.output.shape), *repeated, **call.settings)
    if op.spatial:
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


def places_of(call: Call) -> Variants | None:
    """Arithmetic place by place: one changed number stays one, one changed column stays one."""
    xp = call.xp
    if not call.op.elementwise or not call.depth:
        return None
    if not all(isinstance(i.variants, Point | Column) for i in call.varying):
        return None
    if (point := _point(call)) is not None:
        return point
    columns = [i if i.variants is None else Input(i.base, as_column(xp, i.base, i.variants)) for i in call.inputs]
    places = next(i.variants.places for i in columns if i.variants is not None)
    width = call.output.shape[-1]
    if any(i.shape[-1] != width or i.variants.places is not places for i in columns if i.variants is not None):
        return None  # repeated along the last axis, or not the same column
    arrays: list[Any] = []
    for i in columns:
        if i.variants is not None:
            arrays.append(deeper(xp, i.variants.values, call.depth - len(i.shape)))
        elif i.shape and i.shape[-1] == width:
            arrays.append(deeper(xp, picked(xp, i.base, places), call.depth - len(i.shape)))
        else:
            arrays.append(i.base)
    return Column(places, xp.broadcast_to(call.run(*arrays), (places.shape[0], *call.output.shape[:-1], 1)))


def _point(call: Call) -> Point | None:
    """Where all that changes is one number and no input is repeated but plain numbers."""
    xp, shape = call.xp, tuple(call.output.shape)
    if not all(isinstance(i.variants, Point) and i.shape == shape for i in call.varying):
        return None
    if any(i.shape != shape for i in call.inputs if i.shape):
        return None
    places = next(i.variants.places for i in call.inputs if i.variants is not None)
    values = [
        i.variants.values if i.variants is not None else numbers(xp, i.base, places) if i.shape else i.base
        for i in call.inputs
    ]
    return Point(places, xp.broadcast_to(call.run(*values), places.shape))


def columns_reduced(call: Call) -> Variants | None:
    """A reduction over axes before the last: one changed column stays one."""
    xp, x = call.xp, call.inputs[-1]
    if call.op.axes != "reduce" or not isinstance(x.variants, Point | Column) or len(x.shape) < 2:
        return None
    if len(x.shape) in call.axes:
        return None
    column = as_column(xp, x.base, x.variants)
    others = (picked(xp, i.base, column.places) for i in call.inputs[:-1])
    return Column(column.places, call.run(*others, column.values, axis=call.axes))


def sums(call: Call) -> Variants | None:
    """A sum or a mean over the last axis moves by what the changed numbers move it."""
    if call.op.axes != "reduce" or call.op.joined not in ("sum", "mean"):
        return None
    xp, (x,) = call.xp, call.inputs
    if not isinstance(x.variants, Point | Column) or len(x.shape) not in call.axes:
        return None
    if isinstance(x.variants, Point) and len(call.axes) == len(x.shape):
        moved = x.variants.values - numbers(xp, x.base, x.variants.places)
        moved = after(xp, moved, call.depth)
    else:
        column = as_column(xp, x.base, x.variants)
        moved = column.values - picked(xp, x.base, column.places)
        moved = xp.sum(moved, axis=call.axes, keepdims=bool(call.settings.get("keepdims")))
    if call.op.joined == "mean":
        moved = moved / math.prod(x.shape[axis - 1] for axis in call.axes)
    return call.output + moved


def products(call: Call) -> Variants | None:
    """z = x @ w. A changed number (i, j) of w moves column j of z by change · x[:, i]; a changed column j of x moves
    z by change · w[j, :]; many changed x against one w are products of large matrices."""
    if call.op.joined != "products" or call.op.axes != MATRICES:
        return None
    xp, (x, w) = call.xp, call.inputs
    if len(w.shape) != 2 or len(x.shape) < 2:
        return None
    if isinstance(w.variants, Point):
        return _of_one_number(call, w.variants)
    if isinstance(w.variants, Column) and x.variants is None:
        column = deeper(xp, w.variants.values, len(x.shape) - 2)
        return Column(w.variants.places, xp.matmul(x.base, column))
    if w.variants is not None:
        return None
    if not isinstance(x.variants, Point | Column):
        return _times(xp, x.variants, w.base)
    column = as_column(xp, x.base, x.variants)
    change = column.values - picked(xp, x.base, column.places)
    rows = picked(xp, xp.swapaxes(w.base, 0, 1), column.places)[..., 0]
    return call.output + change * deeper(xp, rows, len(x.shape) - 1)


def _of_one_number(call: Call, variants: Point) -> Variants:
    """x @ w for a changed number (i, j) of w."""
    xp, (x, w) = call.xp, call.inputs
    i, j = variants.places // w.shape[1], variants.places % w.shape[1]
    change = after(xp, variants.values - numbers(xp, w.base, variants.places), call.depth)
    if x.variants is None:
        return Column(j, picked(xp, call.output, j) + change * picked(xp, x.base, i))
    rows = dense(xp, x.base, x.variants)
    taken = xp.take_along_axis(rows, xp.broadcast_to(after(xp, i, call.depth), (*rows.shape[:-1], 1)), axis=-1)
    here = xp.arange(w.shape[1]) == after(xp, j, call.depth)
    return _times(xp, rows, w.base) + xp.where(here, change * taken, 0.0)


def _times(xp: Any, x: Array, w: Array) -> Array:
    """x @ w for x (P, ..., n, i) and w (i, o), the variants last in memory."""
    return xp.moveaxis(xp.matmul(xp.swapaxes(w, 0, 1), xp.moveaxis(x, 0, -1)), -1, 0)


def rows_of_table(call: Call) -> Variants | None:
    """A changed number of a table moves one column of the rows that are taken from it."""
    if call.op.axes != "lookup":
        return None
    xp, (table, indices) = call.xp, call.inputs
    if not isinstance(table.variants, Point) or indices.variants is not None or len(table.shape) != 2:
        return None
    length, width = table.shape
    row, place = table.variants.places // width, table.variants.places % width
    here = xp.clip(indices.base, 0, length - 1) == after(xp, row, len(indices.shape))
    values = after(xp, table.variants.values, call.depth)
    return Column(place, xp.where(here[..., None], values, picked(xp, call.output, place)))


RULES: tuple[Rule, ...] = (
    products,
    sums,
    rows_of_table,
    convolved,
    places_of,
    columns_reduced,
    channels_alone,
    in_full,
)
"""In order: each tells by what an op declares whether it may be used. All but the last keep small changes small."""
