"""The layers of a dense network."""

from __future__ import annotations

from pellucid.arguments import whole
from pellucid.autodiff import Value, ops
from pellucid.errors import ShapeError
from pellucid.nn import activations, weights
from pellucid.nn.activations import activate
from pellucid.nn.layer import Layer
from pellucid.nn.weights import Bias, First, Kernel, Limit, Price


class Dense(Layer, Kernel, Bias):
    """y = activation(x @ kernel + bias)        x: (..., i)  kernel: (i, units)  y: (..., units)

    units: how many numbers come out for each row.
    activation: a name ("relu"), an op (pellucid.relu), or None for y = x @ kernel + bias.
    kernel_initializer, bias_initializer: how the weights begin ("he_normal", pellucid.HeNormal()).
    kernel_regularizer, bias_regularizer: what the weights' size adds to the loss ("l2", pellucid.L2(0.001)).
    kernel_constraint, bias_constraint: what is made of the weights after each update ("max_norm").

    Raises UsageError for units below 1 or an unknown name, ShapeError for an input of another size.

    >>> import numpy as np, pellucid as pl
    >>> model = pl.Sequential([pl.Dense(2, kernel_initializer="ones")])
    >>> model.predict(np.array([[1.0, 2.0]], dtype="float32"))
    array([[3., 3.]], dtype=float32)
    """

    units: int
    activation: activations.Activation = None
    use_bias: bool = True

    def __post_init__(self) -> None:
        whole("units", self.units, of=self)
        activations.check(self.activation)
        weights.check(self)

    def __call__(self, x: Value) -> Value:
        if x.ndim < 2:
            raise ShapeError(f"Dense takes rows of numbers, (rows, features), but x has shape {x.shape}")
        y = x @ self.weight(x, "kernel", (x.shape[-1], self.units))
        if self.use_bias:
            y = y + self.weight(x, "bias", (self.units,))
        return activate(self.activation, y)


class Activation(Layer):
    """An activation as a layer of its own: y = activation(x), any shape."""

    activation: activations.Activation

    def __post_init__(self) -> None:
        activations.check(self.activation)

    def __call__(self, x: Value) -> Value:
        return activate(self.activation, x)


class Flatten(Layer):
    """All numbers of a row in one axis: (n, a, b, …) becomes (n, a·b·…)."""

    def __call__(self, x: Value) -> Value:
        return ops.reshape(x, shape=(x.shape[0], -1))


class CategoryEmbedding(Layer):
    """The last columns of x are category codes; each becomes a vector that is learned.

    x: (n, f + k) with k = len(sizes); sizes: (vocabulary, dimension) of each code column.
    y: (n, f + sum of dimensions): the first f columns as they are, then row `code` of each column's table.
    embeddings_initializer, embeddings_regularizer, embeddings_constraint: of every table.
    (Guo and Berkhahn 2016, arXiv:1604.06737.)
    """

    sizes: tuple[tuple[int, int], ...] | list[list[int]]
    embeddings_initializer: First = "random_uniform"
    embeddings_regularizer: Price = None
    embeddings_constraint: Limit = None

    def __post_init__(self) -> None:
        weights.check(self)

    def __call__(self, x: Value) -> Value:
        plain = x.shape[-1] - len(self.sizes)
        parts = [ops.columns(x, start=0, stop=plain)] if plain else []
        for i, (vocabulary, dimension) in enumerate(self.sizes):
            table = self.weight(x, f"table_{i}", (vocabulary, dimension), role="embeddings")
            code = ops.reshape(ops.columns(x, start=plain + i, stop=plain + i + 1), shape=(x.shape[0],))
            parts.append(ops.take_rows(table, ops.as_index(code)))
        return ops.concatenate(*parts)
