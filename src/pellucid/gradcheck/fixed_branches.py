"""A pass whose branches are fixed: each op stays on the side of its corners where it is, so that the loss is smooth.

A relu has a corner at 0, a maximum where it changes hands. Where a change of a weight crosses one, a measured
slope is a mixture of two, and says nothing about back-propagation. With the branches of the present weights fixed, the
same pass has one slope, and it is the one that the rules promise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy
from numpy.typing import NDArray

from pellucid.autodiff.op import Op
from pellucid.autodiff.tape import Array, Node, Value
from pellucid.gradcheck.difference import central, extrapolated
from pellucid.gradcheck.restart import Restart
from pellucid.gradcheck.variants import Column, Point, Variants, as_column, picked

Numbers = NDArray[numpy.float64]
Whole = NDArray[numpy.int64]

WIDE = 2.5e-4
"""The step of the fine measurement, for weights up to 1: its error, h⁴/30 of the fifth derivative, and what
rounding does, 1e-16 / h, are then both near 1e-13."""


class Closer(NamedTuple):
    """What a second, closer look at some weights has found."""

    crossed: Whole
    """(m,) the index of the tape's node whose corner was crossed or stood on, -1 for none."""
    place: Whole
    """(m,) where in that node, counted in reading order."""
    near: Numbers
    """(m,) the slope with all branches fixed, over ±h, the change of the first measurement."""
    fine: Numbers
    """(m,) the same by a wider and more exact formula."""
    error: Numbers
    """(m,) how far `fine` is from the same formula over twice the distance."""


class FixedBranches:
    """The forward nodes of a tape up to `output`, with the branches of their ops fixed."""

    def __init__(self, output: Value) -> None:
        self.nodes = output.tape.nodes[: output.node.index + 1]
        self.output = output.node.index

    @cached_property
    def cornered(self) -> list[tuple[Node, Array]]:
        """The nodes of ops with corners, each with the side on which its numbers are."""
        return [
            (node, numpy.asarray(node.op.side.forward(numpy, *_arrays(node), **node.settings)))
            for node in self.nodes
            if node.op is not None and node.op.side is not None
        ]

    @cached_property
    def smooth(self) -> list[Node]:
        """The same nodes with every branch fixed."""
        nodes = list(self.nodes)
        for node, side in self.cornered:
            assert node.op is not None
            nodes[node.index] = _node(node.index, node.op.fixed, (side, *node.inputs), node, node.output)
        return nodes

    @cached_property
    def watched(self) -> list[Node]:
        """The nodes, and behind them one more for the sides of each op with corners."""
        return self.nodes + [
            _node(len(self.nodes) + k, node.op and node.op.side, node.inputs, node, side)
            for k, (node, side) in enumerate(self.cornered)
        ]

    def closer(self, value: Value, places: Whole, h: Numbers) -> Closer:
        """A closer look at the numbers of `value` at `places`, counted in reading order, changed by ±h (m,)."""
        w: Numbers = value.array.reshape(-1)[places]
        smooth = Restart(self.smooth, value.node.index, (self.output,))

        def slopes(places: Whole, w: Numbers, h: Numbers) -> tuple[Numbers, ...]:
            def over(distance: Numbers) -> Numbers:
                return central(lambda w: smooth.values(places, w), w, distance)

            return over(h), *extrapolated(over, WIDE * numpy.maximum(1.0, numpy.abs(w)))

        near, fine, error = smooth.each(slopes, places, w, h)
        return Closer(*self._crossed(value, places, w, h), near, fine, error)

    def _crossed(self, value: Value, places: Whole, w: Numbers, h: Numbers) -> tuple[Whole, Whole]:
        """The first node whose side is not the same at w - h, w and w + h, and where in it; -1 where there is none."""
        if not self.cornered:
            return numpy.full(places.shape, -1), numpy.zeros(places.shape, int)
        sides = range(len(self.nodes), len(self.watched))
        watched = Restart(self.watched, value.node.index, sides)

        def look(places: Whole, w: Numbers, h: Numbers) -> tuple[Whole, Whole]:
            node, place = numpy.full(places.shape, -1), numpy.zeros(places.shape, int)
            ends = [watched.run(places, w - h), watched.run(places, w + h)]
            for k, (cornered, side) in reversed(list(enumerate(self.cornered))):
                for variants in (end[len(self.nodes) + k] for end in ends if len(self.nodes) + k in end):
                    differs, first = _differs(side, variants)
                    node, place = numpy.where(differs, cornered.index, node), numpy.where(differs, first, place)
            return node, place

        node, place = watched.each(look, places, w, h)
        return node, place


def _differs(base: Array, variants: Variants) -> tuple[NDArray[numpy.bool_], Whole]:
    """For each variant whether it differs from the base anywhere, and the first place, in reading order, where."""
    if isinstance(variants, Point | Column):
        column = as_column(numpy, base, variants)
        other = (column.values != picked(numpy, base, column.places)).reshape(len(column.places), -1)
        return other.any(axis=1), other.argmax(axis=1) * base.shape[-1] + column.places
    other = (variants != base).reshape(variants.shape[0], math.prod(base.shape))
    return other.any(axis=1), other.argmax(axis=1)


def _node(index: int, op: Op | None, inputs: Sequence[Any], like: Node, output: Array) -> Node:
    return Node(index, op, tuple(inputs), like.settings, output, like.path)


def _arrays(node: Node) -> list[Any]:
    return [v.array if isinstance(v, Value) else v for v in node.inputs]
