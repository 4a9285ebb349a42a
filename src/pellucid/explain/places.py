"""Where a number came from: the places of a node's inputs that one place of its output was made from."""

from __future__ import annotations

import itertools
from typing import Any

import numpy

from pellucid.autodiff import Node, Value
from pellucid.explain import windows
from pellucid.explain.text import Index, Text


def aligned(index: Index, shape: tuple[int, ...]) -> Index:
    """The place in an input of `shape` that was broadcast to `index`.

    >>> aligned((2, 3), (5, 1)), aligned((2, 3), (4,))
    ((2, 0), (3,))
    """
    tail = index[len(index) - len(shape) :] if len(shape) <= len(index) else (0,) * (len(shape) - len(index)) + index
    return tuple(0 if n == 1 else i for i, n in zip(tail, shape, strict=True))


def moved(node: Node, index: Index) -> tuple[Node, Index] | Text | None:
    """For an op that only moves numbers: the node and place this one came from."""
    name = node.op.name if node.op else ""
    source = node.inputs[0] if node.inputs and isinstance(node.inputs[0], Value) else None
    if source is None:
        return None
    shape = source.shape
    if name == "reshape":
        flat = int(numpy.ravel_multi_index(index, node.output.shape)) if index else 0
        return source.node, tuple(int(i) for i in numpy.unravel_index(flat, shape)) if shape else ()
    if name == "transpose":
        back = dict(zip((axis % len(shape) for axis in node.settings["axes"]), index, strict=True))
        return source.node, tuple(back[i] for i in range(len(shape)))
    if name == "broadcast_to":
        return source.node, aligned(index, shape)
    if name == "sum_to" and shape == tuple(node.output.shape):
        return source.node, index
    if name in ("columns", "pad_columns", "concatenate"):
        return _along(node, index)
    if name == "take_rows":
        table, indices = node.inputs
        code = int(numpy.clip(indices.array[index[: indices.ndim]], 0, table.shape[0] - 1))
        return table.node, (code, *index[indices.ndim :])
    if name == "pick":
        return source.node, (*index, int(node.inputs[1].array[index]))
    if name == "place":
        here = int(node.inputs[1].array[index[:-1]]) == index[-1]
        return (source.node, index[:-1]) if here else Text("0")
    if name == "at_time":
        return source.node, (index[0], int(node.settings["step"]) % shape[1], *index[1:])
    if name == "put_time":
        here = index[1] == int(node.settings["step"])
        return (source.node, (index[0], *index[2:])) if here else Text("0")
    if name == "stack_time":
        return node.inputs[index[1]].node, (index[0], *index[2:])
    if name == "reverse_time":
        return source.node, (index[0], shape[1] - 1 - index[1], *index[2:])
    return windows.moved(node, index)


def _along(node: Node, index: Index) -> tuple[Node, Index] | Text:
    """For a part of an axis, an axis with zeros around it, or several joined: where the number stood."""
    axis = int(node.settings.get("axis", -1)) % len(index)
    place = index[axis] + int(node.settings.get("start", 0)) - int(node.settings.get("before", 0))
    for part in node.inputs:
        if 0 <= place < part.shape[axis]:
            return part.node, (*index[:axis], place, *index[axis + 1 :])
        place -= part.shape[axis]
    return Text("0")


def origin(node: Node, index: Index) -> tuple[Node, Index]:
    """The number itself, before anything only moved it."""
    while True:
        source = moved(node, index)
        if source is None or isinstance(source, Text):
            return node, index
        node, index = source


def reduced_from(node: Node, index: Index) -> list[range]:
    """For a sum, mean or maximum: along each axis of its input, the places that one number was made from."""
    assert node.op is not None
    shape = node.inputs[0].shape
    if node.op.name == "sum_to":
        target = (1,) * (len(shape) - node.output.ndim) + node.output.shape
        fixed = (0,) * (len(shape) - len(index)) + index
        return [range(n) if t == 1 else range(i, i + 1) for n, t, i in zip(shape, target, fixed, strict=True)]
    axis = node.settings.get("axis")
    axes = range(len(shape)) if axis is None else (axis,) if isinstance(axis, int) else axis
    over = {a % len(shape) for a in axes} if shape else set[int]()
    left = iter(index if not node.settings.get("keepdims") else [i for k, i in enumerate(index) if k not in over])
    fixed = [0 if k in over else next(left) for k in range(len(shape))]
    return [range(n) if k in over else range(fixed[k], fixed[k] + 1) for k, n in enumerate(shape)]


def named_axes(node: Node, index: Index, most: int) -> list[tuple[Node, Index]]:
    """By the axes that the op names ("n i, i o -> n o"), the places behind one number: `most` of each input.

    An op that names no axes may have used every number of its inputs.
    """
    assert node.op is not None
    sides = node.op.axes.split("->")
    given = [side.split() for side in sides[0].split(",")] if len(sides) == 2 else []
    known: dict[str, int] = {}
    outer: Index = ()
    if given:
        out = sides[1].split()
        named = [name for name in out if name != "..."]
        known = dict(zip(named, index[len(index) - len(named) :], strict=False))
        outer = index[: len(index) - len(named)] if "..." in out else ()
    found: list[tuple[Node, Index]] = []
    for k, value in enumerate(node.inputs):
        if not isinstance(value, Value):
            continue
        axes = given[k] if k < len(given) else []
        ranges = _ranges(value.shape, [a for a in axes if a != "..."], known, outer if "..." in axes else ())
        found += [(value.node, place) for place in itertools.islice(itertools.product(*ranges), most)]
    return found


def _ranges(shape: tuple[int, ...], names: list[str], known: dict[str, int], outer: Index) -> list[Any]:
    """For each axis of an input, the one place that the output fixes, or all of them."""
    before = len(shape) - len(names)
    fixed: list[int | None] = [*outer[len(outer) - before :], *(known.get(name) for name in names)]
    fixed = [None] * (len(shape) - len(fixed)) + fixed
    return (
        [range(n) if i is None or i >= n else range(i, i + 1) for n, i in zip(shape, fixed[-len(shape) :], strict=True)]
        if shape
        else []
    )
