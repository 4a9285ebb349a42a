"""The one seam: what NumPy and JAX spell differently, or only one of them has."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy
from scipy import special

from pellucid.autodiff.op import Array
from pellucid.autodiff.windows import Sweep

Around = tuple[int, int, int]
"""Along one axis: how many places before, after, and between every two numbers; fewer than 0 take numbers away."""


def is_numpy(xp: Any) -> bool:
    return xp is numpy


def erf(xp: Any, x: Array) -> Array:
    """The error function, 2/√π times the integral of exp(-t²) from 0 to x."""
    if is_numpy(xp):
        return special.erf(x)
    from jax.scipy.special import erf as jax_erf  # JAX is imported only where arrays are JAX's

    return jax_erf(x)


def scatter_add(xp: Any, rows: Array, indices: Array, count: int) -> Array:
    """An array of `count` rows: row k is the sum of the given rows whose index is k."""
    flat = xp.reshape(indices, (-1,))
    values = xp.reshape(rows, (flat.shape[0], rows.shape[-1]))
    out = xp.zeros((count, rows.shape[-1]), dtype=rows.dtype)
    if is_numpy(xp):
        numpy.add.at(out, flat, values)
        return out
    return out.at[flat].add(values)


def each(xp: Any, f: Callable[[Any], Array], count: int) -> Array:
    """f(0), f(1), … f(count - 1), arrays of one shape, along a new first axis."""
    if is_numpy(xp):
        return xp.stack([f(i) for i in range(count)])
    from jax import vmap

    return vmap(f)(xp.arange(count))


def in_turn(xp: Any, f: Callable[..., Any], *arrays: Array) -> Any:
    """f of the first entries of the arrays, of the second entries, and so on, one after the other, so that the
    memory of one is enough; each array of what f returns gets a first axis."""
    if is_numpy(xp):
        found = [f(*entries) for entries in zip(*arrays, strict=True)]
        return tuple(map(xp.stack, zip(*found, strict=True))) if isinstance(found[0], tuple) else xp.stack(found)
    from jax import lax

    return lax.map(lambda entries: f(*entries), arrays)


def pad(xp: Any, x: Array, around: Sequence[Around], fill: float = 0.0) -> Array:
    """x with `fill` before, after and between its numbers, as `around` says for each axis."""
    if not is_numpy(xp):
        from jax import lax

        return lax.pad(x, xp.asarray(fill, dtype=x.dtype), around)
    shape: list[int] = []
    target: list[slice] = []
    source: list[slice] = []
    for n, (low, high, between) in zip(x.shape, around, strict=True):
        step = between + 1
        length = max(0, low + high + (n - 1) * step + 1)
        first = max(0, -(low // step))  # the first that is not taken away
        start = low + first * step
        kept = max(0, min(n - first, -((start - length) // step)))
        shape.append(length)
        target.append(slice(start, start + kept * step, step))
        source.append(slice(first, first + kept))
    out = numpy.full(shape, fill, dtype=x.dtype)
    out[tuple(target)] = x[tuple(source)]
    return out


def convolve(xp: Any, x: Array, kernel: Array, ways: Sequence[Sweep], groups: int) -> Array:
    """x (n, *spatial, i) and kernel (*size, i / groups, o) to (n, *stops, o). `ways`: one for each spatial axis."""
    if is_numpy(xp):
        seen = _seen(x, ways, groups)
        filters = kernel.reshape(seen.shape[-1], groups, -1).swapaxes(0, 1)
        y = numpy.matmul(seen, filters).swapaxes(0, 1)
        return y.reshape(x.shape[0], *(way.stops for way in ways), kernel.shape[-1])
    from jax import lax

    x, kernel = _alike(xp, x, kernel)
    x, edges, spread = _uncropped(xp, x, ways)
    axes = "DHW"[-len(ways) :]
    return lax.conv_general_dilated(
        x,
        kernel,
        [way.stride for way in ways],
        edges,
        spread,
        [way.dilation for way in ways],
        (f"N{axes}C", f"{axes}IO", f"N{axes}C"),
        groups,
    )


def convolve_batch(xp: Any, x: Array, dy: Array, ways: Sequence[Sweep], groups: int) -> Array:
    """x (n, *spatial, i) and dy (n, *stops, o) to (*size, i / groups, o): a convolution of x with dy, in which the
    batch stands where the channels stood."""
    size = [way.size for way in ways]
    if is_numpy(xp):
        seen = _seen(x, ways, groups)
        sent = dy.reshape(seen.shape[1], groups, -1).swapaxes(0, 1)
        found = numpy.matmul(seen.swapaxes(1, 2), sent).swapaxes(0, 1)
        return found.reshape(*size, x.shape[-1] // groups, dy.shape[-1])
    from jax import lax

    # What the last window does not reach is taken away, so that dy fits in exactly `size` ways.
    x, dy = _alike(xp, x, dy)
    x, edges, spread = _uncropped(xp, x, [way._replace(high=way.high - way.rest) for way in ways])
    axes = "DHW"[-len(ways) :]
    # The barriers keep XLA from taking the transposes into the convolution: on CPU it has no fast one for such axes,
    # and inside a loop it does take them in, which is over a hundred times slower.
    x, dy = lax.optimization_barrier((xp.swapaxes(x, 0, -1), xp.moveaxis(dy, 0, -2)))
    found = lax.conv_general_dilated(
        x,
        dy,
        [way.dilation for way in ways],
        edges,
        spread,
        [way.stride for way in ways],
        (f"N{axes}C", f"{axes}IO", f"N{axes}C"),
        batch_group_count=groups,
    )
    return xp.moveaxis(lax.optimization_barrier(found), 0, -2)


def _seen(x: Array, ways: Sequence[Sweep], groups: int) -> Array:
    """In NumPy: for each group, a row for each place of the window, with all numbers seen there: (g, n · stops, k)."""
    rank = len(ways)
    whole = pad(numpy, x, [(0, 0, 0), *((w.low, w.high, w.spread - 1) for w in ways), (0, 0, 0)])
    views = numpy.lib.stride_tricks.sliding_window_view(whole, [w.reach + 1 for w in ways], tuple(range(1, rank + 1)))
    views = views[(slice(None), *(slice(None, None, w.stride) for w in ways), slice(None))]
    views = views[(..., *(slice(None, None, w.dilation) for w in ways))]
    views = numpy.moveaxis(views, rank + 1, -1)  # (n, *stops, *size, i)
    *outer, inputs = views.shape
    apart = numpy.moveaxis(views.reshape(*outer, groups, inputs // groups), -2, 0)
    rows = math.prod(outer[: rank + 1])
    return apart.reshape(groups, rows, -1)


def _alike(xp: Any, *arrays: Array) -> list[Array]:
    """In one dtype, as XLA's convolution wants them."""
    dtype = xp.result_type(*arrays)
    return [xp.astype(array, dtype) for array in arrays]


