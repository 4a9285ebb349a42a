"""What an array is in many variants of a network at once: P of them, along a first axis.

Most variants differ in little: one weight is one number of its own array, and moves one column of the product
that it is a factor of. So an array is kept in the smallest of three forms:

    Point    the base array, but for one number
    Column   the base array, but for one place of the last axis
    array    anything: (P, *shape of the base)

In NumPy the variants are the first axis and lie last in memory, so that a sum over ten classes is ten long
additions, not many short ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pellucid.autodiff.op import Op
from pellucid.autodiff.tape import Array


class Point(NamedTuple):
    """The base array but for the number at `places` (P,), counted in reading order, which is `values` (P,)."""

    places: Array
    values: Array


class Column(NamedTuple):
    """The base array but for place `places` (P,) of the last axis, where it is `values` (P, ..., 1)."""

    places: Array
    values: Array


Variants = Point | Column | Array


class Input(NamedTuple):
    """An input of an op: as the tape has it, and as the variants have it (None: the same in all of them)."""

    base: Any
    variants: Variants | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(getattr(self.base, "shape", ()))


class Call(NamedTuple):
    """An op that ran, and the variants of its inputs."""

    xp: Any
    op: Op
    inputs: Sequence[Input]
    settings: Mapping[str, Any]
    output: Array
    """As the tape has it."""

    @property
    def depth(self) -> int:
        """How many axes the output has."""
        return len(self.output.shape)

    @property
    def varying(self) -> list[Input]:
        return [i for i in self.inputs if i.variants is not None]

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes of a reduction, where one of variants stands in front."""
        depth, axis = len(self.inputs[-1].shape), self.settings.get("axis")
        axes = range(depth) if axis is None else (axis,) if isinstance(axis, int) else axis
        return tuple(a % depth + 1 for a in axes) if depth else ()

    def run(self, *arrays: Any, **settings: Any) -> Array:
        return self.xp.asarray(self.op.forward(self.xp, *arrays, **{**self.settings, **settings}))


def dense(xp: Any, base: Array, variants: Variants) -> Array:
    """Any of the three in full: (P, *shape of base)."""
    if isinstance(variants, Point):
        if not base.shape:
            return variants.values
        here = xp.arange(math.prod(base.shape)) == variants.places[:, None]
        return xp.reshape(xp.where(here, variants.values[:, None], xp.reshape(base, (-1,))), (-1, *base.shape))
    if isinstance(variants, Column):
        here = xp.arange(base.shape[-1]) == after(xp, variants.places, len(base.shape))
        return xp.where(here, variants.values, base)
    return variants


def as_column(xp: Any, base: Array, variants: Point | Column) -> Column:
    """A changed number as a changed column, in which the other numbers are the base's."""
    if isinstance(variants, Column):
        return variants
    if len(base.shape) == 1:
        return Column(variants.places, variants.values[:, None])
    place = variants.places % base.shape[-1]
    here = xp.arange(math.prod(base.shape[:-1])) == (variants.places // base.shape[-1])[:, None]
    values = picked(xp, base, place)
    return Column(place, xp.where(xp.reshape(here, values.shape), after(xp, variants.values, len(base.shape)), values))


def size(variants: Variants) -> int:
    """How many numbers are kept."""
    return math.prod((variants.values if isinstance(variants, Point | Column) else variants).shape)


def count(variants: Variants) -> int:
    """How many variants there are."""
    return (variants.values if isinstance(variants, Point | Column) else variants).shape[0]


def variant(variants: Variants, p: Any) -> Variants:
    """Variant number p alone, as one variant."""
    if isinstance(variants, Point | Column):
        return type(variants)(variants.places[p][None], variants.values[p][None])
    return variants[p][None]


def numbers(xp: Any, base: Array, places: Array) -> Array:
    """The base's number at each of the P places, counted in reading order: (P,)."""
    return xp.take(xp.reshape(base, (-1,)), places)


def picked(xp: Any, base: Array, places: Array) -> Array:
    """base[..., place] for each of the P places: (P, ..., 1), the variants last in memory."""
    return xp.moveaxis(xp.take(base, places, axis=-1), -1, 0)[..., None]


def after(xp: Any, array: Array, axes: int) -> Array:
    """(P,) with so many axes of length 1 behind it."""
    return xp.reshape(array, (-1, *(1,) * axes))


def deeper(xp: Any, array: Array, axes: int) -> Array:
    """(P, ...) with so many axes of length 1 behind the variants."""
    return array if axes == 0 else xp.expand_dims(array, axis=tuple(range(1, 1 + axes)))
