"""Layers that disturb what passes through them while the network trains, so that it leans on no single number.

What they draw is a function of (seed, step, path, place): a step opened again is disturbed in the same way.
"""

from __future__ import annotations

from pellucid.autodiff import Value, namespace, ops, random
from pellucid.errors import ShapeError, UsageError
from pellucid.nn.layer import Layer


class Dropout(Layer):
    """While training, each number is set to 0 with probability `rate`, the others divided by 1 - rate.

    Which ones is a function of (seed, step, path, place): a step opened again drops the same numbers.
    (Srivastava et al. 2014, Journal of Machine Learning Research 15.)
    """

    rate: float

    def __post_init__(self) -> None:
        _check_rate(self, self.rate)

    def __call__(self, x: Value) -> Value:
        return _dropped(x, self.rate, x.shape)


class SpatialDropout1D(Layer):
    """While training, whole features of a sequence are set to 0 with probability `rate`, others divided by 1 - rate.

    x, y: (n, t, c): feature k of a row is dropped at all its t steps, or at none. Raises UsageError for a rate
    outside 0 … 1 (1 excluded), ShapeError for an x of other axes.

    >>> import numpy as np, pellucid as pl
    >>> layer = pl.SpatialDropout1D(0.5)
    >>> pl.Sequential([layer]).predict(np.ones((1, 2, 3), dtype="float32")).tolist()  # only training drops
    [[[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]]

    Source: Tompson et al. (2015), arXiv:1411.4280.
    """

    rate: float

    def __post_init__(self) -> None:
        _check_rate(self, self.rate)

    def __call__(self, x: Value) -> Value:
        return _dropped(x, self.rate, _one_place(self, x, "rows, steps, features"))


class SpatialDropout2D(Layer):
    """While training, whole channels of a picture are set to 0 with probability `rate`, the others divided by 1 - rate.

    x, y: (n, h, w, c): channel k of a row is dropped at all places, or at none. Raises UsageError for a rate
    outside 0 … 1 (1 excluded), ShapeError for an x of other axes.

    >>> import numpy as np, pellucid as pl
    >>> layer = pl.SpatialDropout2D(0.5)
    >>> pl.Sequential([layer]).predict(np.ones((1, 1, 1, 2), dtype="float32")).tolist()  # only training drops
    [[[[1.0, 1.0]]]]

    Source: Tompson et al. (2015), arXiv:1411.4280.
    """

    rate: float

    def __post_init__(self) -> None:
        _check_rate(self, self.rate)

    def __call__(self, x: Value) -> Value:
        return _dropped(x, self.rate, _one_place(self, x, "rows, height, width, channels"))


class GaussianNoise(Layer):
    """While training, a normal random number of mean 0 and deviation `stddev` is added to each number; any shape.

    Raises UsageError for a stddev below 0.

    >>> import numpy as np, pellucid as pl
    >>> layer = pl.GaussianNoise(0.5)
    >>> pl.Sequential([layer]).predict(np.ones((1, 2), dtype="float32")).tolist()  # only training disturbs
    [[1.0, 1.0]]

    Source: Bishop (1995), doi:10.1162/neco.1995.7.1.108.
    """

    stddev: float

    def __post_init__(self) -> None:
        if isinstance(self.stddev, bool) or not 0 <= self.stddev < float("inf"):
            raise UsageError(f"GaussianNoise(stddev={self.stddev!r}): stddev is a number, 0 or more")

    def __call__(self, x: Value) -> Value:
        tape = x.tape
        if not tape.training or self.stddev == 0:
            return x
        drawn = random.noise(namespace(x.array), tape.seed, tape.step, stream(x), x.shape, x.dtype)
        return x + drawn * self.stddev


def _check_rate(layer: Layer, rate: float) -> None:
    if not 0 <= rate < 1:
        raise UsageError(f"{type(layer).__name__}(rate={rate!r}): rate is a probability from 0 to below 1")


def _one_place(layer: Layer, x: Value, axes: str) -> tuple[int, ...]:
    """x's shape with one place for all that are not rows or features."""
    if x.ndim != axes.count(",") + 1:
        raise ShapeError(f"{type(layer).__name__} takes x of shape ({axes}), but x has shape {x.shape}")
    return (x.shape[0], *(1,) * (x.ndim - 2), x.shape[-1])


def _dropped(x: Value, rate: float, shape: tuple[int, ...]) -> Value:
    """x with some numbers dropped, drawn in `shape` and repeated where that is 1."""
    tape = x.tape
    if not tape.training or rate == 0:
        return x
    keep = random.keep_mask(namespace(x.array), tape.seed, tape.step, stream(x), shape, rate)
    return ops.dropout(x, keep, rate=rate)


def stream(x: Value) -> str:
    """The name of what is drawn here: the layer's path, with a number from its second call in a pass on."""
    tape = x.tape
    draw = tape.draws[tape.path] = tape.draws.get(tape.path, -1) + 1
    return tape.path if draw == 0 else f"{tape.path}#{draw}"
