"""A row of many numbers over height and width, drawn in characters."""

from __future__ import annotations

from typing import Any

import numpy
from numpy.typing import NDArray

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
    if upright:
        values, width = values.T[::-1], 1
        block = (-(-values.shape[0] // PITCHES), -(-values.shape[1] // MOMENTS))
    else:
        width = 2
        block = (-(-max(values.shape) // COLUMNS),) * 2  # what is square stays square
    values = summed(values, block) / summed(numpy.ones(values.shape), block)
    low, high = values.min(), values.max()
    steps = numpy.zeros(values.shape) if low == high else (values - low) / (high - low)
    levels = numpy.minimum((steps * len(SHADES)).astype(int), len(SHADES) - 1)
    return "\n".join("".join(width * SHADES[level] for level in line) for line in levels)


def summed(values: NDArray[numpy.float64], block: tuple[int, int]) -> NDArray[numpy.float64]:
    """The sums of blocks of so many rows and columns; the last ones of each axis may have fewer."""
    rows, columns = (numpy.arange(0, n, step) for n, step in zip(values.shape, block, strict=True))
    return numpy.add.reduceat(numpy.add.reduceat(values, rows, axis=0), columns, axis=1)
