"""A finished pass, run again for many variants of a weight at once, from the first node that each of them touches.

    again = Restart(nodes, source=3, outputs=(41,))
    losses, = again.each(lambda places, values: again.run(places, values), places, values)

Only the nodes that the changed array reaches and that lead to the outputs are run again; all others keep the
numbers of the tape.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TypeVar

import numpy

from pellucid.autodiff.backend import in_turn, is_numpy
from pellucid.autodiff.op import namespace
from pellucid.autodiff.tape import Array, Node, Value
from pellucid.gradcheck.axes_check import does_as_its_axes_say
from pellucid.gradcheck.batching import batch, one_by_one
from pellucid.gradcheck.variants import Call, Input, Point, Variants, dense, size

BUDGET = 1 << 19
"""How many numbers a chunk of variants keeps at a time: 4 MB, which a processor's cache holds. The temporary
arrays of an op come on top, so that a thread needs a few times as much."""
KEPT_MEMORY = 24 << 20
"""Bytes; glibc learns from a freed array of up to 32 MB."""

T = TypeVar("T")
Progress = Callable[[int, int], None]
"""Called with how many variants are done, and how many there are."""


class Restart:
    """What has to run again when one array of a tape changes.

    nodes: of a forward pass, in order. source: the index of the node whose output is changed. outputs: the indices
    of the nodes that are wanted.
    """

    def __init__(self, nodes: Sequence[Node], source: int, outputs: Sequence[int]) -> None:
        self.nodes, self.source, self.outputs = nodes, source, tuple(outputs)
        self.xp = namespace(nodes[source].output)
        self.between = _between(nodes, source, outputs)
        last: dict[int, int] = {}
        for node in self.between:
            last |= {v.node.index: node.index for v in node.inputs if isinstance(v, Value)}
        self._ending: dict[int, list[int]] = {}
        for index, at in last.items():
            if index not in outputs:
                self._ending.setdefault(at, []).append(index)

    @property
    def reaches(self) -> bool:
        """Whether the source reaches any of the outputs."""
        return self.source in self.outputs or bool(self.between)

    @property
    def numbers(self) -> int:
        """How many numbers a pass computes again, at most, for one change."""
        return sum(node.output.size for node in self.between)

    def run(self, places: Array, values: Array) -> dict[int, Variants]:
        """The wanted nodes for P variants: in variant p, number places[p] of the source, in reading order, is
        values[p]. A node that the source does not reach is left out."""
        return self._run(places, values)[0]

    def values(self, places: Array, values: Array) -> Array:
        """The first wanted node, one number, for P variants: (P,)."""
        found = self.run(places, values)
        base = self.nodes[self.outputs[0]].output
        if self.outputs[0] not in found:
            return self.xp.broadcast_to(self.xp.reshape(base, ()), places.shape)
        return self.xp.reshape(dense(self.xp, base, found[self.outputs[0]]), (-1,))

    def _run(self, places: Array, values: Array) -> tuple[dict[int, Variants], int]:
        """Also the largest count of numbers that were kept at a time."""
        variants: dict[int, Variants] = {self.source: Point(places, values)}
        if not self.nodes[self.source].output.shape:
            variants[self.source] = values
        most = kept = size(variants[self.source])
        for node in self.between:
            assert node.op is not None
            call = Call(self.xp, node.op, self._inputs(node, variants), node.settings, node.output)
            variants[node.index] = one_by_one(call) if node.index in self._untrusted else batch(call)
            kept += size(variants[node.index])
            most = max(most, kept)
            for index in self._ending.get(node.index, ()):
                if index in variants:
                    kept -= size(variants.pop(index))
        return {index: variants[index] for index in self.outputs if index in variants}, most

    def _inputs(self, node: Node, variants: Mapping[int, Variants]) -> list[Input]:
        return [
            Input(self.nodes[v.node.index].output, variants.get(v.node.index)) if isinstance(v, Value) else Input(v)
            for v in node.inputs
        ]

    @cached_property
    def _untrusted(self) -> set[int]:
        """The nodes of ops from elsewhere that do not do with variants what their axes say."""
        if not is_numpy(self.xp):
            return set()
        reached = {self.source, *(node.index for node in self.between)}
        return {node.index for node in self.between if not self._trusted(node, reached)}

    def _trusted(self, node: Node, reached: set[int]) -> bool:
        assert node.op is not None
        if node.op.forward.__module__.startswith("pellucid."):  # the tests hold the library's own to it
            return True
        call = Call(self.xp, node.op, self._inputs(node, {}), node.settings, node.output)
        return does_as_its_axes_say(call, [isinstance(v, Value) and v.node.index in reached for v in node.inputs])

    def chunk(self, places: Array, values: Array) -> int:
        """How many variants may be run at a time."""
        few = min(2, places.shape[0])
        most = self._run(places[:few], values[:few])[1]
        return max(1, min(places.shape[0], BUDGET * few // max(1, most)))

    def each(
        self, f: Callable[..., tuple[Array, ...]], places: Array, *numbers: Array, progress: Progress | None = None
    ) -> tuple[Array, ...]:
        """f(places, *numbers) in chunks of variants, joined again.

        NumPy lets go of Python's lock while it computes, so that there the chunks share the processor's cores;
        JAX runs them one after the other in one loop.
        """
        total, length = places.shape[0], self.chunk(places, numbers[0])
        xp = self.xp
        if is_numpy(xp):
            # glibc keeps freed memory for the next array only up to twice the largest array that was freed so far.
            # Without this one, never written to, it fetches the pages of each chunk anew: three times as slow.
            numpy.empty(KEPT_MEMORY, numpy.int8)
            starts = range(0, total, length)
            parts = _in_threads(lambda i: f(*(a[i : i + length] for a in (places, *numbers))), starts)
            found: list[tuple[Array, ...]] = []
            for part in parts:
                found.append(part)
                if progress is not None:
                    progress(min(len(found) * length, total), total)
            return tuple(numpy.concatenate(column) for column in zip(*found, strict=True))
        whole = -(-total // length)
        padded = [xp.concatenate([a, xp.broadcast_to(a[:1], (whole * length - total,))]) for a in (places, *numbers)]
        done = in_turn(xp, f, *(xp.reshape(a, (whole, length)) for a in padded))
        return tuple(xp.reshape(a, (whole * length, *a.shape[2:]))[:total] for a in done)


def _in_threads(f: Callable[[int], T], items: Sequence[int]) -> Iterator[T]:
    """f of each item, in order, on all cores; what NumPy says about overflow is as in the caller."""
    if len(items) < 2:
        yield from map(f, items)
        return
    said = numpy.geterr()

    def one(item: int) -> T:
        with numpy.errstate(**said):
            return f(item)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(one, items)


def _between(nodes: Sequence[Node], source: int, outputs: Sequence[int]) -> list[Node]:
    """The nodes after the source that it reaches and that lead to an output."""
    reached = {source}
    for node in nodes[source + 1 : max(outputs) + 1]:
        if any(isinstance(v, Value) and v.node.index in reached for v in node.inputs):
            reached.add(node.index)
    wanted = set(outputs)
    for node in reversed(nodes[: max(outputs) + 1]):
        if node.index in wanted:
            wanted |= {v.node.index for v in node.inputs if isinstance(v, Value)}
    return [nodes[index] for index in sorted(reached & wanted) if index != source]
