"""Numbers change places, none changes value (dropout scales those it keeps)."""

from __future__ import annotations

from typing import Any

from pellucid.autodiff.op import OPS, op
from pellucid.autodiff.seam import scatter_add
from pellucid.autodiff.tape import Array


@op("move")
def reshape(xp: Any, x: Array, *, shape: tuple[int, ...]) -> Array:
    """The same numbers in the same order, in another shape."""
    return xp.reshape(x, shape)


@reshape.backward
def _(dy: Any, y: Any, x: Any, *, shape: tuple[int, ...]):
    return reshape(dy, shape=x.shape)


@op("... a b -> ... b a")
def swap_last(xp: Any, x: Array) -> Array:
    """Swaps the last two axes: the transpose of each matrix."""
    return xp.swapaxes(x, -1, -2)


@swap_last.backward
def _(dy: Any, y: Any, x: Any):
    return swap_last(dy)


@op("move")
def broadcast_to(xp: Any, x: Array, *, shape: tuple[int, ...]) -> Array:
    """Repeats x along new axes and along axes of length 1."""
    return xp.broadcast_to(x, shape)


@broadcast_to.backward
def _(dy: Any, y: Any, x: Any, *, shape: tuple[int, ...]):
    return OPS["sum_to"](dy, shape=x.shape)


@op("move")
def concatenate(xp: Any, *parts: Array) -> Array:
    """Joins arrays along their last axis."""
    return xp.concatenate(parts, axis=-1)


@concatenate.backward
def _(dy: Any, y: Any, *parts: Any):
    gradients: list[Any] = []
    start = 0
    for part in parts:
        stop = start + part.shape[-1]
        gradients.append(columns(dy, start=start, stop=stop))
        start = stop
    return tuple(gradients)


@op("move")
def columns(xp: Any, x: Array, *, start: int, stop: int) -> Array:
    """The numbers from start up to, not including, stop of the last axis."""
    return x[..., start:stop]


@columns.backward
def _(dy: Any, y: Any, x: Any, *, start: int, stop: int):
    return pad_columns(dy, before=start, after=x.shape[-1] - stop)


@op("move")
def pad_columns(xp: Any, x: Array, *, before: int, after: int) -> Array:
    """Zeros before and after along the last axis."""
    shape = tuple(x.shape[:-1])
    left, right = (xp.zeros((*shape, n), dtype=x.dtype) for n in (before, after))
    return xp.concatenate((left, x, right), axis=-1)


@pad_columns.backward
def _(dy: Any, y: Any, x: Any, *, before: int, after: int):
    return columns(dy, start=before, stop=before + x.shape[-1])


@op("move")
def take_rows(xp: Any, table: Array, indices: Array) -> Array:
    """Row `index` of a table for each index: an embedding. An index out of range is its nearest row."""
    return xp.take(table, xp.clip(indices, 0, table.shape[0] - 1), axis=0)


@take_rows.backward
def _(dy: Any, y: Any, table: Any, indices: Any):
    return put_rows(dy, indices, count=table.shape[0]), None


@op("move")
def put_rows(xp: Any, rows: Array, indices: Array, *, count: int) -> Array:
    """Adds each row to the place its index names; a table of `count` rows."""
    return scatter_add(xp, rows, xp.clip(indices, 0, count - 1), count)


@put_rows.backward
def _(dy: Any, y: Any, rows: Any, indices: Any, *, count: int):
    return take_rows(dy, indices), None


@op("... c, ... -> ...")
def pick(xp: Any, x: Array, labels: Array) -> Array:
    """The number at place `label` of the last axis, for each row."""
    return xp.squeeze(xp.take_along_axis(x, xp.expand_dims(labels, axis=-1), axis=-1), axis=-1)


@pick.backward
def _(dy: Any, y: Any, x: Any, labels: Any):
    return place(dy, labels, count=x.shape[-1]), None


@op("..., ... -> ... c")
def place(xp: Any, x: Array, labels: Array, *, count: int) -> Array:
    """x at place `label` of a new last axis, 0 elsewhere."""
    here = xp.expand_dims(labels, axis=-1) == xp.arange(count)
    return xp.where(here, xp.expand_dims(x, axis=-1), xp.zeros((), dtype=x.dtype))


@place.backward
def _(dy: Any, y: Any, x: Any, labels: Any, *, count: int):
    return pick(dy, labels), None


@op(formula="x * keep / (1 - rate)", source="Srivastava et al. 2014, Journal of Machine Learning Research 15")
def dropout(xp: Any, x: Array, keep: Array, *, rate: float) -> Array:
    """x / (1 - rate) where `keep`, else 0: the sum keeps its expected value."""
    return xp.where(keep, x / (1 - rate), xp.zeros((), dtype=x.dtype))


@dropout.backward
def _(dy: Any, y: Any, x: Any, keep: Any, *, rate: float):
    return dropout(dy, keep, rate=rate), None


@op()
def as_index(xp: Any, x: Array) -> Array:
    """x as a whole number, to be used as an index. It has no gradient."""
    return xp.astype(x, xp.int32)
