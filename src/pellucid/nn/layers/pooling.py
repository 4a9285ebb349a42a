"""Pools: a window of each channel becomes one number. Channels last; names and defaults as in Keras 3."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy

from pellucid.autodiff import Value, ops
from pellucid.autodiff.windows import Sweep
from pellucid.nn.layer import Layer
from pellucid.nn.layers import spatial
from pellucid.nn.layers.spatial import Size


class Pooling(Layer):
    """What the pools with a window have in common; `rank` is how many spatial axes they have."""

    pool_size: Size = 2
    strides: Size | None = None
    padding: str = "valid"
    rank: ClassVar[int] = 0

    def __post_init__(self) -> None:
        spatial.each(self, "pool_size", self.pool_size, self.rank)
        spatial.check_padding(self, self.padding, ("valid", "same"))
        if self.strides is not None:
            spatial.each(self, "strides", self.strides, self.rank)

    def ways(self, x: Value) -> list[Sweep]:
        """How the windows move over x."""
        spatial.check_rank(self, x, self.rank)
        size = spatial.each(self, "pool_size", self.pool_size, self.rank)
        strides = size if self.strides is None else spatial.each(self, "strides", self.strides, self.rank)
        return spatial.ways_over(self, x, self.padding, size, strides)


class MaxPooling(Pooling):
    """What MaxPooling1D and MaxPooling2D have in common."""

    def __call__(self, x: Value) -> Value:
        return ops.max_pool(x, **_settings(self.ways(x)))


class MaxPooling1D(MaxPooling):
    """The largest number of each window: y[t] = max(x[t·strides], …, x[t·strides + pool_size - 1])

    x: (n, steps, c)  y: (n, steps', c). strides: how far the window moves, pool_size by default. padding: "valid"
    (windows inside x alone) or "same" (steps' = steps / strides, rounded up; what stands around x is never largest).
    Of equal largest numbers the first takes the gradient.

    Raises UsageError for settings out of range, ShapeError for an x of other axes or smaller than the window.

    >>> import numpy as np, pellucid as pl
    >>> model = pl.Sequential([pl.MaxPooling1D(2, padding="same")])
    >>> model.predict(np.array([[[1.0], [3.0], [-2.0]]], dtype="float32")).ravel().tolist()
    [3.0, -2.0]

    Source: Ranzato et al. (2007), doi:10.1109/CVPR.2007.383157.
    """

    rank: ClassVar[int] = 1


class MaxPooling2D(MaxPooling):
    """The largest number of each window: y[r, c] = max of x[r·strides + j, c·strides + k] over j, k below pool_size

    x: (n, height, width, c)  y: (n, height', width', c). pool_size, strides: a whole number or one for each axis; the
    rest, the tie rule and the errors as in MaxPooling1D.

    >>> import numpy as np, pellucid as pl
    >>> model = pl.Sequential([pl.MaxPooling2D()])
    >>> model.predict(np.arange(16, dtype="float32").reshape(1, 4, 4, 1))[0, :, :, 0]
    array([[ 5.,  7.],
           [13., 15.]], dtype=float32)

    Source: Ranzato et al. (2007), doi:10.1109/CVPR.2007.383157.
    """

    rank: ClassVar[int] = 2


class AveragePooling(Pooling):
    """What AveragePooling1D and AveragePooling2D have in common."""

    def __call__(self, x: Value) -> Value:
        ways = self.ways(x)
        total = ops.window_sum(x, **_settings(ways))
        if not any(way.low or way.high for way in ways):
            return total / float(math.prod(way.size for way in ways))
        return total / _counts(ways).astype(str(x.dtype))


class AveragePooling1D(AveragePooling):
    """The average of each window: y[t] = (x[t·strides] + … + x[t·strides + pool_size - 1]) / pool_size

    x: (n, steps, c)  y: (n, steps', c). strides: how far the window moves, pool_size by default. padding: "valid"
    (windows inside x alone) or "same" (steps' = steps / strides, rounded up; the sum is divided by how many numbers
    of x the window holds, not by pool_size).

    Raises UsageError for settings out of range, ShapeError for an x of other axes or smaller than the window.

    >>> import numpy as np, pellucid as pl
    >>> model = pl.Sequential([pl.AveragePooling1D(2, padding="same")])
    >>> model.predict(np.array([[[1.0], [3.0], [5.0]]], dtype="float32")).ravel().tolist()
    [2.0, 5.0]

    Source: LeCun et al. (1998), doi:10.1109/5.726791.
    """

    rank: ClassVar[int] = 1


class AveragePooling2D(AveragePooling):
    """The average of each window over height and width.

    x: (n, height, width, c)  y: (n, height', width', c). pool_size, strides: a whole number or one for each axis; the
    rest and the errors as in AveragePooling1D.

    >>> import numpy as np, pellucid as pl
    >>> model = pl.Sequential([pl.AveragePooling2D()])
    >>> model.predict(np.arange(16, dtype="float32").reshape(1, 4, 4, 1))[0, :, :, 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]], dtype=float32)

    Source: LeCun et al. (1998), doi:10.1109/5.726791.
    """

    rank: ClassVar[int] = 2


class GlobalPooling(Layer):
    """What the pools over all places have in common."""

    keepdims: bool = False
    rank: ClassVar[int] = 0

    def over(self, x: Value) -> dict[str, Any]:
        """The settings of a reduction over all spatial axes."""
        spatial.check_rank(self, x, self.rank)
        return {"axis": tuple(range(1, self.rank + 1)), "keepdims": self.keepdims}


class GlobalMaxPooling1D(GlobalPooling):
    """The largest number of each channel: (n, steps, c) becomes (n, c), or (n, 1, c) with keepdims.

    Equal largest numbers share the gradient evenly. Raises ShapeError for an x of other axes.

    >>> import numpy as np, pellucid as pl
    >>> pl.Sequential([pl.GlobalMaxPooling1D()]).predict(np.array([[[1.0, 5.0], [3.0, 2.0]]], dtype="float32"))
    array([[3., 5.]], dtype=float32)
    """

    rank: ClassVar[int] = 1

    def __call__(self, x: Value) -> Value:
        return ops.amax(x, **self.over(x))


class GlobalMaxPooling2D(GlobalPooling):
    """The largest number of each channel: (n, height, width, c) becomes (n, c), or (n, 1, 1, c) with keepdims.

    Equal largest numbers share the gradient evenly. Raises ShapeError for an x of other axes.

    >>> import numpy as np, pellucid as pl
    >>> pl.Sequential([pl.GlobalMaxPooling2D()]).predict(np.array([[[[1.0], [5.0]]]], dtype="float32"))
    array([[5.]], dtype=float32)
    """

    rank: ClassVar[int] = 2

    def __call__(self, x: Value) -> Value:
        return ops.amax(x, **self.over(x))


class GlobalAveragePooling1D(GlobalPooling):
    """The average of each channel: (n, steps, c) becomes (n, c), or (n, 1, c) with keepdims.

    Raises ShapeError for an x of other axes.

    >>> import numpy as np, pellucid as pl
    >>> pl.Sequential([pl.GlobalAveragePooling1D()]).predict(np.array([[[1.0, 5.0], [3.0, 2.0]]], dtype="float32"))
    array([[2. , 3.5]], dtype=float32)

    Source: Lin, Chen and Yan (2014), arXiv:1312.4400.
    """

    rank: ClassVar[int] = 1

    def __call__(self, x: Value) -> Value:
        return ops.mean(x, **self.over(x))


class GlobalAveragePooling2D(GlobalPooling):
    """The average of each channel: (n, height, width, c) becomes (n, c), or (n, 1, 1, c) with keepdims.

    Raises ShapeError for an x of other axes.

    >>> import numpy as np, pellucid as pl
    >>> pl.Sequential([pl.GlobalAveragePooling2D(keepdims=True)]).predict(np.ones((1, 4, 4, 3), "float32")).shape
    (1, 1, 1, 3)

    Source: Lin, Chen and Yan (2014), arXiv:1312.4400.
    """

    rank: ClassVar[int] = 2

    def __call__(self, x: Value) -> Value:
        return ops.mean(x, **self.over(x))


def _settings(ways: list[Sweep]) -> dict[str, Any]:
    return {
        "size": tuple(way.size for way in ways),
        "strides": tuple(way.stride for way in ways),
        "padding": tuple((way.low, way.high) for way in ways),
    }


def _counts(ways: list[Sweep]) -> numpy.ndarray[Any, Any]:
    """How many numbers of x each window holds: (*stops, 1)."""
    found = numpy.ones((1,) * (len(ways) + 1))
    for axis, way in enumerate(ways):
        held = [sum(way.seen(o, k) is not None for k in range(way.size)) for o in range(way.stops)]
        found = found * numpy.reshape(held, [-1 if i == axis else 1 for i in range(len(ways) + 1)])
    return found
