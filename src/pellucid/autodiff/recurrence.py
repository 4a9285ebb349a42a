"""A cell applied to one step of a sequence after the other, each time with what it made of the steps before.

    h_0 = 0;   h_t = cell(x_t, h_{t-1}, weights)

On NumPy arrays every step lands on the tape, op by op. Under XLA the steps are one node, run as one scan: its rule is
a scan the other way round, in which the same cell is run again and its own gradient taken (so that only what a cell
carries on is kept of each step). The cell is written once, in ops.

Source: backpropagation through time, Werbos (1990), doi:10.1109/5.58337.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from pellucid.autodiff.backend import is_numpy, scan
from pellucid.autodiff.backprop import gradients
from pellucid.autodiff.op import Op, namespace
from pellucid.autodiff.ops import add, at_time, columns, concatenate, multiply, reshape, stack_time, sum, where
from pellucid.autodiff.tape import Array, Tape, Value

States = tuple[Value, ...]
Cell = Callable[[Value, States, States], States]
"""(the step (n, f), states (n, u) each, weights) to the next states."""


def recur(cell: Cell, x: Value, states: States, weights: States, mask: Value | None = None) -> Value:
    """The states after each step, next to each other along the last axis: (n, t, u + u' + …).

    x: (n, t, f); states: before the first step, (n, u) each; mask: (n, t), 0 for a step that is passed over, after
    which the states are what they were before it.

    >>> import numpy as np
    >>> tape = Tape({})
    >>> x, h = tape.given("x", np.array([[[1.0], [2.0], [3.0]]])), tape.given("h", np.zeros((1, 1)))
    >>> recur(lambda x, states, weights: (states[0] + x,), x, (h,), ()).array.tolist()      # a running sum
    [[[1.0], [3.0], [6.0]]]
    """
    if is_numpy(namespace(x.array)):
        return _one_by_one(cell, x, states, weights, mask)
    masks = () if mask is None else (mask,)
    return _scanned(cell, len(states), len(masks))(x, *masks, *states, *weights)


def _one_by_one(cell: Cell, x: Value, states: States, weights: States, mask: Value | None) -> Value:
    found: list[Value] = []
    for t in range(x.shape[1]):
        here = None if mask is None else at_time(mask, step=t)
        states = _moved(cell, at_time(x, step=t), states, weights, here)
        found.append(concatenate(*states))
    return stack_time(*found)


def _moved(cell: Cell, x: Value, states: States, weights: States, mask: Value | None) -> States:
    """The states after one step."""
    new = cell(x, states, weights)
    if mask is None:
        return new
    kept = reshape(mask, shape=(x.shape[0], 1))
    return tuple(where(kept, after, before) for after, before in zip(new, states, strict=True))


def _scanned(cell: Cell, count: int, masked: int) -> Op:
    """The recurrence of a cell with `count` states as one op."""

    def parts(rest: Sequence[Any]) -> tuple[Any, Any, Any]:
        return rest[:masked], tuple(rest[masked : masked + count]), tuple(rest[masked + count :])

    def recurrence(xp: Any, x: Array, *rest: Array) -> Array:
        masks, states, weights = parts(rest)

        def step(before: Any, now: Any) -> tuple[Any, Array]:
            tape = Tape({})
            given = [tape.given("", a) for a in (*now, *before, *weights)]
            after = _split(cell, given, count, masked)
            arrays = tuple(value.array for value in after)
            return arrays, xp.concatenate(arrays, axis=-1)

        _, found = scan(xp, step, states, tuple(xp.swapaxes(a, 0, 1) for a in (x, *masks)))
        return xp.swapaxes(found, 0, 1)

    def recurrence_gradient(xp: Any, dy: Array, y: Array, x: Array, *rest: Array) -> Array:
        """The gradient with respect to x, each state, each weight, one after the other in one vector."""
        masks, states, weights = parts(rest)
        sizes = [state.shape[-1] for state in states]

        def cut(array: Array) -> tuple[Array, ...]:
            ends = [int(math.fsum(sizes[: i + 1])) for i in range(count)]
            return tuple(array[..., end - size : end] for end, size in zip(ends, sizes, strict=True))

        first = xp.expand_dims(xp.concatenate(states, axis=-1), axis=1)
        before = xp.concatenate((first, y[:, :-1]), axis=1)

        def step(carried: Any, now: Any) -> tuple[Any, Array]:
            d_states, d_weights = carried
            d_out, was, *inputs = now
            tape = Tape({})
            given = [tape.given("", a) for a in (*inputs, *cut(was), *weights)]
            after = _split(cell, given, count, masked)
            arrived = [a + b for a, b in zip(cut(d_out), d_states, strict=True)]
            total = None
            for value, d in zip(after, arrived, strict=True):
                part = sum(multiply(value, tape.given("", d)))
                total = part if total is None else add(total, part)
            assert total is not None
            wanted = [given[0], *given[1 + masked :]]
            dx, *back = (g.array for g in gradients(total, wanted))
            added = tuple(a + b for a, b in zip(d_weights, back[count:], strict=True))
            return (tuple(back[:count]), added), dx

        zeros = tuple(xp.zeros_like(a) for a in states), tuple(xp.zeros_like(w) for w in weights)
        sequences = tuple(xp.swapaxes(a, 0, 1) for a in (dy, before, x, *masks))
        (d_states, d_weights), dx = scan(xp, step, zeros, sequences, reverse=True)
        found = (xp.swapaxes(dx, 0, 1), *d_states, *d_weights)
        return xp.concatenate([xp.reshape(a, (-1,)) for a in found])

    forward, back = Op(recurrence, "recurrence"), Op(recurrence_gradient, "recurrence")

    @forward.backward
    def _(dy: Any, y: Any, x: Any, *rest: Any):
        flat = back(dy, y, x, *rest)
        found: list[Any] = []
        start = 0
        for value in (x, *rest[masked:]):
            stop = start + math.prod(value.shape)
            found.append(reshape(columns(flat, start=start, stop=stop), shape=value.shape))
            start = stop
        return found[0], *[None] * masked, *found[1:]

    return forward


def _split(cell: Cell, given: list[Value], count: int, masked: int) -> States:
    """One step of a cell on what lies in one list: the step, its mask, the states, the weights."""
    x, *rest = given
    mask = rest[0] if masked else None
    return _moved(cell, x, tuple(rest[masked : masked + count]), tuple(rest[masked + count :]), mask)
