"""Where a number came from: further back than one node, and behind an op that names no more than its axes."""

from __future__ import annotations

import itertools
from typing import Any

from pellucid.autodiff import Node, Value
from pellucid.autodiff.origin import Index, Moved


def unmoved(node: Node, index: Index) -> tuple[Node, Index]:
    """The number itself, before anything only moved it."""
    while isinstance(source := node.origin(index), Moved) and isinstance(value := node.inputs[source.input], Value):
        node, index = value.node, source.place
    return node, index


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
