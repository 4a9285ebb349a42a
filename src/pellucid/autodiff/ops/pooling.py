"""Pools: each window of each channel becomes one number. Channels last: x (..., *spatial, c), y (..., *stops, c)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any

from pellucid.autodiff.backend import pad
from pellucid.autodiff.op import op
from pellucid.autodiff.origin import Index, Joined, Moved
from pellucid.autodiff.tape import Array
from pellucid.autodiff.taps import put_back, taps
from pellucid.autodiff.windows import Edges, Sizes, Sweep, inside, sweeps, window, windows_on


def ways_of(x: Any, *, size: Sizes, strides: Sizes, padding: Edges) -> list[Sweep]:
    """How the windows of a pool move over x."""
    return sweeps(tuple(x.shape[-1 - len(size) : -1]), size, strides=strides, padding=padding)


@op(
    "windows",
    spatial=True,
    source="Ranzato et al. 2007, CVPR; the rule: Scherer, Müller and Behnke 2010, ICANN",
    joined="largest",
    onnx="MaxPool",
)
def max_pool(xp: Any, x: Array, *, size: Sizes, strides: Sizes, padding: Edges) -> Array:
    """The largest number of each window; what stands around x is smaller than any.

    Of equal largest ones, the first in reading order takes the gradient."""
    seen = taps(xp, x, ways_of(x, size=size, strides=strides, padding=padding), -math.inf)
    return reduce(xp.maximum, seen)


@max_pool.origin
def _(index: Index, y: Array, x: Array, **given: Any):
    return _seen_by(index, ways_of(x, **given))


@max_pool.corner
def _(xp: Any, x: Array, **given: Any):
    ways = ways_of(x, **given)
    seen, many = taps(xp, x, ways, -math.inf), math.prod(given["size"])
    largest = reduce(xp.maximum, seen)
    ties = reduce(xp.add, [xp.astype(tap == largest, xp.int32) for tap in seen])
    return _first(xp, seen, largest) + many * (ties - 1)


@max_pool.fix
def _(xp: Any, side: Array, x: Array, **given: Any):
    return _taken(xp, taps(xp, x, ways_of(x, **given)), side % math.prod(given["size"]))


@max_pool.backward
def _(dy: Any, y: Any, x: Any, **given: Any):
    return give_to_largest(dy, x, **given)


@op("windows", spatial=True, joined="sum", onnx="MaxUnpool")
def give_to_largest(xp: Any, dy: Array, x: Array, *, size: Sizes, strides: Sizes, padding: Edges) -> Array:
    """The gradient of each window goes to its largest number, the first in reading order; there they add up."""
    ways = ways_of(x, size=size, strides=strides, padding=padding)
    seen = taps(xp, x, ways, -math.inf)
    first = _first(xp, seen, reduce(xp.maximum, seen))
    if size == strides:
        return _spread_apart(xp, dy, first, ways)
    zero = xp.zeros((), dtype=dy.dtype)
    return put_back(xp, [xp.where(first == k, dy, zero) for k in range(len(seen))], ways)


@give_to_largest.origin
def _(index: Index, sent: Array, dy: Array, x: Array, **given: Any):
    ways = ways_of(x, **given)
    return Joined([window for window in _windows_on(index, ways) if _largest(x, window, ways) == index])


@give_to_largest.backward
def _(dx: Any, sent: Any, dy: Any, x: Any, **given: Any):
    return take_at_largest(dx, x, **given), None


@op("windows", spatial=True)
def take_at_largest(xp: Any, v: Array, x: Array, *, size: Sizes, strides: Sizes, padding: Edges) -> Array:
    """From each window, the number of v that stands where x is largest (for the first time in reading order)."""
    ways = ways_of(x, size=size, strides=strides, padding=padding)
    seen = taps(xp, x, ways, -math.inf)
    return _taken(xp, taps(xp, v, ways), _first(xp, seen, reduce(xp.maximum, seen)))


@take_at_largest.origin
def _(index: Index, y: Array, v: Array, x: Array, **given: Any):
    return Moved(0, _largest(x, index, ways_of(x, **given)))


@take_at_largest.backward
def _(dy: Any, y: Any, v: Any, x: Any, **given: Any):
    return give_to_largest(dy, x, **given), None


@op("windows", spatial=True, joined="sum", onnx="AveragePool")
def window_sum(xp: Any, x: Array, *, size: Sizes, strides: Sizes, padding: Edges) -> Array:
    """The sum of each window; what stands around x is 0."""
    return reduce(xp.add, taps(xp, x, ways_of(x, size=size, strides=strides, padding=padding)))


@window_sum.origin
def _(index: Index, y: Array, x: Array, **given: Any):
    return _seen_by(index, ways_of(x, **given))


@window_sum.backward
def _(dy: Any, y: Any, x: Any, **given: Any):
    return give_to_window(dy, shape=x.shape[-1 - len(given["size"]) : -1], **given)


@op("windows", spatial=True, joined="sum")
def give_to_window(xp: Any, dy: Array, *, shape: Sizes, size: Sizes, strides: Sizes, padding: Edges) -> Array:
    """The gradient of each window goes to all its numbers, which have `shape` along the spatial axes; there they add
    up."""
    ways = sweeps(shape, size, strides=strides, padding=padding)
    return put_back(xp, [dy] * math.prod(size), ways)


@give_to_window.origin
def _(index: Index, sent: Array, dy: Array, *, shape: Sizes, size: Sizes, **given: Any):
    return Joined(_windows_on(index, sweeps(shape, size, **given)))


@give_to_window.backward
def _(dx: Any, sent: Any, dy: Any, *, shape: Sizes, **given: Any):
    return window_sum(dx, **given)


def _seen_by(index: Index, ways: Sequence[Sweep]) -> Joined:
    """The places that the window of one output number sees, in reading order."""
    ahead, at, channel = _parts(index, ways)
    return Joined([(*ahead, *place, channel) for place in window(ways, at)])


def _windows_on(index: Index, ways: Sequence[Sweep]) -> list[Index]:
    """The output numbers whose windows see one input number."""
    ahead, at, channel = _parts(index, ways)
    return [(*ahead, *stop, channel) for stop in windows_on(ways, at)]


def _largest(x: Array, index: Index, ways: Sequence[Sweep]) -> Index:
    """Where in the window of one output number x is largest, for the first time."""
    return max(_seen_by(index, ways).places, key=lambda place: float(x[place]))


def _parts(index: Index, ways: Sequence[Sweep]) -> tuple[Index, Index, int]:
    """A place as its axes in front, its spatial axes, its channel."""
    return index[: -1 - len(ways)], index[-1 - len(ways) : -1], index[-1]


def _first(xp: Any, seen: Sequence[Array], largest: Array) -> Array:
    """Which place in the window holds its largest number, for the first time."""
    first = xp.full(largest.shape, len(seen) - 1, dtype=xp.int32)
    for k in reversed(range(len(seen) - 1)):
        first = xp.where(seen[k] == largest, xp.asarray(k, dtype=xp.int32), first)
    return first


def _taken(xp: Any, seen: Sequence[Array], which: Array) -> Array:
    """Of what each window sees, its number `which`."""
    taken = seen[-1]
    for k in reversed(range(len(seen) - 1)):
        taken = xp.where(which == k, seen[k], taken)
    return taken


def _spread_apart(xp: Any, dy: Array, first: Array, ways: Sequence[Sweep]) -> Array:
    """`give_to_largest` where no two windows meet: every window as a block of its own, in one pass."""
    rank, channels = len(ways), dy.shape[-1]
    ahead = tuple(dy.shape[: -1 - rank])
    stops, size = [way.stops for way in ways], [way.size for way in ways]
    thin = [n for stop in stops for n in (stop, 1)]
    ours = [n for k in size for n in (1, k)]
    which = xp.reshape(xp.arange(len(inside(tuple(size))), dtype=xp.int32), (*ours, 1))
    hit = xp.reshape(first, (*ahead, *thin, channels)) == which
    whole = xp.where(hit, xp.reshape(dy, (*ahead, *thin, channels)), xp.zeros((), dtype=dy.dtype))
    dx = xp.reshape(whole, (*ahead, *(a * b for a, b in zip(stops, size, strict=True)), channels))
    around = [(-way.low, way.length + way.low - way.stops * way.size, 0) for way in ways]
    return pad(xp, dx, [(0, 0, 0)] * len(ahead) + around + [(0, 0, 0)]) if any(map(any, around)) else dx
