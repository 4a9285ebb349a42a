"""Many numbers become one: sums, means, maxima."""

from __future__ import annotations

from typing import Any

from pellucid.autodiff.op import op
from pellucid.autodiff.ops.arithmetic import equal
from pellucid.autodiff.ops.movement import broadcast_to, reshape
from pellucid.autodiff.origin import Block, Index, Joined, Moved
from pellucid.autodiff.tape import Array

Axes = int | tuple[int, ...] | None


def kept(shape: tuple[int, ...], axis: Axes) -> tuple[int, ...]:
    """The shape after reducing `axis` and keeping it as 1."""
    axes = range(len(shape)) if axis is None else (axis,) if isinstance(axis, int) else axis
    reduced = {a % len(shape) for a in axes} if shape else set[int]()
    return tuple(1 if i in reduced else n for i, n in enumerate(shape))


@op("reduce", joined="sum", onnx="ReduceSum")
def sum(xp: Any, x: Array, *, axis: Axes = None, keepdims: bool = False) -> Array:
    """Adds up over the given axes (all of them by default)."""
    return xp.sum(x, axis=axis, keepdims=keepdims)


@sum.backward
def _(dy: Any, y: Any, x: Any, *, axis: Axes = None, keepdims: bool = False):
    return broadcast_to(reshape(dy, shape=kept(x.shape, axis)), shape=x.shape)


@op("reduce", joined="mean", onnx="ReduceMean")
def mean(xp: Any, x: Array, *, axis: Axes = None, keepdims: bool = False) -> Array:
    """The average over the given axes (all of them by default)."""
    return xp.mean(x, axis=axis, keepdims=keepdims)


@mean.backward
def _(dy: Any, y: Any, x: Any, *, axis: Axes = None, keepdims: bool = False):
    count = 1
    for whole, one in zip(x.shape, kept(x.shape, axis), strict=True):
        count *= whole // one if one else 1
    return broadcast_to(reshape(dy, shape=kept(x.shape, axis)), shape=x.shape) / float(count)


@op("reduce", joined="largest", onnx="ReduceMax")
def amax(xp: Any, x: Array, *, axis: Axes = None, keepdims: bool = False) -> Array:
    """The largest. Equal largest ones share the gradient evenly."""
    return xp.max(x, axis=axis, keepdims=keepdims)


@amax.corner
def _(xp: Any, x: Array, *, axis: Axes = None, keepdims: bool = False):
    return x == xp.max(x, axis=axis, keepdims=True)


@amax.fix
def _(xp: Any, side: Array, x: Array, *, axis: Axes = None, keepdims: bool = False):
    chosen = xp.sum(xp.where(side, x, 0.0), axis=axis, keepdims=keepdims)
    return chosen / xp.sum(side, axis=axis, keepdims=keepdims)


@amax.backward
def _(dy: Any, y: Any, x: Any, *, axis: Axes = None, keepdims: bool = False):
    shape = kept(x.shape, axis)
    largest = equal(x, reshape(y, shape=shape))
    return largest / sum(largest, axis=axis, keepdims=True) * reshape(dy, shape=shape)


@op("sum_to", joined="sum", onnx="ReduceSum")
def sum_to(xp: Any, x: Array, *, shape: tuple[int, ...]) -> Array:
    """Undoes a broadcast: adds up the axes along which an array of `shape` was repeated."""
    extra = len(x.shape) - len(shape)
    axes = tuple(range(extra)) + tuple(i + extra for i, n in enumerate(shape) if n == 1 and x.shape[i + extra] != 1)
    return xp.reshape(xp.sum(x, axis=axes), shape) if axes else x


@sum_to.origin
def _(index: Index, y: Array, x: Array, *, shape: tuple[int, ...]):
    if x.shape == y.shape:
        return Moved(0, index)
    ahead = len(x.shape) - len(index)
    kept, fixed = (1,) * ahead + tuple(y.shape), (0,) * ahead + index
    return Joined(
        Block([range(n) if k == 1 else range(i, i + 1) for n, k, i in zip(x.shape, kept, fixed, strict=True)])
    )


@sum_to.batch
def _(xp: Any, to: tuple[int, ...], x: Array, *, shape: tuple[int, ...]):
    extra = len(x.shape) - 1 - len(to)
    repeated = (i for i, n in enumerate(to) if n == 1 and x.shape[i + extra + 1] != 1)
    axes = (*range(1, extra + 1), *(i + extra + 1 for i in repeated))
    return xp.reshape(xp.sum(x, axis=axes), (x.shape[0], *to))


@sum_to.backward
def _(dy: Any, y: Any, x: Any, *, shape: tuple[int, ...]):
    return broadcast_to(dy, shape=x.shape)
