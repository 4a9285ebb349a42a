"""What all outputs of a moving window see at each place of it, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pellucid.autodiff.backend import pad
from pellucid.autodiff.op import Array
from pellucid.autodiff.windows import Sweep, inside


def padded(xp: Any, x: Array, ways: Sequence[Sweep], fill: float = 0.0) -> Array:
    """x (..., *spatial, channels) with what stands around it, and between its numbers, filled in."""
    around = [(way.low, way.high, way.spread - 1) for way in ways]
    if not any(map(any, around)):
        return x
    before = len(x.shape) - len(ways) - 1
    return pad(xp, x, [(0, 0, 0)] * before + around + [(0, 0, 0)], fill)


def taps(xp: Any, x: Array, ways: Sequence[Sweep], fill: float = 0.0) -> list[Array]:
    """For each place in the window, what all outputs see there: (..., *stops, channels) each."""
    whole = padded(xp, x, ways, fill)
    found: list[Array] = []
    for place in inside(tuple(way.size for way in ways)):
        starts = [k * way.dilation for k, way in zip(place, ways, strict=True)]
        cut = [slice(a, a + (w.stops - 1) * w.stride + 1, w.stride) for a, w in zip(starts, ways, strict=True)]
        found.append(whole[(..., *cut, slice(None))])
    return found


def put_back(xp: Any, taken: Sequence[Array], ways: Sequence[Sweep]) -> Array:
    """The reverse of `taps`: each number goes to the input place that it was seen at; there they add up."""
    total: Any = None
    before = len(taken[0].shape) - len(ways) - 1
    for place, numbers in zip(inside(tuple(way.size for way in ways)), taken, strict=True):
        around: list[tuple[int, int, int]] = []
        for k, way in zip(place, ways, strict=True):
            low = k * way.dilation - way.low
            around.append((low, way.length - low - (way.stops - 1) * way.stride - 1, way.stride - 1))
        part = pad(xp, numbers, [(0, 0, 0)] * before + around + [(0, 0, 0)])
        total = part if total is None else total + part
    return total
