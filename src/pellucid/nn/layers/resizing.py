"""Layers that make images and sequences larger or smaller without weights. Channels last; names as in Keras 3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy

from pellucid.autodiff import Value, ops
from pellucid.errors import ShapeError, UsageError
from pellucid.nn.layer import Layer
from pellucid.nn.layers import spatial
from pellucid.nn.layers.spatial import Size

Edge = int | Sequence[int] | Sequence[Sequence[int]]
"""One number for all edges, one for each axis, or a pair (before, after) for each axis."""


class UpSampling2D(Layer):
    """Each number becomes a block of size[0] × size[1] numbers.

    x: (n, height, width, c)  y: (n, height · size[0], width · size[1], c). interpolation: "nearest" repeats the number:
    y[r, c] = x[r // size, c // size]; "bilinear" takes what lies on straight lines between the centres of the four
    nearest blocks, in both axes, and at the edges the edge's own number.

    Raises UsageError for settings out of range, ShapeError for an x of other axes.

    >>> import numpy as np, pellucid as pl
    >>> x = np.array([[[[0.0], [4.0]]]], dtype="float32")
    >>> pl.Sequential([pl.UpSampling2D((1, 2))]).predict(x).ravel().tolist()
    [0.0, 0.0, 4.0, 4.0]
    >>> pl.Sequential([pl.UpSampling2D((1, 2), interpolation="bilinear")]).predict(x).ravel().tolist()
    [0.0, 1.0, 3.0, 4.0]
    """

    size: Size = 2
    interpolation: str = "nearest"

    def __post_init__(self) -> None:
        spatial.each(self, "size", self.size, 2)
        if self.interpolation not in ("nearest", "bilinear"):
            raise UsageError(
                f"UpSampling2D(interpolation={self.interpolation!r}): it is 'nearest' or 'bilinear'; others are "
                "not known here"
            )

    def __call__(self, x: Value) -> Value:
        spatial.check_rank(self, x, 2)
        n, height, width, channels = x.shape
        rows, columns = spatial.each(self, "size", self.size, 2)
        if self.interpolation == "nearest":
            apart = ops.reshape(x, shape=(n, height, 1, width, 1, channels))
            whole = ops.broadcast_to(apart, shape=(n, height, rows, width, columns, channels))
            return ops.reshape(whole, shape=(n, height * rows, width * columns, channels))
        lines = ops.reshape(x, shape=(n, height, width * channels))
        lines = between(height, rows).astype(str(x.dtype)) @ lines
        points = ops.reshape(lines, shape=(n * height * rows, width, channels))
        points = between(width, columns).astype(str(x.dtype)) @ points
        return ops.reshape(points, shape=(n, height * rows, width * columns, channels))


def between(length: int, times: int) -> numpy.ndarray[Any, Any]:
    """The matrix (length · times, length) that takes numbers on straight lines between those of an axis.

    >>> between(2, 2).tolist()
    [[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]]
    """
    places = numpy.clip((numpy.arange(length * times) + 0.5) / times - 0.5, 0, length - 1)
    return numpy.maximum(0.0, 1 - numpy.abs(places[:, None] - numpy.arange(length)))


class ZeroPadding(Layer):
    """What ZeroPadding1D and ZeroPadding2D have in common."""

    padding: Edge = 1
    rank: ClassVar[int] = 0

    def __post_init__(self) -> None:
        spatial.edges_of(self, "padding", self.padding, self.rank)

    def __call__(self, x: Value) -> Value:
        spatial.check_rank(self, x, self.rank)
        return ops.pad(x, padding=spatial.edges_of(self, "padding", self.padding, self.rank))


class ZeroPadding1D(ZeroPadding):
    """Zeros before and after the steps: (n, steps, c) becomes (n, before + steps + after, c).

    padding: one number for both, or (before, after). Raises UsageError for another, ShapeError for an x of other axes.

    >>> import numpy as np, pellucid as pl
    >>> pl.Sequential([pl.ZeroPadding1D((1, 2))]).predict(np.ones((1, 2, 1), dtype="float32")).ravel().tolist()
    [0.0, 1.0, 1.0, 0.0, 0.0]
    """

    rank: ClassVar[int] = 1


class ZeroPadding2D(ZeroPadding):
    """Zeros around height and width: (n, height, width, c) becomes (n, top + height + bottom, left + width + right, c).

    padding: one number for all edges, (rows, columns), or ((top, bottom), (left, right)). Raises UsageError for
    another, ShapeError for an x of other axes.

    >>> import numpy as np, pellucid as pl
    >>> pl.Sequential([pl.ZeroPadding2D(((0, 1), (1, 0)))]).predict(np.ones((1, 1, 2, 1), "float32"))[0, :, :, 0]
    array([[0., 1., 1.],
           [0., 0., 0.]], dtype=float32)
    """

    rank: ClassVar[int] = 2


class Cropping(Layer):
    """What Cropping1D and Cropping2D have in common."""

    cropping: Edge = 1
    rank: ClassVar[int] = 0

    def __post_init__(self) -> None:
        spatial.edges_of(self, "cropping", self.cropping, self.rank)

    def __call__(self, x: Value) -> Value:
        spatial.check_rank(self, x, self.rank)
        cropping = spatial.edges_of(self, "cropping", self.cropping, self.rank)
        if any(low + high >= n for n, (low, high) in zip(x.shape[1:-1], cropping, strict=True)):
            raise ShapeError(
                f"{spatial.called(self, x)}: cropping={self.cropping!r} leaves nothing of x, shape {x.shape}; crop less"
            )
        return ops.crop(x, cropping=cropping)


class Cropping1D(Cropping):
    """Leaves out the first and last steps: (n, steps, c) becomes (n, steps - before - after, c).

    cropping: one number for both, or (before, after). Raises UsageError for another, ShapeError for an x of other
    axes or one of which nothing would be left.

    >>> import numpy as np, pellucid as pl
    >>> x = np.arange(4, dtype="float32").reshape(1, 4, 1)
    >>> pl.Sequential([pl.Cropping1D((1, 0))]).predict(x).ravel().tolist()
    [1.0, 2.0, 3.0]
    """

    rank: ClassVar[int] = 1


class Cropping2D(Cropping):
    """Leaves out the edges of height and width: (n, height, width, c) to (n, height - top - bottom, …, c).

    cropping: one number for all edges, (rows, columns), or ((top, bottom), (left, right)); by default none. Raises
    UsageError for another, ShapeError for an x of other axes or one of which nothing would be left.

    >>> import numpy as np, pellucid as pl
    >>> x = np.arange(9, dtype="float32").reshape(1, 3, 3, 1)
    >>> pl.Sequential([pl.Cropping2D(1)]).predict(x).ravel().tolist()
    [4.0]
    """

    cropping: Edge = 0
    rank: ClassVar[int] = 2
