"""Layers on sequences: words as vectors, one layer on every step, both directions."""

from __future__ import annotations

import copy
from typing import Any, Literal, get_args

from pellucid.arguments import whole
from pellucid.autodiff import Value, ops
from pellucid.errors import ShapeError, UsageError
from pellucid.nn import weights
from pellucid.nn.layer import Layer, WeightStore
from pellucid.nn.weights import First, Limit, Price

Merge = Literal["concat", "sum", "mul", "ave"] | None


class Embedding(Layer):
    """Row `x` of a table that is learned, for each number x: (n, t) of numbers below input_dim to (n, t, output_dim).

    embeddings: (input_dim, output_dim). mask_zero: 0 stands for "no word": layers after it pass such steps over.
    embeddings_initializer, embeddings_regularizer, embeddings_constraint: how the table begins, what its size adds to
    the loss, what is made of it after each update. Raises UsageError for sizes below 1 or an unknown name.

    >>> import numpy as np, pellucid as pl
    >>> model = pl.Sequential([pl.Embedding(10, 4), pl.GRU(3)])
    >>> model.predict(np.array([[1, 2, 3], [4, 5, 0]])).shape
    (2, 3)

    Source: Bengio et al. (2003), jmlr.org/papers/v3/bengio03a.html.
    """

    input_dim: int
    output_dim: int
    embeddings_initializer: First = "random_uniform"
    mask_zero: bool = False
    embeddings_regularizer: Price = None
    embeddings_constraint: Limit = None

    def __post_init__(self) -> None:
        for name in ("input_dim", "output_dim"):
            whole(name, getattr(self, name), of=self)
        weights.check(self)

    def __call__(self, x: Value) -> Value:
        table = self.weight(x, "embeddings", (self.input_dim, self.output_dim))
        y = ops.take_rows(table, ops.as_index(x))
        if self.mask_zero:
            x.tape.masks[y.node.index] = ops.greater(ops.absolute(x), 0.0)
        return y


class Masking(Layer):
    """Marks the steps of x (n, t, features) whose features are all `mask_value`: layers after it pass them over."""

    mask_value: float = 0.0

    def __call__(self, x: Value) -> Value:
        away = ops.amax(ops.absolute(x - self.mask_value), axis=-1)
        kept = ops.greater(away, 0.0)
        y = x * ops.reshape(kept, shape=(*kept.shape, 1))
        x.tape.masks[y.node.index] = kept
        return y


class TimeDistributed(Layer):
    """One layer on every step of x: (n, t, …) to (n, t, …), the same weights for all steps."""

    layer: Layer

    def __call__(self, x: Value) -> Value:
        if x.ndim < 3:
            raise ShapeError(f"TimeDistributed takes sequences, (rows, steps, …), but x has shape {x.shape}")
        rows, steps = x.shape[:2]
        y = self.layer(ops.reshape(x, shape=(rows * steps, *x.shape[2:])))
        return ops.reshape(y, shape=(rows, steps, *y.shape[1:]))


class Bidirectional(Layer):
    """A recurrent layer twice, with weights of its own for each direction of time; their outputs merged.

    merge_mode: "concat" (next to each other), "sum", "mul", "ave", or None for both as a list.

    >>> import numpy as np, pellucid as pl
    >>> model = pl.Sequential([pl.Bidirectional(pl.LSTM(4, return_sequences=True))])
    >>> model.predict(np.zeros((3, 5, 6), dtype="float32")).shape
    (3, 5, 8)

    Source: Schuster and Paliwal (1997), doi:10.1109/78.650093.
    """

    layer: Layer
    merge_mode: Merge = "concat"

    def __post_init__(self) -> None:
        if self.merge_mode not in get_args(Merge.__args__[0]) and self.merge_mode is not None:  # pyright: ignore
            raise UsageError(f"Bidirectional(merge_mode={self.merge_mode!r}): it is concat, sum, mul, ave or None")
        if not hasattr(self.layer, "go_backwards"):
            raise UsageError(f"Bidirectional takes SimpleRNN, LSTM or GRU, not {type(self.layer).__name__}")
        kind = self.layer.name or type(self.layer).__name__.lower()
        self.forward, self.backward = copy.copy(self.layer), copy.copy(self.layer)
        self.forward.weight_store, self.backward.weight_store = WeightStore(), WeightStore()
        self.forward.name, self.backward.name = f"forward_{kind}", f"backward_{kind}"
        vars(self.backward)["go_backwards"] = not getattr(self.layer, "go_backwards")  # noqa: B009

    def __call__(self, x: Value) -> Any:
        one, other = self.forward(x), self.backward(x)
        if isinstance(one, tuple):
            raise UsageError("Bidirectional takes a layer without return_state; call two layers in a model of yours")
        if getattr(self.layer, "return_sequences"):  # noqa: B009
            mask = x.tape.masks.get(other.node.index)
            other = ops.reverse_time(other)
            if mask is not None:
                x.tape.masks[other.node.index] = ops.reverse_time(mask)
        match self.merge_mode:
            case "concat":
                return ops.concatenate(one, other)
            case "sum":
                return one + other
            case "mul":
                return one * other
            case "ave":
                return (one + other) * 0.5
            case _:
                return [one, other]
