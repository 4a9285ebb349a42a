"""A row of many numbers over height and width, drawn in characters."""

from __future__ import annotations

from typing import Any

import numpy

SHADES = " ░▒▓█"
COLUMNS = 40
"""Numbers of a line at most; of a wider picture, blocks of neighbours are averaged."""


def drawn(x: Any) -> str:
    """Numbers (height, width) or (height, width, channels) as lines of two characters a number: the more, the fuller.

    Channels are averaged. Numbers that are not finite count as the least.

    >>> print(drawn(numpy.array([[0, 50], [75, 100]])).replace(" ", "·"))
    ··▒▒
    ▓▓██
    """
    values = numpy.asarray(x, numpy.float64)
    values = values.mean(axis=-1) if values.ndim > 2 else values
    values = numpy.where(numpy.isfinite(values), values, numpy.nan_to_num(values, posinf=0.0, neginf=0.0).min())
    block = -(-max(values.shape) // COLUMNS)
    edges = [numpy.arange(0, n, block) for n in values.shape]
    summed = numpy.add.reduceat(numpy.add.reduceat(values, edges[0], axis=0), edges[1], axis=1)
    sizes = numpy.outer(*(numpy.diff([*edge, n]) for edge, n in zip(edges, values.shape, strict=True)))
    values = summed / sizes
    low, high = values.min(), values.max()
    steps = numpy.zeros(values.shape) if low == high else (values - low) / (high - low)
    levels = numpy.minimum((steps * len(SHADES)).astype(int), len(SHADES) - 1)
    return "\n".join("".join(2 * SHADES[level] for level in line) for line in levels)
