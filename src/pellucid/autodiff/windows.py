"""How a window moves over an axis, and which numbers it meets: the geometry of convolutions and pools.

    input     x0 x1 x2 x3 x4          length 5
    padded   0 x0 x1 x2 x3 x4 0       low 1, high 1
    windows  [0 x0 x1]
                   [x1 x2 x3]         size 3, stride 2: it stops at 3 places
                         [x3 x4 0]

Output number o sees, at number k of its window, place (o · stride + k · dilation - low) of the input, whose numbers
stand `spread` places apart; where that is between two of them or outside, it sees 0.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

Sizes = tuple[int, ...]
Edges = tuple[tuple[int, int], ...]
"""For each spatial axis how many places are added before and after (taken away, where negative)."""


class Sweep(NamedTuple):
    """A window's way along one axis."""

    length: int
    """Of the input."""
    size: int
    """How many numbers the window has."""
    stride: int = 1
    low: int = 0
    high: int = 0
    dilation: int = 1
    """How many places apart the window's numbers stand."""
    spread: int = 1
    """How many places apart the input's numbers are put, with zeros between."""

    @property
    def reach(self) -> int:
        """How many places lie between the window's first number and its last."""
        return (self.size - 1) * self.dilation

    @property
    def stops(self) -> int:
        """How many places the window stops at: the length of the output.

        >>> Sweep(5, 3, stride=2, low=1, high=1).stops
        3
        """
        return max(0, self._room // self.stride + 1)

    @property
    def rest(self) -> int:
        """How many places the last window leaves over."""
        return self._room % self.stride

    @property
    def _room(self) -> int:
        """How far the window can move."""
        return (self.length - 1) * self.spread + self.low + self.high - self.reach

    def seen(self, o: int, k: int) -> int | None:
        """Which input number output o sees at number k of its window; None for a 0.

        >>> [Sweep(5, 3, stride=2, low=1, high=1).seen(0, k) for k in range(3)]
        [None, 0, 1]
        """
        place, between = divmod(o * self.stride + k * self.dilation - self.low, self.spread)
        return place if not between and 0 <= place < self.length else None

    @property
    def back(self) -> Sweep:
        """The way of the reversed window over the outputs, which gives each input number what it was used for.

        >>> Sweep(5, 3, stride=2).back
        Sweep(length=2, size=3, stride=1, low=2, high=2, dilation=1, spread=2)
        """
        low = self.reach - self.low
        high = self.reach - self.high + self.rest
        return Sweep(self.stops, self.size, self.spread, low, high, self.dilation, self.stride)


def sweeps(
    lengths: Sizes,
    size: Sizes,
    *,
    strides: Sizes,
    padding: Edges,
    dilation: Sizes | None = None,
    spread: Sizes | None = None,
) -> list[Sweep]:
    """One for each spatial axis."""
    ones = (1,) * len(size)
    parts = zip(lengths, size, strides, padding, dilation or ones, spread or ones, strict=True)
    return [Sweep(n, k, s, low, high, d, e) for n, k, s, (low, high), d, e in parts]


def settings(ways: Sequence[Sweep]) -> dict[str, Any]:
    """The settings of an op from which `sweeps` makes these ways again."""
    return {
        "strides": tuple(way.stride for way in ways),
        "padding": tuple((way.low, way.high) for way in ways),
        "dilation": tuple(way.dilation for way in ways),
        "spread": tuple(way.spread for way in ways),
    }


def same(length: int, size: int, stride: int = 1, dilation: int = 1) -> tuple[int, int]:
    """The padding with which there are length / stride outputs, rounded up; the odd place is at the end.

    >>> same(5, 3), same(5, 2), same(5, 3, stride=2), same(6, 3, stride=2)
    ((1, 1), (0, 1), (1, 1), (0, 1))
    """
    total = max(0, (-(-length // stride) - 1) * stride + (size - 1) * dilation + 1 - length)
    return total // 2, total - total // 2


def inside(size: Sizes) -> list[Sizes]:
    """The places in a window, in reading order."""
    return list(itertools.product(*map(range, size)))


def seen(ways: Sequence[Sweep], at: Sequence[int], k: Sequence[int]) -> Sizes | None:
    """The place in the input that the window at `at` sees at its own place k; None for a 0."""
    found: list[int] = []
    for way, o, j in zip(ways, at, k, strict=True):
        if (place := way.seen(o, j)) is None:
            return None
        found.append(place)
    return tuple(found)


def window(ways: Sequence[Sweep], at: Sequence[int]) -> list[Sizes]:
    """All places in the input that the window at `at` sees, in reading order."""
    places = (seen(ways, at, k) for k in inside(tuple(way.size for way in ways)))
    return [place for place in places if place is not None]


def windows_on(ways: Sequence[Sweep], place: Sequence[int]) -> list[Sizes]:
    """Where the windows stop that see a place of the input, in reading order."""
    stops = (
        [o for o in range(way.stops) if any(way.seen(o, k) == i for k in range(way.size))]
        for way, i in zip(ways, place, strict=True)
    )
    return list(itertools.product(*stops))
