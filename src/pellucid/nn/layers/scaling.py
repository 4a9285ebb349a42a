"""Inputs brought to a size that a network learns well from; nothing of it is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid.autodiff import Value, namespace
from pellucid.errors import ShapeError, UsageError
from pellucid.nn.layer import Layer
from pellucid.nn.layers.normalization import feature_axes

Numbers = float | Sequence[float] | None
SMALLEST_DEVIATION = 1e-7
"""Keras' floor: a feature that is always the same stays finite."""


class Rescaling(Layer):
    """y = scale · x + offset, in training and outside; any shape.

    Bytes come to -1 … 1 by Rescaling(1 / 127.5, -1). Raises UsageError for what is no finite number.

    >>> import numpy as np, pellucid as pl
    >>> pl.Sequential([pl.Rescaling(1 / 128, -1)]).predict(np.array([[0, 192]], "uint8")).tolist()
    [[-1.0, 0.5]]
    """

    scale: float
    offset: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("scale", self.scale), ("offset", self.offset)):
            if np.ndim(value) or not _finite(value):
                raise UsageError(f"Rescaling({name}={value!r}): it is a number")

    def __call__(self, x: Value) -> Value:
        y = x * float(self.scale)
        return y + float(self.offset) if self.offset else y


class Normalization(Layer):
    """y = (x - mean) / max(√variance, 1e-7) for each feature along `axis`: x with mean 0 and variance 1.

    mean, variance: a number, or one for each feature; both, or none before `adapt` takes them from data. They belong
    to the layer. axis: None for one mean and one variance of all numbers. With invert it goes back:
    y = mean + max(√variance, 1e-7) · x. x, y: (n, …, features). Defaults are Keras 3's.

    Raises UsageError for a mean without a variance, numbers that are not finite, a variance below 0, or a pass before
    there are any; ShapeError for an axis that x lacks or another number of features.

    >>> import numpy as np, pellucid as pl
    >>> layer = pl.Normalization().adapt(np.array([[0.0, 10.0], [2.0, 30.0]]))
    >>> layer.mean, layer.variance
    ([1.0, 20.0], [1.0, 100.0])
    >>> pl.Sequential([layer]).predict(np.array([[2.0, 20.0]], dtype="float32")).tolist()
    [[1.0, 0.0]]
    """

    axis: int | None = -1
    mean: Numbers = None
    variance: Numbers = None
    invert: bool = False

    def __post_init__(self) -> None:
        if (self.mean is None) != (self.variance is None):
            raise UsageError("Normalization: mean and variance are given both, or none of them")
        for name, least in (("mean", -np.inf), ("variance", 0)):
            given = getattr(self, name)
            if given is None:
                continue
            if not _finite(given, least):
                also = "" if name == "mean" else " and 0 or more"
                raise UsageError(
                    f"Normalization({name}={given!r}): it is a number or one for each feature, finite{also}"
                )
            setattr(self, name, np.asarray(given, np.float64).tolist())

    def adapt(self, x: Any) -> Normalization:
        """Takes mean and variance from the rows of x, (n, …, features), and returns the layer itself."""
        x = np.asarray(x, np.float64)
        kept = () if self.axis is None else feature_axes(self, x, self.axis)
        over = tuple(i for i in range(x.ndim) if i not in kept)
        self.mean, self.variance = x.mean(axis=over).tolist(), x.var(axis=over).tolist()
        self.__post_init__()
        return self

    def __call__(self, x: Value) -> Value:
        if self.mean is None or self.variance is None:
            raise UsageError("Normalization has no mean and variance: give both, or call layer.adapt(x) with your rows")
        mean = self._along(x, np.asarray(self.mean))
        deviation = self._along(x, np.maximum(np.sqrt(self.variance), SMALLEST_DEVIATION))
        return mean + x * deviation if self.invert else (x - mean) / deviation

    def _along(self, x: Value, numbers: Any) -> Any:
        """One number, or an array that goes with x along its axis."""
        if not numbers.ndim:
            return float(numbers)
        if self.axis is None:
            raise ShapeError(f"Normalization(axis=None) takes one mean and one variance, but has {len(numbers)}")
        (axis,) = feature_axes(self, x, self.axis)
        if x.shape[axis] != len(numbers):
            raise ShapeError(f"Normalization has numbers for {len(numbers)} features, but x has shape {x.shape}")
        shape = [len(numbers) if i == axis else 1 for i in range(x.ndim)]
        return namespace(x.array).asarray(numbers.reshape(shape).astype(x.dtype))


def _finite(given: Any, least: float = -np.inf) -> bool:
    """Whether it is a number, or a row of them, finite and not below the least."""
    try:
        numbers = np.asarray(given)
    except ValueError:  # rows of different lengths
        return False
    real = numbers.dtype.kind in "iuf" and numbers.ndim < 2
    return real and bool(np.isfinite(numbers).all() and (numbers >= least).all())
