"""Layers that put the numbers of a row into another shape, and change none of them."""

from __future__ import annotations

import math

from pellucid.arguments import whole
from pellucid.autodiff import Value, ops
from pellucid.errors import ShapeError, UsageError
from pellucid.nn.layer import Layer


class Reshape(Layer):
    """The same numbers of each row, in the same order, in another shape: (n, …) becomes (n, *target_shape).

    target_shape: one of its lengths may be -1, for what is left. Raises UsageError for a shape that is none,
    ShapeError where the numbers of a row do not fill it.

    >>> import numpy as np, pellucid as pl
    >>> pl.Sequential([pl.Reshape((2, -1))]).predict(np.ones((5, 6), dtype="float32")).shape
    (5, 2, 3)
    """

    target_shape: tuple[int, ...] | list[int]

    def __post_init__(self) -> None:
        shape = self.target_shape = tuple(self.target_shape)
        if any(k < -1 or k == 0 for k in shape) or shape.count(-1) > 1:
            raise UsageError(f"Reshape(target_shape={shape}): it is a tuple of lengths, 1 or more, and at most one -1")

    def __call__(self, x: Value) -> Value:
        size, wanted = math.prod(x.shape[1:]), math.prod(k for k in self.target_shape if k > 0)
        if size % wanted or (-1 not in self.target_shape and size != wanted):
            raise ShapeError(
                f"Reshape(target_shape={self.target_shape}): a row of x, shape {x.shape[1:]}, has {size} numbers, "
                "which do not fill it"
            )
        shape = tuple(size // wanted if k == -1 else k for k in self.target_shape)
        return ops.reshape(x, shape=(x.shape[0], *shape))


class Permute(Layer):
    """The axes of each row in another order, counted from 1: Permute((2, 1)) makes (n, a, b) into (n, b, a).

    Raises UsageError for dims that are not 1 … k in some order, ShapeError for an x of another number of axes.

    >>> import numpy as np, pellucid as pl
    >>> pl.Sequential([pl.Permute((3, 1, 2))]).predict(np.ones((1, 2, 3, 4), dtype="float32")).shape
    (1, 4, 2, 3)
    """

    dims: tuple[int, ...] | list[int]

    def __post_init__(self) -> None:
        self.dims = tuple(self.dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise UsageError(
                f"Permute(dims={self.dims!r}): expected 1 to {len(self.dims)} in some order; axis 0 is the rows"
            )

    def __call__(self, x: Value) -> Value:
        if x.ndim != len(self.dims) + 1:
            raise ShapeError(f"Permute(dims={self.dims}): x has shape {x.shape}; expected {len(self.dims) + 1} axes")
        return ops.transpose(x, axes=(0, *self.dims))


class RepeatVector(Layer):
    """Each row n times, one below the other: (rows, features) becomes (rows, n, features).

    Raises UsageError for an n below 1, ShapeError for an x of other axes.

    >>> import numpy as np, pellucid as pl
    >>> pl.Sequential([pl.RepeatVector(2)]).predict(np.array([[1, 2]], dtype="float32")).tolist()
    [[[1.0, 2.0], [1.0, 2.0]]]
    """

    n: int

    def __post_init__(self) -> None:
        whole("n", self.n, of=self)

    def __call__(self, x: Value) -> Value:
        if x.ndim != 2:
            raise ShapeError(f"RepeatVector takes x of shape (rows, features), but x has shape {x.shape}")
        rows, features = x.shape
        return ops.broadcast_to(ops.reshape(x, shape=(rows, 1, features)), shape=(rows, self.n, features))
