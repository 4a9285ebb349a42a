"""Spatial axes grow by zeros or shrink at their edges. Channels last: x (..., *spatial, c)."""

from __future__ import annotations

from typing import Any

from pellucid.autodiff import backend as seam
from pellucid.autodiff.op import op
from pellucid.autodiff.origin import Index, Moved, Zero
from pellucid.autodiff.tape import Array
from pellucid.autodiff.windows import Edges


@op("move", spatial=True, onnx="Pad")
def pad(xp: Any, x: Array, *, padding: Edges) -> Array:
    """Zeros before and after along each spatial axis."""
    edges = [(low, high, 0) for low, high in padding]
    return seam.pad(xp, x, [(0, 0, 0)] * (len(x.shape) - 1 - len(edges)) + edges + [(0, 0, 0)])


@pad.origin
def _(index: Index, y: Array, x: Array, *, padding: Edges):
    return _resized(index, x, tuple(-low for low, _ in padding))


@pad.backward
def _(dy: Any, y: Any, x: Any, *, padding: Edges):
    return crop(dy, cropping=padding)


@op("move", spatial=True, onnx="Slice")
def crop(xp: Any, x: Array, *, cropping: Edges) -> Array:
    """Leaves out the first and the last places along each spatial axis."""
    lengths = x.shape[-1 - len(cropping) : -1]
    cut = [slice(low, n - high) for n, (low, high) in zip(lengths, cropping, strict=True)]
    return x[(..., *cut, slice(None))]


@crop.origin
def _(index: Index, y: Array, x: Array, *, cropping: Edges):
    return _resized(index, x, tuple(low for low, _ in cropping))


@crop.backward
def _(dy: Any, y: Any, x: Any, *, cropping: Edges):
    return pad(dy, padding=cropping)


def _resized(index: Index, x: Array, by: tuple[int, ...]) -> Moved | Zero:
    """The number of x that is so many places further along each spatial axis."""
    *ahead, channel = index
    first = len(ahead) - len(by)
    at = tuple(i + further for i, further in zip(ahead[first:], by, strict=True))
    here = all(0 <= i < n for i, n in zip(at, x.shape[first:-1], strict=True))
    return Moved(0, (*ahead[:first], *at, channel)) if here else Zero()
