"""Attention: each step of a sequence looks at the others and takes what fits. x: (n, t, features)."""

from __future__ import annotations

import math
from typing import Any

from pellucid.autodiff import Value, namespace, ops
from pellucid.errors import ShapeError, UsageError
from pellucid.nn.activations import Activation
from pellucid.nn.activations import check as check_activation
from pellucid.nn.dense import Dense
from pellucid.nn.initializers import Initializer
from pellucid.nn.layer import Layer
from pellucid.nn.noise import Dropout
from pellucid.nn.normalization import LayerNormalization

FAR = -1e9
"""What stands in the place of the score of a step that may not be looked at: its softmax is 0."""


class MultiHeadAttention(Layer):
    """Each head compares queries with keys and takes the values whose keys fit.

    q, k, v = query @ W_q + b_q, …, cut into heads;  a = softmax(q · k / √key_dim);  y = (a @ v) @ W_o + b_o.

    query: (n, t, d); value, key: (n, s, d'), key is value if not given. y: (n, t, d), or output_shape in place of d.
    Weights: query, key and value kernels (d, heads, dim) with biases (heads, dim), attention_output kernel
    (heads, value_dim, d). use_causal_mask: step t looks at steps up to t only. attention_mask: (n, t, s) or (t, s) of 1
    (may be looked at) and 0. Steps that a mask passes over are not looked at. dropout drops attention while training.

    Raises UsageError for sizes below 1, ShapeError for inputs that are no sequences.

    >>> import numpy as np, pellucid as pl
    >>> model = pl.Sequential([pl.TransformerEncoder(intermediate_dim=8, num_heads=2)])
    >>> model.predict(np.zeros((3, 5, 4), dtype="float32")).shape
    (3, 5, 4)

    Source: Vaswani et al. (2017), arXiv:1706.03762.
    """

    num_heads: int
    key_dim: int
    value_dim: int | None = None
    dropout: float = 0.0
    use_bias: bool = True
    output_shape: int | None = None
    kernel_initializer: str | Initializer = "glorot_uniform"
    bias_initializer: str | Initializer = "zeros"

    def __post_init__(self) -> None:
        for name in ("num_heads", "key_dim", "value_dim", "output_shape"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise UsageError(f"MultiHeadAttention({name}={value!r}): it is a whole number, 1 or more")
        self.drop = Dropout(self.dropout)

    def __call__(
        self,
        query: Value,
        value: Value | None = None,
        key: Value | None = None,
        attention_mask: Any = None,
        use_causal_mask: bool = False,
    ) -> Value:
        value = query if value is None else value
        key = value if key is None else key
        for name, x in (("query", query), ("value", value), ("key", key)):
            if x.ndim != 3:
                raise ShapeError(
                    f"MultiHeadAttention takes sequences, (rows, steps, features), but {name} has shape {x.shape}"
                )
        width = self.value_dim or self.key_dim
        q = self._heads("query", query, self.key_dim) / math.sqrt(self.key_dim)
        k = self._heads("key", key, self.key_dim)
        v = self._heads("value", value, width)
        scores = q @ ops.swap_last(k)  # (n, heads, t, s)
        for allowed in self._allowed(query, value, attention_mask, use_causal_mask):
            scores = ops.where(allowed, scores, FAR)
        taken = self.drop(ops.softmax(scores)) @ v
        joined = ops.reshape(ops.transpose(taken, axes=(0, 2, 1, 3)), shape=(*query.shape[:2], self.num_heads * width))
        out = self.output_shape or query.shape[-1]
        kernel = self.weight(query, "attention_output/kernel", (self.num_heads, width, out), self.kernel_initializer)
        y = joined @ ops.reshape(kernel, shape=(self.num_heads * width, out))
        if self.use_bias:
            y = y + self.weight(query, "attention_output/bias", (out,), self.bias_initializer)
        return y

    def _heads(self, name: str, x: Value, width: int) -> Value:
        """x through a kernel of its own, cut into heads: (n, heads, t, width)."""
        features, all_ = x.shape[-1], self.num_heads * width
        kernel = self.weight(x, f"{name}/kernel", (features, self.num_heads, width), self.kernel_initializer)
        y = x @ ops.reshape(kernel, shape=(features, all_))
        if self.use_bias:
            bias = self.weight(x, f"{name}/bias", (self.num_heads, width), self.bias_initializer)
            y = y + ops.reshape(bias, shape=(all_,))
        cut = ops.reshape(y, shape=(x.shape[0], x.shape[1], self.num_heads, width))
        return ops.transpose(cut, axes=(0, 2, 1, 3))

    def _allowed(self, query: Value, value: Value, given: Any, causal: bool) -> list[Any]:
        """What may be looked at, each of a shape that fits (n, heads, t, s)."""
        xp, (t, s) = namespace(query.array), (query.shape[1], value.shape[1])
        found: list[Any] = []
        if causal:
            found.append(xp.arange(t)[:, None] + (s - t) >= xp.arange(s)[None, :])
        if given is not None:
            shape = (*given.shape[:-2], 1, t, s) if len(given.shape) > 2 else (t, s)
            found.append(ops.reshape(given, shape=shape))
        if (mask := value.tape.masks.get(value.row.index)) is not None:
            found.append(ops.reshape(mask, shape=(mask.shape[0], 1, 1, s)))
        return found


class SinusoidalEncoding(Layer):
    """Adds to each step where it stands: sin and cos of its number at wavelengths from 2π to 2π·10000.

    x: (n, t, d): feature 2i gets sin(t / 10000^(2i/d)), feature 2i + 1 the cos. Nothing is learned.

    Source: Vaswani et al. (2017), arXiv:1706.03762, section 3.5.
    """

    max_wavelength: float = 10_000.0

    def __call__(self, x: Value) -> Value:
        xp, (steps, width) = namespace(x.array), x.shape[-2:]
        feature = xp.arange(width)
        rate = self.max_wavelength ** (-(feature // 2 * 2) / width)
        angle = xp.arange(steps)[:, None] * rate[None, :]
        return x + xp.astype(xp.where(feature % 2 == 0, xp.sin(angle), xp.cos(angle)), x.dtype)


class PositionEmbedding(Layer):
    """Adds to each step a vector that is learned for its place. x: (n, t, d) with t up to sequence_length.

    position_embeddings: (sequence_length, d). Raises ShapeError for a longer sequence.
    """

    sequence_length: int
    initializer: str | Initializer = "glorot_uniform"

    def __call__(self, x: Value) -> Value:
        steps, width = x.shape[-2:]
        if steps > self.sequence_length:
            raise ShapeError(
                f"PositionEmbedding(sequence_length={self.sequence_length}): x has {steps} steps; make it longer"
            )
        table = self.weight(x, "position_embeddings", (self.sequence_length, width), self.initializer)
        return x + ops.columns(table, start=0, stop=steps, axis=0)


class TransformerEncoder(Layer):
    """A Transformer block: each step looks at the others, then goes through two dense layers, each with a way around.

    x: (n, t, d), d a multiple of num_heads; y the same. normalize_first: LayerNormalization before each part (which
    trains deep stacks without a warm-up), not after. use_causal_mask: steps look back only, as in a generator.

    Source: Vaswani et al. (2017), arXiv:1706.03762; Xiong et al. (2020), arXiv:2002.04745.
    """

    intermediate_dim: int
    num_heads: int
    dropout: float = 0.0
    activation: Activation = "relu"
    layer_norm_epsilon: float = 1e-5
    normalize_first: bool = False
    use_causal_mask: bool = False

    def __post_init__(self) -> None:
        check_activation(self.activation)
        self.attention: MultiHeadAttention | None = None
        self.attention_norm = LayerNormalization(epsilon=self.layer_norm_epsilon)
        self.inner = Dense(self.intermediate_dim, self.activation)
        self.outer: Dense | None = None
        self.feedforward_norm = LayerNormalization(epsilon=self.layer_norm_epsilon)
        self.drop = Dropout(self.dropout)

    def __call__(self, x: Value) -> Value:
        width = _divided(self, x, self.num_heads)
        if self.attention is None or self.outer is None:  # their sizes are x's
            self.attention = MultiHeadAttention(self.num_heads, width, dropout=self.dropout)
            self.outer = Dense(x.shape[-1])
        attention, outer = self.attention, self.outer
        x = _around(self, x, self.attention_norm, lambda h: attention(h, use_causal_mask=self.use_causal_mask))
        return _around(self, x, self.feedforward_norm, lambda h: outer(self.inner(h)))


class TransformerDecoder(Layer):
    """A Transformer block that writes: it looks back at what is written, then at what was read, then goes through two
    dense layers, each with a way around.

    __call__(x, read): x: (n, t, d), looked at causally; read: (n, s, d'), what an encoder gave; without it a block that
    only looks back. Arguments as TransformerEncoder.

    Source: Vaswani et al. (2017), arXiv:1706.03762.
    """

    intermediate_dim: int
    num_heads: int
    dropout: float = 0.0
    activation: Activation = "relu"
    layer_norm_epsilon: float = 1e-5
    normalize_first: bool = False

    def __post_init__(self) -> None:
        check_activation(self.activation)
        self.back: MultiHeadAttention | None = None
        self.across: MultiHeadAttention | None = None
        self.back_norm = LayerNormalization(epsilon=self.layer_norm_epsilon)
        self.across_norm = LayerNormalization(epsilon=self.layer_norm_epsilon)
        self.inner = Dense(self.intermediate_dim, self.activation)
        self.outer: Dense | None = None
        self.feedforward_norm = LayerNormalization(epsilon=self.layer_norm_epsilon)
        self.drop = Dropout(self.dropout)

    def __call__(self, x: Value, read: Value | None = None) -> Value:
        width = _divided(self, x, self.num_heads)
        if self.back is None or self.outer is None:
            self.back = MultiHeadAttention(self.num_heads, width, dropout=self.dropout)
            self.outer = Dense(x.shape[-1])
        if read is not None and self.across is None:
            self.across = MultiHeadAttention(self.num_heads, width, dropout=self.dropout)
        back, across, outer = self.back, self.across, self.outer
        x = _around(self, x, self.back_norm, lambda h: back(h, use_causal_mask=True))
        if read is not None and across is not None:
            x = _around(self, x, self.across_norm, lambda h: across(h, read))
        return _around(self, x, self.feedforward_norm, lambda h: outer(self.inner(h)))


def _divided(layer: Any, x: Value, heads: int) -> int:
    """How many features a head has."""
    if x.ndim != 3 or x.shape[-1] % heads:
        raise ShapeError(
            f"{type(layer).__name__}(num_heads={heads}) takes sequences (rows, steps, features) whose features are a "
            f"multiple of the heads, but x has shape {x.shape}"
        )
    return x.shape[-1] // heads


def _around(layer: Any, x: Value, norm: LayerNormalization, part: Any) -> Value:
    """x plus what a part of the block makes of it, normalized before or after."""
    mask = x.tape.masks.get(x.row.index)

    def masked(value: Value) -> Value:
        if mask is not None:
            value.tape.masks[value.row.index] = mask
        return value

    if layer.normalize_first:
        return masked(x + layer.drop(part(masked(norm(x)))))
    return masked(norm(masked(x + layer.drop(part(x)))))
