"""Spatial axes grow by zeros or shrink at their edges. Channels last: x (..., *spatial, c)."""

from __future__ import annotations

from typing import Any

from pellucid.autodiff import backend as seam
from pellucid.autodiff.op import op
from pellucid.autodiff.tape import Array
from pellucid.autodiff.windows import Edges


@op("move", leading=True)
def pad(xp: Any, x: Array, *, padding: Edges) -> Array:
    """Zeros before and after along each spatial axis."""
    edges = [(low, high, 0) for low, high in padding]
    return seam.pad(xp, x, [(0, 0, 0)] * (len(x.shape) - 1 - len(edges)) + edges + [(0, 0, 0)])


@pad.backward
def _(dy: Any, y: Any, x: Any, *, padding: Edges):
    return crop(dy, cropping=padding)


@op("move", leading=True)
def crop(xp: Any, x: Array, *, cropping: Edges) -> Array:
    """Leaves out the first and the last places along each spatial axis."""
    lengths = x.shape[-1 - len(cropping) : -1]
    cut = [slice(low, n - high) for n, (low, high) in zip(lengths, cropping, strict=True)]
    return x[(..., *cut, slice(None))]


@crop.backward
def _(dy: Any, y: Any, x: Any, *, cropping: Edges):
    return pad(dy, padding=cropping)
