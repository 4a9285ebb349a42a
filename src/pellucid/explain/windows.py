"""Where a number of a convolution or a pool came from: the numbers that its window met, or the windows that met it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from pellucid.autodiff import Node
from pellucid.autodiff.windows import Sweep, inside, sweeps
from pellucid.explain.text import Index, Text

Pair = tuple[Index, Index]
POOLS = ("max_pool", "window_sum", "give_to_window", "give_to_largest")


def products(node: Node, index: Index) -> list[Pair]:
    """For a number of a convolution, or of the gradient of its kernel: the places in both inputs of each product."""
    x, other = node.inputs
    groups = int(node.settings["groups"])
    if node.op is not None and node.op.name == "convolution":
        n, *at, o = index
        size, inputs = other.shape[:-2], other.shape[-2]
        first = o // (node.output.shape[-1] // groups) * inputs
        ways = _ways(node, x.shape[1:-1], size)
        return [
            ((n, *seen, first + i), (*k, i, o))
            for k in inside(size)
            if (seen := _seen(ways, at, k)) is not None
            for i in range(inputs)
        ]
    *k, i, o = index
    ways = _ways(node, x.shape[1:-1], tuple(node.output.shape[:-2]))
    channel = o // (node.output.shape[-1] // groups) * node.output.shape[-2] + i
    return [
        ((n, *seen, channel), (n, *at, o))
        for n in range(x.shape[0])
        for at in inside(tuple(way.stops for way in ways))
        if (seen := _seen(ways, at, k)) is not None
    ]


def met(node: Node, index: Index) -> list[Index]:
    """For a number of a pool: the places in the first input that it is the largest or the sum of."""
    assert node.op is not None
    size = node.settings["size"]
    ahead, at, channel = index[: -1 - len(size)], index[-1 - len(size) : -1], index[-1]
    if node.op.name in ("max_pool", "window_sum"):
        shape = node.inputs[0].shape
        places = _window(_ways(node, shape[-1 - len(size) : -1], size), at)
        return [(*ahead, *place, channel) for place in places]
    ways = _ways(node, tuple(node.output.shape[-1 - len(size) : -1]), size)
    stops = [
        [o for o in range(way.stops) if any(way.seen(o, k) == i for k in range(way.size))]
        for way, i in zip(ways, at, strict=True)
    ]
    windows = itertools.product(*stops)
    if node.op.name == "give_to_largest":
        x = node.inputs[1].array
        windows = (o for o in windows if _largest(x, ways, ahead, o, channel) == at)
    return [(*ahead, *o, channel) for o in windows]


def moved(node: Node, index: Index) -> tuple[Node, Index] | Text | None:
    """For an op of windows or of spatial axes that only moves numbers: the node and place this one came from."""
    name = node.op.name if node.op else ""
    if name not in ("pad", "crop", "reversed_kernel", "take_at_largest"):
        return None
    source = node.inputs[0]
    if name in ("pad", "crop"):
        sign, edges = (-1, node.settings["padding"]) if name == "pad" else (1, node.settings["cropping"])
        ahead, at, channel = index[: -1 - len(edges)], index[-1 - len(edges) : -1], index[-1]
        place = tuple(i + sign * low for i, (low, _) in zip(at, edges, strict=True))
        lengths = source.shape[-1 - len(edges) : -1]
        here = all(0 <= i < n for i, n in zip(place, lengths, strict=True))
        return (source.node, (*ahead, *place, channel)) if here else Text("0")
    if name == "reversed_kernel":
        *k, o, channel = index
        *size, inputs, _ = source.shape
        back = tuple(n - 1 - i for n, i in zip(size, k, strict=True))
        group = channel // inputs
        return source.node, (*back, channel % inputs, group * node.output.shape[-2] + o)
    size = node.settings["size"]
    ahead, at, channel = index[: -1 - len(size)], index[-1 - len(size) : -1], index[-1]
    ways = _ways(node, source.shape[-1 - len(size) : -1], size)
    return source.node, (*ahead, *_largest(node.inputs[1].array, ways, ahead, at, channel), channel)


def _ways(node: Node, lengths: Sequence[int], size: Sequence[int]) -> list[Sweep]:
    names = ("strides", "padding", "dilation", "spread")
    given: dict[str, Any] = {name: node.settings[name] for name in names if name in node.settings}
    return sweeps(tuple(lengths), tuple(size), **given)


def _seen(ways: Sequence[Sweep], at: Sequence[int], k: Sequence[int]) -> Index | None:
    """The place in the input that the window at `at` sees at its own place k; None for a 0."""
    found: list[int] = []
    for way, o, j in zip(ways, at, k, strict=True):
        if (place := way.seen(o, j)) is None:
            return None
        found.append(place)
    return tuple(found)


def _window(ways: Sequence[Sweep], at: Sequence[int]) -> list[Index]:
    """All places in the input that the window at `at` sees, in reading order."""
    places = (_seen(ways, at, k) for k in inside(tuple(way.size for way in ways)))
    return [place for place in places if place is not None]


def _largest(x: Any, ways: Sequence[Sweep], ahead: Index, at: Sequence[int], channel: int) -> Index:
    """Where in the window at `at` x is largest, for the first time."""
    return max(_window(ways, at), key=lambda place: float(x[(*ahead, *place, channel)]))
