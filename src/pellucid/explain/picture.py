"""A row of many numbers over height and width, drawn in characters."""

from __future__ import annotations

from typing import Any

import numpy

SHADES = " ░▒▓█"
COLUMNS = 40
"""Numbers of a line at most; of a wider picture, blocks of neighbours are averaged."""
MOMENTS, PITCHES = 76, 20
"""The same of a spectrogram, to the right and upwards."""


def drawn(x: Any, upright: bool = False) -> str:
    """Numbers (height, width) or (height, width, channels) as lines of two characters a number: the more, the fuller.

    Channels are averaged. Numbers that are not finite count as the least.

    upright: the first axis to the right and the second upwards, a character a number, as for the moments and pitches of
    a spectrogram.

    >>> print(drawn(numpy.array([[0, 50], [75, 100]])).replace(" ", "·"))
    ··▒▒
    ▓▓██
    """
    values = numpy.asarray(x, numpy.float64)
    values = values.mean(axis=-1) if values.ndim > 2 else values
    values = numpy.where(numpy.isfinite(values), values, numpy.nan_to_num(values, posinf=0.0, neginf=0.0).min())
    values = values.T[::-1] if upright else values
    most = (PITCHES, MOMENTS) if upright else (COLUMNS, COLUMNS)
    blocks = [-(-n // lines) for n, lines in zip(values.shape, most, strict=True)]
    blocks = blocks if upright else [max(blocks)] * 2  # what is square stays square
    edges = [numpy.arange(0, n, block) for n, block in zip(values.shape, blocks, strict=True)]
    summed = numpy.add.reduceat(numpy.add.reduceat(values, edges[0], axis=0), edges[1], axis=1)
    sizes = numpy.outer(*(numpy.diff([*edge, n]) for edge, n in zip(edges, values.shape, strict=True)))
    values = summed / sizes
    low, high = values.min(), values.max()
    steps = numpy.zeros(values.shape) if low == high else (values - low) / (high - low)
    levels = numpy.minimum((steps * len(SHADES)).astype(int), len(SHADES) - 1)
    width = 1 if upright else 2
    return "\n".join("".join(width * SHADES[level] for level in line) for line in levels)