def _uncropped(xp: Any, x: Array, ways: Sequence[Sweep]) -> tuple[Array, list[tuple[int, int]], list[int]]:
    """x, edges and spread for XLA, which is slow where edges take numbers away: that is done before."""
    edges = [(way.low, way.high) for way in ways]
    if min(map(min, edges)) >= 0:
        return x, edges, [way.spread for way in ways]
    cut = [(min(way.low, 0), min(way.high, 0), way.spread - 1) for way in ways]
    x = pad(xp, x, [(0, 0, 0), *cut, (0, 0, 0)])
    return x, [(max(low, 0), max(high, 0)) for low, high in edges], [1] * len(ways)


def scan(xp: Any, f: Callable[[Any, Any], tuple[Any, Array]], carried: Any, steps: Any, reverse: bool = False) -> Any:
    """f(carried, entry) -> (carried, out) for each entry along the first axis of the arrays in `steps`, one after the
    other; returns what is carried at the end, and what came out (an array or a tuple), along a new first axis."""
    if not is_numpy(xp):
        from jax import lax

        return lax.scan(f, carried, steps, reverse=reverse)
    count = len(steps[0])
    found: list[Any] = [None] * count
    for i in reversed(range(count)) if reverse else range(count):
        carried, found[i] = f(carried, tuple(array[i] for array in steps))
    if isinstance(found[0], tuple):
        return carried, tuple(map(numpy.stack, zip(*found, strict=True)))
    return carried, numpy.stack(found)
