"""Convolution: the same small weighted sum at every place. Any number of spatial axes, channels last.

x: (n, *spatial, i)  kernel: (*size, i / groups, o)  y: (n, *stops, o); windows.py says which number meets which.
The gradient of the input is a convolution again, over dy with the reversed kernel, where stride and spread have
changed places; so a transposed convolution needs no op of its own. (Dumoulin and Visin 2016, arXiv:1603.07285.)
"""

from __future__ import annotations

import math
from typing import Any

from pellucid.autodiff.backend import convolve, convolve_batch
from pellucid.autodiff.op import op
from pellucid.autodiff.origin import Index, Moved, Products
from pellucid.autodiff.tape import Array
from pellucid.autodiff.windows import Edges, Sizes, inside, seen, settings, sweeps


@op(
    "convolution",
    source="Fukushima 1980, Biological Cybernetics 36; LeCun et al. 1989, Neural Computation 1",
    joined="products",
    onnx="Conv",
)
def convolution(
    xp: Any, x: Array, kernel: Array, *, strides: Sizes, padding: Edges, dilation: Sizes, spread: Sizes, groups: int
) -> Array:
    """Each output number is a window of x times one filter of the kernel, added up.

    Output channels come in `groups`, each of which sees its own share of the input's channels."""
    ways = sweeps(x.shape[1:-1], kernel.shape[:-2], strides=strides, padding=padding, dilation=dilation, spread=spread)
    return convolve(xp, x, kernel, ways, groups)


@convolution.origin
def _(index: Index, y: Array, x: Array, kernel: Array, *, groups: int, **given: Any):
    n, *at, o = index
    size, inputs = kernel.shape[:-2], kernel.shape[-2]
    first = o // (kernel.shape[-1] // groups) * inputs
    ways = sweeps(x.shape[1:-1], size, **given)
    return Products(
        [
            ((n, *met, first + i), (*k, i, o))
            for k in inside(size)
            if (met := seen(ways, at, k)) is not None
            for i in range(inputs)
        ]
    )


@convolution.batch
def _(xp: Any, to: Sizes, x: Array, kernel: Array, *, groups: int, **given: Any):
    """Every variant is a group of its own."""
    y = convolution.forward(xp, _into_channels(xp, x), _into_channels(xp, kernel), groups=groups * x.shape[0], **given)
    return _from_channels(xp, y, to)


@convolution.backward
def _(dy: Any, y: Any, x: Any, kernel: Any, *, groups: int, **given: Any):
    ways = sweeps(x.shape[1:-1], kernel.shape[:-2], **given)
    dx = convolution(dy, reversed_kernel(kernel, groups=groups), groups=groups, **settings([w.back for w in ways]))
    return dx, kernel_gradient(x, dy, size=kernel.shape[:-2], groups=groups, **given)


@op("kernel_gradient", joined="products")
def kernel_gradient(
    xp: Any,
    x: Array,
    dy: Array,
    *,
    size: Sizes,
    strides: Sizes,
    padding: Edges,
    dilation: Sizes,
    spread: Sizes,
    groups: int,
) -> Array:
    """What a convolution's weights did: each input number times the gradient of what it was used for, added up over
    all places and all rows of the batch."""
    ways = sweeps(x.shape[1:-1], size, strides=strides, padding=padding, dilation=dilation, spread=spread)
    return convolve_batch(xp, x, dy, ways, groups)


@kernel_gradient.origin
def _(index: Index, y: Array, x: Array, dy: Array, *, size: Sizes, groups: int, **given: Any):
    *k, i, o = index
    ways = sweeps(x.shape[1:-1], size, **given)
    channel = o // (y.shape[-1] // groups) * y.shape[-2] + i
    return Products(
        [
            ((n, *met, channel), (n, *at, o))
            for n in range(x.shape[0])
            for at in inside(tuple(way.stops for way in ways))
            if (met := seen(ways, at, k)) is not None
        ]
    )


@kernel_gradient.batch
def _(xp: Any, to: Sizes, x: Array, dy: Array, *, groups: int, **given: Any):
    y = kernel_gradient.forward(xp, _into_channels(xp, x), _into_channels(xp, dy), groups=groups * x.shape[0], **given)
    return _from_channels(xp, y, to)


@kernel_gradient.backward
def _(dk: Any, k: Any, x: Any, dy: Any, *, size: Sizes, groups: int, **given: Any):
    back = settings([way.back for way in sweeps(x.shape[1:-1], size, **given)])
    dx = convolution(dy, reversed_kernel(dk, groups=groups), groups=groups, **back)
    return dx, convolution(x, dk, groups=groups, **given)


@op("move")
def reversed_kernel(xp: Any, kernel: Array, *, groups: int) -> Array:
    """A kernel as the way back needs it: each window back to front, inputs and outputs of a group exchanged."""
    *size, inputs, outputs = kernel.shape
    turned = xp.flip(kernel, axis=tuple(range(len(size))))
    apart = xp.reshape(turned, (*size, inputs, groups, outputs // groups))
    return xp.reshape(xp.swapaxes(apart, -3, -1), (*size, outputs // groups, groups * inputs))


@reversed_kernel.origin
def _(index: Index, y: Array, kernel: Array, *, groups: int):
    *k, o, channel = index
    *size, inputs, _ = kernel.shape
    back = tuple(n - 1 - i for n, i in zip(size, k, strict=True))
    return Moved(0, (*back, channel % inputs, channel // inputs * y.shape[-2] + o))


@reversed_kernel.batch
def _(xp: Any, to: Sizes, kernel: Array, *, groups: int):
    together = _into_channels(xp, kernel)
    return _from_channels(xp, reversed_kernel.forward(xp, together, groups=groups * kernel.shape[0]), to)


@reversed_kernel.backward
def _(dy: Any, y: Any, kernel: Any, *, groups: int):
    return reversed_kernel(dy, groups=groups)


def _into_channels(xp: Any, array: Array) -> Array:
    """(P, ..., c) as (..., P · c)."""
    many, *shape = array.shape
    return xp.reshape(xp.moveaxis(array, 0, -2), (*shape[:-1], many * shape[-1]))


def _from_channels(xp: Any, array: Array, to: Sizes) -> Array:
    """(..., P · c) as (P, ..., c), each variant of shape `to`."""
    many = array.shape[-1] // to[-1] if math.prod(to) else 0
    return xp.moveaxis(xp.reshape(array, (*to[:-1], many, to[-1])), -2, 0)
