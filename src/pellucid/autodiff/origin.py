"""What one number of an op's output was made from: the structures that an op answers with, and the ways they share.

An op that only moves numbers says which of an input's numbers this one is, or that it is a zero which the op put
there. An op that joins numbers says which ones; how it joins them is `Op.joined`. What is made of these places, a
formula or a table, is not the op's affair.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, overload

import numpy

Index = tuple[int, ...]
"""A place in an array."""
Pair = tuple[Index, Index]
Joins = Literal["", "sum", "mean", "largest", "products"]
"""How an op joins numbers, where it does: it adds them up, takes their mean or the largest of them, or adds up products
of a number of its first input and one of its second."""


class Moved(NamedTuple):
    """The number is one of an input's, unchanged."""

    input: int
    """Which of the inputs, from 0."""
    place: Index


class Zero(NamedTuple):
    """A zero that the op put there."""


class Joined(NamedTuple):
    """The number joins numbers of the first input."""

    places: Sequence[Index]


class Products(NamedTuple):
    """The number is a sum of products: of a number of the first input and one of the second, for each pair."""

    pairs: Sequence[Pair]


Origin = Moved | Zero | Joined | Products


class Block(Sequence[Index]):
    """The places of a block of an array in reading order, none of them written down.

    >>> list(Block([range(1), range(2, 4)]))
    [(0, 2), (0, 3)]
    """

    def __init__(self, ranges: Sequence[range]) -> None:
        self.ranges = tuple(ranges)
        self.shape = tuple(len(r) for r in self.ranges)

    def __len__(self) -> int:
        return math.prod(self.shape)

    @overload
    def __getitem__(self, place: int) -> Index: ...
    @overload
    def __getitem__(self, place: slice) -> list[Index]: ...
    def __getitem__(self, place: int | slice) -> Index | list[Index]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        if not 0 <= place < len(self):
            raise IndexError(place)
        within = numpy.unravel_index(place, self.shape) if self.shape else ()
        return tuple(r.start + int(k) for r, k in zip(self.ranges, within, strict=True))

    def of(self, array: Any) -> Any:
        """The array's numbers there, (k,)."""
        return array[tuple(slice(r.start, r.stop) for r in self.ranges)].reshape(-1)


def numbers(array: Any, places: Sequence[Index]) -> Any:
    """The array's numbers at each of the places, (k,)."""
    if isinstance(places, Block):
        return places.of(array)
    return numpy.asarray([array[place] for place in places], dtype=array.dtype)


def aligned(index: Index, shape: Sequence[int]) -> Index:
    """The place in an input of `shape` that was broadcast to `index`.

    >>> aligned((2, 3), (5, 1)), aligned((2, 3), (4,))
    ((2, 0), (3,))
    """
    tail = index[len(index) - len(shape) :] if len(shape) <= len(index) else (0,) * (len(shape) - len(index)) + index
    return tuple(0 if n == 1 else i for i, n in zip(tail, shape, strict=True))


def shifted(index: Index, axis: int, by: int) -> Index:
    """The place that is so many further along an axis."""
    axis %= len(index)
    return (*index[:axis], index[axis] + by, *index[axis + 1 :])


def by_axes(axes: str, joined: Joins, index: Index, inputs: Sequence[Any], settings: Any) -> Origin | None:
    """The origin where an op's `axes` say it: of a reduction, and of a sum of products over axes by name."""
    if axes == "reduce":
        shape = tuple(inputs[0].shape)
        return Joined(_reduced(index, shape, settings.get("axis"), bool(settings.get("keepdims"))))
    if joined == "products" and "->" in axes:
        return Products(_contracted(axes, index, [tuple(value.shape) for value in inputs]))
    return None


def _reduced(index: Index, shape: Index, axis: int | Sequence[int] | None, keepdims: bool) -> Block:
    """Along each axis of a reduction's input, the places that one number was made from."""
    axes = range(len(shape)) if axis is None else (axis,) if isinstance(axis, int) else axis
    over = {a % len(shape) for a in axes} if shape else set[int]()
    left = iter([i for k, i in enumerate(index) if k not in over] if keepdims else index)
    fixed = [0 if k in over else next(left) for k in range(len(shape))]
    return Block([range(n) if k in over else range(fixed[k], fixed[k] + 1) for k, n in enumerate(shape)])


def _contracted(axes: str, index: Index, shapes: Sequence[Index]) -> list[Pair]:
    """By axes such as "... n i, ... i o -> ... n o": a product for each place of the axes that the output lacks."""
    terms, result = ([side.split() for side in part.split(",")] for part in axes.split("->"))
    named = [name for name in result[0] if name != "..."]
    outer, known = index[: len(index) - len(named)], dict(zip(named, index[len(index) - len(named) :], strict=True))
    names = [[name for name in term if name != "..."] for term in terms]
    lengths = {n: k for mine, shape in zip(names, shapes, strict=True) for n, k in zip(reversed(mine), reversed(shape))}  # noqa: B905
    inner = sorted(lengths.keys() - known.keys())

    def place(k: int, at: dict[str, int]) -> Index:
        return aligned((*(outer if "..." in terms[k] else ()), *(at[name] for name in names[k])), shapes[k])

    found = itertools.product(*(range(lengths[name]) for name in inner))
    return [(place(0, at), place(1, at)) for at in (known | dict(zip(inner, i, strict=True)) for i in found)]
