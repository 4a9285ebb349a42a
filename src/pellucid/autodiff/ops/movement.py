"""Numbers change places, none changes value (dropout scales those it keeps)."""

from __future__ import annotations

from typing import Any

import numpy

from pellucid.autodiff.backend import scatter_add
from pellucid.autodiff.op import OPS, op
from pellucid.autodiff.origin import Index, Joined, Moved, Zero, aligned, shifted
from pellucid.autodiff.tape import Array


@op("move", onnx="Reshape")
def reshape(xp: Any, x: Array, *, shape: tuple[int, ...]) -> Array:
    """The same numbers in the same order, in another shape."""
    return xp.reshape(x, shape)


@reshape.origin
def _(index: Index, y: Array, x: Array, *, shape: tuple[int, ...]):
    flat = int(numpy.ravel_multi_index(index, y.shape)) if index else 0
    return Moved(0, tuple(int(i) for i in numpy.unravel_index(flat, x.shape)) if x.shape else ())


@reshape.batch
def _(xp: Any, to: tuple[int, ...], x: Array, *, shape: tuple[int, ...]):
    return xp.reshape(x, (x.shape[0], *to))


@reshape.backward
def _(dy: Any, y: Any, x: Any, *, shape: tuple[int, ...]):
    return reshape(dy, shape=x.shape)


@op("move", onnx="Transpose")
def transpose(xp: Any, x: Array, *, axes: tuple[int, ...]) -> Array:
    """The axes in another order: axis i of the result is axis axes[i] of x."""
    return xp.permute_dims(x, tuple(axis % len(x.shape) for axis in axes))


@transpose.origin
def _(index: Index, y: Array, x: Array, *, axes: tuple[int, ...]):
    back = dict(zip((axis % len(x.shape) for axis in axes), index, strict=True))
    return Moved(0, tuple(back[i] for i in range(len(x.shape))))


@transpose.batch
def _(xp: Any, to: tuple[int, ...], x: Array, *, axes: tuple[int, ...]):
    return xp.permute_dims(x, (0, *(axis % len(to) + 1 for axis in axes)))


@transpose.backward
def _(dy: Any, y: Any, x: Any, *, axes: tuple[int, ...]):
    order = [axis % x.ndim for axis in axes]
    return transpose(dy, axes=tuple(order.index(i) for i in range(x.ndim)))


def swap_last(x: Any) -> Any:
    """Swaps the last two axes: the transpose of each matrix."""
    count = len(x.shape)
    return transpose(x, axes=(*range(count - 2), count - 1, count - 2))


@op("move", onnx="Expand")
def broadcast_to(xp: Any, x: Array, *, shape: tuple[int, ...]) -> Array:
    """Repeats x along new axes and along axes of length 1."""
    return xp.broadcast_to(x, shape)


@broadcast_to.origin
def _(index: Index, y: Array, x: Array, *, shape: tuple[int, ...]):
    return Moved(0, aligned(index, x.shape))


@broadcast_to.batch
def _(xp: Any, to: tuple[int, ...], x: Array, *, shape: tuple[int, ...]):
    between = (1,) * (len(to) + 1 - len(x.shape))
    return xp.broadcast_to(xp.reshape(x, (x.shape[0], *between, *x.shape[1:])), (x.shape[0], *to))


@broadcast_to.backward
def _(dy: Any, y: Any, x: Any, *, shape: tuple[int, ...]):
    return OPS["sum_to"](dy, shape=x.shape)


@op("move", onnx="Concat")
def concatenate(xp: Any, *parts: Array, axis: int = -1) -> Array:
    """Joins arrays along an axis, the last if none is named."""
    return xp.concatenate(parts, axis=axis)


@concatenate.origin
def _(index: Index, y: Array, *parts: Array, axis: int = -1):
    k, place = 0, index[axis]
    while place >= parts[k].shape[axis]:
        k, place = k + 1, place - parts[k].shape[axis]
    return Moved(k, shifted(index, axis, place - index[axis]))


@concatenate.batch
def _(xp: Any, to: tuple[int, ...], *parts: Array, axis: int = -1):
    return xp.concatenate(parts, axis=axis % len(to) + 1)


@concatenate.backward
def _(dy: Any, y: Any, *parts: Any, axis: int = -1):
    gradients: list[Any] = []
    start = 0
    for part in parts:
        stop = start + part.shape[axis]
        gradients.append(columns(dy, start=start, stop=stop, axis=axis))
        start = stop
    return tuple(gradients)


@op("move", onnx="Slice")
def columns(xp: Any, x: Array, *, start: int, stop: int, axis: int = -1) -> Array:
    """The numbers from start up to, not including, stop along an axis, the last if none is named."""
    return x[(slice(None),) * (axis % len(x.shape)) + (slice(start, stop),)]


@columns.origin
def _(index: Index, y: Array, x: Array, *, start: int, stop: int, axis: int = -1):
    return Moved(0, shifted(index, axis, start))


@columns.batch
def _(xp: Any, to: tuple[int, ...], x: Array, *, start: int, stop: int, axis: int = -1):
    return x[(slice(None),) * (axis % len(to) + 1) + (slice(start, stop),)]


@columns.backward
def _(dy: Any, y: Any, x: Any, *, start: int, stop: int, axis: int = -1):
    return pad_columns(dy, before=start, after=x.shape[axis] - stop, axis=axis)


