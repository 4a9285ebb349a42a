"""Pictures turned over, moved and cut at random while the network trains. Channels last, as in Keras 3.

What each row draws is a function of (seed, step, path, row): a step opened again sees the same pictures, in either
engine. Pictures move by whole pixels, so that each number of the result is a number of the picture, or the filling.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pellucid.arguments import whole
from pellucid.autodiff import Value, namespace, ops, random
from pellucid.errors import ShapeError, UsageError
from pellucid.nn.layer import Layer
from pellucid.nn.layers import spatial
from pellucid.nn.layers.noise import stream

MODES = ("horizontal", "vertical", "horizontal_and_vertical")
FILLS = ("constant", "nearest", "reflect", "wrap")
Factor = float | Sequence[float]
"""A share of the height or width: f for -f to f, or (lowest, highest)."""


class RandomFlip(Layer):
    """While training, each picture is turned over with probability 1/2: left and right, upper and lower, or each.

    x, y: (n, height, width, c). mode: "horizontal" exchanges left and right, "vertical" upper and lower,
    "horizontal_and_vertical" draws for both. Digits and letters are others when turned over. Raises UsageError for
    another mode, ShapeError for an x of other axes.

    >>> import numpy as np, pellucid as pl
    >>> x = np.array([[[[1.0], [2.0]]]], dtype="float32")
    >>> pl.Sequential([pl.RandomFlip("horizontal")]).predict(x).ravel().tolist()  # only training turns it over
    [1.0, 2.0]
    """

    mode: str = "horizontal_and_vertical"

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise UsageError(f"RandomFlip(mode={self.mode!r}): it is {' or '.join(map(repr, MODES))}")

    def __call__(self, x: Value) -> Value:
        spatial.check_rank(self, x, 2)
        if not x.tape.training:
            return x
        rows, columns = (_all(x, n) for n in x.shape[1:3])
        down, across = (drawn == 1 for drawn in _drawn(x, (2, 2)))
        where = namespace(x.array).where
        if "vertical" in self.mode:
            rows = where(down, x.shape[1] - 1 - rows, rows)
        if "horizontal" in self.mode:
            columns = where(across, x.shape[2] - 1 - columns, columns)
        return _taken(x, rows, columns)


class RandomTranslation(Layer):
    """While training, each picture is moved down and right by whole pixels that it draws, all of them equally likely.

    x, y: (n, height, width, c). height_factor, width_factor: a share f of height and width for -f to f (up and left
    is below 0), or (lowest, highest). fill_mode says what comes in at the edge of a b c d: "constant" fill_value,
    "nearest" a a | a b c d, "reflect" b a | a b c d, "wrap" c d | a b c d. Keras moves by parts of pixels too.

    Raises UsageError for factors outside -1 … 1 or another fill_mode, ShapeError for an x of other axes.

    >>> import numpy as np, pellucid as pl
    >>> x = np.array([[[[1.0], [2.0]]]], dtype="float32")
    >>> pl.Sequential([pl.RandomTranslation(0.1, 0.5)]).predict(x).ravel().tolist()  # only training moves it
    [1.0, 2.0]

    Source: Simard, Steinkraus and Platt (2003), doi:10.1109/ICDAR.2003.1227801.
    """

    height_factor: Factor
    width_factor: Factor
    fill_mode: str = "reflect"
    fill_value: float = 0.0

    def __post_init__(self) -> None:
        self._ranges()
        if self.fill_mode not in FILLS:
            raise UsageError(f"RandomTranslation(fill_mode={self.fill_mode!r}): it is {' or '.join(map(repr, FILLS))}")
        if not _is_real(self.fill_value):
            raise UsageError(f"RandomTranslation(fill_value={self.fill_value!r}): it is a number")

    def __call__(self, x: Value) -> Value:
        spatial.check_rank(self, x, 2)
        if not x.tape.training:
            return x
        lengths = x.shape[1:3]
        lowest, highest = zip(
            *((round(low * n), round(high * n)) for n, (low, high) in zip(lengths, self._ranges(), strict=True)),
            strict=True,
        )
        drawn = _drawn(x, [high - low + 1 for low, high in zip(lowest, highest, strict=True)])
        moves = (move + low for move, low in zip(drawn, lowest, strict=True))
        rows, columns = (self._places(x, n, move) for n, move in zip(lengths, moves, strict=True))
        return _taken(x, rows, columns, self.fill_value if self.fill_mode == "constant" else None)

    def _places(self, x: Value, length: int, moves: Any) -> Any:
        """For each row, the place that each place of an axis takes its number from."""
        xp = namespace(x.array)
        places = _all(x, length) - moves
        if self.fill_mode == "wrap":
            return places % length
        if self.fill_mode == "reflect":
            twice = places % (2 * length)
            return xp.minimum(twice, 2 * length - 1 - twice)
        return places if self.fill_mode == "constant" else xp.clip(places, 0, length - 1)

    def _ranges(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """(lowest, highest) share, down and right."""
        return _range("height_factor", self.height_factor), _range("width_factor", self.width_factor)


class RandomCrop(Layer):
    """While training, a part of each picture, at a place that it draws, all of them equally likely; else its middle.

    x: (n, h, w, c), y: (n, height, width, c). Keras shrinks a larger picture first outside of training. Raises
    UsageError for sizes that are no whole numbers, ShapeError for an x of other axes, or smaller than the part.

    >>> import numpy as np, pellucid as pl
    >>> x = np.arange(16, dtype="float32").reshape(1, 4, 4, 1)
    >>> pl.Sequential([pl.RandomCrop(2, 2)]).predict(x)[0, :, :, 0].tolist()  # outside of training: the middle
    [[5.0, 6.0], [9.0, 10.0]]

    Source: Krizhevsky, Sutskever and Hinton (2012), doi:10.1145/3065386, section 4.1.
    """

    height: int
    width: int

    def __post_init__(self) -> None:
        for name in ("height", "width"):
            whole(name, getattr(self, name), of=self)

    def __call__(self, x: Value) -> Value:
        spatial.check_rank(self, x, 2)
        spare = [n - part for n, part in zip(x.shape[1:3], (self.height, self.width), strict=True)]
        if min(spare) < 0:
            raise ShapeError(
                f"{spatial.called(self, x)}: a part of {self.height}×{self.width} does not fit into x of "
                f"{x.shape[1]}×{x.shape[2]}, shape {x.shape}: take a smaller one"
            )
        if not x.tape.training:
            return ops.crop(x, cropping=tuple((n // 2, n - n // 2) for n in spare))
        down, right = _drawn(x, [n + 1 for n in spare])
        return _taken(x, _all(x, self.height) + down, _all(x, self.width) + right)


def _taken(x: Value, rows: Any, columns: Any, fill: float | None = None) -> Value:
    """y[i, r, c] = x[i, rows[i, r], columns[i, c]]; `fill`, if it is a number, where a place is outside of x."""
    xp = namespace(x.array)
    n, height, width, channels = x.shape
    first = xp.reshape(xp.arange(n, dtype=xp.int32), (-1, 1, 1)) * (height * width)
    down, across = rows[:, :, None], columns[:, None, :]
    places = first + down * width + across
    lines = ops.reshape(x, shape=(n * height * width, channels))
    if fill is not None:
        outside = (down < 0) | (down >= height) | (across < 0) | (across >= width)
        places = xp.where(outside, n * height * width, places)
        lines = ops.concatenate(lines, xp.full((1, channels), fill, dtype=x.dtype), axis=0)
    return ops.take_rows(lines, places)


def _all(x: Value, length: int) -> Any:
    """The places of an axis, for each row alike: (1, length)."""
    xp = namespace(x.array)
    return xp.arange(length, dtype=xp.int32)[None]


def _drawn(x: Value, counts: Sequence[int]) -> tuple[Any, Any]:
    """For each row a number from 0 to count - 1 for height and width: each (n, 1)."""
    tape, xp = x.tape, namespace(x.array)
    drawn = random.whole_numbers(xp, tape.seed, tape.step, stream(x), (x.shape[0], 2), counts)
    return drawn[:, :1], drawn[:, 1:]


def _range(name: str, factor: Any) -> tuple[float, float]:
    """(lowest, highest) share of an axis; UsageError where it is none."""
    both: Any = (-factor, factor) if _is_real(factor) else factor
    if not isinstance(both, list | tuple) or len(both) != 2 or not all(_is_real(v) and -1 <= v <= 1 for v in both):
        raise UsageError(
            f"RandomTranslation({name}={factor!r}): it is a share from 0 to 1, or (lowest, highest) from -1 to 1"
        )
    low, high = both
    if low > high:
        raise UsageError(f"RandomTranslation({name}={factor!r}): it is (lowest, highest), the lowest first")
    return low, high


def _is_real(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
