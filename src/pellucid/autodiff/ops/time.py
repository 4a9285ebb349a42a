"""Steps of a sequence: (n, t, …) is n sequences of t steps."""

from __future__ import annotations

from typing import Any

from pellucid.autodiff.op import op
from pellucid.autodiff.ops.movement import pad_columns
from pellucid.autodiff.origin import Index, Moved, Zero
from pellucid.autodiff.tape import Array


@op("move", onnx="Gather")
def at_time(xp: Any, x: Array, *, step: int) -> Array:
    """One step of each sequence: (n, t, …) to (n, …). A negative step counts from the end."""
    return x[:, step]


@at_time.origin
def _(index: Index, y: Array, x: Array, *, step: int):
    return Moved(0, (index[0], step % x.shape[1], *index[1:]))


@at_time.backward
def _(dy: Any, y: Any, x: Any, *, step: int):
    return put_time(dy, step=step % x.shape[1], count=x.shape[1])


@at_time.batch
def _(xp: Any, shape: tuple[int, ...], x: Array, *, step: int):
    return x[:, :, step]


@op("move", onnx="Pad")
def put_time(xp: Any, x: Array, *, step: int, count: int) -> Array:
    """Sequences of `count` steps that are 0 but at one: (n, …) to (n, count, …)."""
    alone = xp.expand_dims(x, axis=1)
    return pad_columns.forward(xp, alone, before=step, after=count - step - 1, axis=1)


@put_time.origin
def _(index: Index, y: Array, x: Array, *, step: int, count: int):
    return Moved(0, (index[0], *index[2:])) if index[1] == step else Zero()


@put_time.backward
def _(dy: Any, y: Any, x: Any, *, step: int, count: int):
    return at_time(dy, step=step)


@put_time.batch
def _(xp: Any, shape: tuple[int, ...], x: Array, *, step: int, count: int):
    alone = xp.expand_dims(x, axis=2)
    return pad_columns.forward(xp, alone, before=step, after=count - step - 1, axis=2)


@op("move", onnx="Concat")
def stack_time(xp: Any, *steps: Array) -> Array:
    """Steps one after the other: t arrays (n, …) to (n, t, …)."""
    return xp.stack(steps, axis=1)


@stack_time.origin
def _(index: Index, y: Array, *steps: Array):
    return Moved(index[1], (index[0], *index[2:]))


@stack_time.backward
def _(dy: Any, y: Any, *steps: Any):
    return tuple(at_time(dy, step=i) for i in range(len(steps)))


@stack_time.batch
def _(xp: Any, shape: tuple[int, ...], *steps: Array):
    return xp.stack(steps, axis=2)


@op("move", onnx="ReverseSequence")
def reverse_time(xp: Any, x: Array) -> Array:
    """The steps of each sequence in the opposite order."""
    return xp.flip(x, axis=1)


@reverse_time.origin
def _(index: Index, y: Array, x: Array):
    return Moved(0, (index[0], x.shape[1] - 1 - index[1], *index[2:]))


@reverse_time.backward
def _(dy: Any, y: Any, x: Any):
    return reverse_time(dy)


@reverse_time.batch
def _(xp: Any, shape: tuple[int, ...], x: Array):
    return xp.flip(x, axis=2)