@op("move", onnx="Pad")
def pad_columns(xp: Any, x: Array, *, before: int, after: int, axis: int = -1) -> Array:
    """Zeros before and after along an axis, the last if none is named."""
    place = axis % len(x.shape)
    left, right = (xp.zeros((*x.shape[:place], n, *x.shape[place + 1 :]), dtype=x.dtype) for n in (before, after))
    return xp.concatenate((left, x, right), axis=place)


@pad_columns.origin
def _(index: Index, y: Array, x: Array, *, before: int, after: int, axis: int = -1):
    here = 0 <= index[axis] - before < x.shape[axis]
    return Moved(0, shifted(index, axis, -before)) if here else Zero()


@pad_columns.batch
def _(xp: Any, to: tuple[int, ...], x: Array, *, before: int, after: int, axis: int = -1):
    return pad_columns.forward(xp, x, before=before, after=after, axis=axis % len(to) + 1)


@pad_columns.backward
def _(dy: Any, y: Any, x: Any, *, before: int, after: int, axis: int = -1):
    return columns(dy, start=before, stop=before + x.shape[axis], axis=axis)


@op("lookup", onnx="Gather")
def take_rows(xp: Any, table: Array, indices: Array) -> Array:
    """Row `index` of a table for each index: an embedding. An index out of range is its nearest row."""
    return xp.take(table, xp.clip(indices, 0, table.shape[0] - 1), axis=0)


@take_rows.origin
def _(index: Index, y: Array, table: Array, indices: Array):
    row = int(numpy.clip(indices[index[: indices.ndim]], 0, table.shape[0] - 1))
    return Moved(0, (row, *index[indices.ndim :]))


@take_rows.batch
def _(xp: Any, to: tuple[int, ...], table: Array, indices: Array):
    count = table.shape[1]
    place = xp.clip(indices, 0, count - 1) + _offsets(xp, indices, count)
    return xp.take(xp.reshape(table, (-1, *table.shape[2:])), place, axis=0)


@take_rows.backward
def _(dy: Any, y: Any, table: Any, indices: Any):
    return put_rows(dy, indices, count=table.shape[0]), None


@op("move", joined="sum", onnx="ScatterElements")
def put_rows(xp: Any, rows: Array, indices: Array, *, count: int) -> Array:
    """Adds each row to the place its index names; a table of `count` rows."""
    return scatter_add(xp, rows, xp.clip(indices, 0, count - 1), count)


@put_rows.origin
def _(index: Index, y: Array, rows: Array, indices: Array, *, count: int):
    here = numpy.argwhere(numpy.clip(indices, 0, count - 1) == index[0])
    return Joined([(*map(int, at), *index[1:]) for at in here])


@put_rows.batch
def _(xp: Any, to: tuple[int, ...], rows: Array, indices: Array, *, count: int):
    place = xp.clip(indices, 0, count - 1) + _offsets(xp, indices, count)
    return xp.reshape(scatter_add(xp, rows, place, rows.shape[0] * count), (rows.shape[0], *to))


def _offsets(xp: Any, indices: Array, count: int) -> Array:
    """Where the table of each variant starts when all of them stand one below the other."""
    return xp.reshape(xp.arange(indices.shape[0]) * count, (-1, *(1,) * (len(indices.shape) - 1)))


@put_rows.backward
def _(dy: Any, y: Any, rows: Any, indices: Any, *, count: int):
    return take_rows(dy, indices), None


@op("... c, ... -> ...", onnx="GatherElements")
def pick(xp: Any, x: Array, labels: Array) -> Array:
    """The number at place `label` of the last axis, for each row."""
    return xp.squeeze(xp.take_along_axis(x, xp.expand_dims(labels, axis=-1), axis=-1), axis=-1)


@pick.origin
def _(index: Index, y: Array, x: Array, labels: Array):
    return Moved(0, (*index, int(labels[index])))


@pick.backward
def _(dy: Any, y: Any, x: Any, labels: Any):
    return place(dy, labels, count=x.shape[-1]), None


@op("..., ... -> ... c", onnx="OneHot")
def place(xp: Any, x: Array, labels: Array, *, count: int) -> Array:
    """x at place `label` of a new last axis, 0 elsewhere."""
    here = xp.expand_dims(labels, axis=-1) == xp.arange(count)
    return xp.where(here, xp.expand_dims(x, axis=-1), xp.zeros((), dtype=x.dtype))


@place.origin
def _(index: Index, y: Array, x: Array, labels: Array, *, count: int):
    return Moved(0, index[:-1]) if int(labels[index[:-1]]) == index[-1] else Zero()


@place.backward
def _(dy: Any, y: Any, x: Any, labels: Any, *, count: int):
    return pick(dy, labels), None


@op(
    formula="x * keep / (1 - rate)",
    source="Srivastava et al. 2014, Journal of Machine Learning Research 15",
    onnx="Dropout",
)
def dropout(xp: Any, x: Array, keep: Array, *, rate: float) -> Array:
    """x / (1 - rate) where `keep`, else 0: the sum keeps its expected value."""
    return xp.where(keep, x / (1 - rate), xp.zeros((), dtype=x.dtype))


@dropout.backward
def _(dy: Any, y: Any, x: Any, keep: Any, *, rate: float):
    return dropout(dy, keep, rate=rate), None


@op(onnx="Cast")
def as_index(xp: Any, x: Array) -> Array:
    """x as a whole number, to be used as an index. It has no gradient."""
    return xp.astype(x, xp.int32)


@as_index.corner
def _(xp: Any, x: Array):
    return xp.astype(x, xp.int32)


@as_index.fix
def _(xp: Any, side: Array, x: Array):
    return side
