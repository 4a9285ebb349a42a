"""Layers that take a list of Values of the same rows and make one of them.

y = pl.Add()([x, self.block(x)])           in a model: self.add = pl.Add(), then self.add([x, self.block(x)])
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from pellucid.autodiff import Value, ops
from pellucid.errors import ShapeError, UsageError
from pellucid.nn.layer import Layer
from pellucid.nn.layers.normalization import unit_length

Values = Sequence[Value]


class Add(Layer):
    """y = x₀ + x₁ + … : the sum of two or more Values, number by number.

    Their shapes are equal, or 1 where another is longer. Raises UsageError for fewer than two Values, ShapeError
    for shapes that do not fit. The same holds for Subtract, Multiply, Average and Maximum.

    >>> import numpy as np
    >>> from pellucid.autodiff import Tape
    >>> tape = Tape({})
    >>> Add()([tape.given("a", np.array([[1.0, 2.0]])), tape.given("b", np.array([[0.5, 0.5]]))]).array
    array([[1.5, 2.5]])
    """

    def __call__(self, x: Values) -> Value:
        return reduce(ops.add, _checked(self, x))


class Subtract(Layer):
    """y = x₀ - x₁ of exactly two Values; shapes and errors as Add."""

    def __call__(self, x: Values) -> Value:
        first, second = _checked(self, x, exactly=2)
        return first - second


class Multiply(Layer):
    """y = x₀ · x₁ · … , number by number; shapes and errors as Add."""

    def __call__(self, x: Values) -> Value:
        return reduce(ops.multiply, _checked(self, x))


class Average(Layer):
    """y = (x₀ + x₁ + …) / k of k Values; shapes and errors as Add."""

    def __call__(self, x: Values) -> Value:
        return reduce(ops.add, _checked(self, x)) / float(len(x))


class Maximum(Layer):
    """y = max(x₀, x₁, …), number by number. Of equal ones the first takes the gradient. Shapes and errors as Add."""

    def __call__(self, x: Values) -> Value:
        return reduce(ops.maximum, _checked(self, x))


class Concatenate(Layer):
    """Values one after the other along `axis`: (n, a) and (n, b) become (n, a + b).

    Raises UsageError for fewer than two Values, ShapeError for an axis that they lack, for axis 0 (the rows), and for
    shapes that differ elsewhere.

    >>> import numpy as np
    >>> from pellucid.autodiff import Tape
    >>> tape = Tape({})
    >>> Concatenate()([tape.given("a", np.ones((2, 3))), tape.given("b", np.ones((2, 1)))]).shape
    (2, 4)
    """

    axis: int = -1

    def __call__(self, x: Values) -> Value:
        _enough(self, x)
        count = x[0].ndim
        if not -count < self.axis < count or self.axis == 0:
            raise ShapeError(f"Concatenate(axis={self.axis}): the inputs have shapes {_shapes(x)}; axis 0 is the rows")
        axis = self.axis % count
        others = {(*value.shape[:axis], *value.shape[axis + 1 :]) for value in x}
        if len(others) > 1 or any(value.ndim != count for value in x):
            raise ShapeError(
                f"Concatenate(axis={self.axis}): the inputs have shapes {_shapes(x)}; they may differ there alone"
            )
        return ops.concatenate(*x, axis=axis)


class Dot(Layer):
    """Products of two Values, row by row, added up along an axis of each: (n, a) and (n, a) become (n, 1).

    axes: the axis that is summed over, counted with the rows as 0; one number, or one for each Value. What is left of
    the first Value's axes comes before what is left of the second's. normalize: both are first scaled to length 1 along
    that axis, so that y is the cosine of the angle between them.

    Raises UsageError for other than two Values, ShapeError for axes that they lack, that are 0, or not equally long.

    >>> import numpy as np
    >>> from pellucid.autodiff import Tape
    >>> tape = Tape({})
    >>> a, b = tape.given("a", np.array([[1.0, 2.0]])), tape.given("b", np.array([[3.0, 4.0]]))
    >>> Dot(1)([a, b]).array, Dot(1, normalize=True)([a, b]).array.round(4)
    (array([[11.]]), array([[0.9839]]))
    """

    axes: int | tuple[int, int] | list[int]
    normalize: bool = False

    def __call__(self, x: Values) -> Value:
        _enough(self, x, exactly=2)
        both = (self.axes, self.axes) if isinstance(self.axes, int) else tuple(self.axes)
        if len(both) != 2 or any(not -v.ndim < a < v.ndim or a % v.ndim == 0 for v, a in zip(x, both, strict=True)):
            raise ShapeError(f"Dot(axes={self.axes}): the inputs have shapes {_shapes(x)}; axis 0 is the rows")
        (first, a), (second, b) = ((value, axis % value.ndim) for value, axis in zip(x, both, strict=True))
        if first.shape[0] != second.shape[0] or first.shape[a] != second.shape[b]:
            raise ShapeError(
                f"Dot(axes={self.axes}): the inputs have shapes {_shapes(x)}; rows and those axes have to be as long"
            )
        if self.normalize:
            first, second = unit_length(first, axis=a), unit_length(second, axis=b)
        rows, left, right = first.shape[0], _without(first.shape, a), _without(second.shape, b)
        last = (*(i for i in range(first.ndim) if i != a), a)
        front = (0, b, *(i for i in range(1, second.ndim) if i != b))
        product = ops.reshape(ops.transpose(first, axes=last), shape=(rows, -1, first.shape[a])) @ ops.reshape(
            ops.transpose(second, axes=front), shape=(rows, second.shape[b], -1)
        )
        return ops.reshape(product, shape=(rows, *((*left, *right) or (1,))))


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """The axes of a row but one."""
    return (*shape[1:axis], *shape[axis + 1 :])


def _shapes(x: Values) -> str:
    return ", ".join(str(value.shape) for value in x)


def _enough(layer: Layer, x: Values, exactly: int = 0) -> None:
    """Raise UsageError unless x is a list of two Values or more, or exactly so many."""
    if not isinstance(x, list | tuple) or len(x) < 2 or (exactly and len(x) != exactly):
        found = f"{len(x)} Values" if isinstance(x, list | tuple) else "no list"
        wanted = f"{exactly}" if exactly else "2 or more"
        raise UsageError(f"{type(layer).__name__} takes a list of {wanted} Values, and was given {found}")


def _checked(layer: Layer, x: Values, exactly: int = 0) -> Values:
    """The Values, whose shapes are equal or 1."""
    _enough(layer, x, exactly)
    if len({value.ndim for value in x}) > 1 or any(
        len({n for n in lengths if n != 1}) > 1 for lengths in zip(*(value.shape for value in x), strict=False)
    ):
        raise ShapeError(
            f"{type(layer).__name__}: the inputs have shapes {_shapes(x)}; expected equal ones, or 1 where another is "
            "longer"
        )
    return x
