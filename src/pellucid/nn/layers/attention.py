"""Attention: each step of a sequence looks at the others and takes what fits. x: (n, t, features)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from pellucid.arguments import whole
from pellucid.autodiff import Value, namespace, ops
from pellucid.errors import ShapeError
from pellucid.nn import weights
from pellucid.nn.activations import Activation
from pellucid.nn.activations import check as check_activation
from pellucid.nn.layer import Layer
from pellucid.nn.layers.dense import Dense
from pellucid.nn.layers.noise import Dropout
from pellucid.nn.layers.normalization import LayerNormalization
from pellucid.nn.weights import Bias, First, Kernel, Limit, Price

FAR = -1e9
"""What stands in the place of the score of a step that may not be looked at: its softmax is 0."""


class MultiHeadAttention(Layer, Kernel, Bias):
    """Each head compares queries with keys and takes the values whose keys fit.

    q, k, v = query @ W_q + b_q, …, cut into heads;  a = softmax(q · k / √key_dim);  y = (a @ v) @ W_o + b_o.

    query: (n, t, d); value, key: (n, s, d'), key is value if not given. y: (n, t, d), or output_shape in place of d.
    Weights: query, key and value kernels (d, heads, dim) with biases (heads, dim), attention_output kernel
    (heads, value_dim, d). use_causal_mask: step t looks at steps up to t only. attention_mask: (n, t, s) or (t, s) of 1
    (may be looked at) and 0. Steps that a mask passes over are not looked at. dropout drops attention while training.
    kernel_initializer, kernel_regularizer, kernel_constraint, and the same of bias_: of all four, as for Dense.

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

    def __post_init__(self) -> None:
        for name in ("num_heads", "key_dim", "value_dim", "output_shape"):
            value = getattr(self, name)
            if value is not None:
                whole(name, value, of=self)
        weights.check(self)
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
        kernel = self.weight(query, "attention_output/kernel", (self.num_heads, width, out))
        y = joined @ ops.reshape(kernel, shape=(self.num_heads * width, out))
        if self.use_bias:
            y = y + self.weight(query, "attention_output/bias", (out,))
        return y

    def _heads(self, name: str, x: Value, width: int) -> Value:
        """x through a kernel of its own, cut into heads: (n, heads, t, width)."""
        features, all_ = x.shape[-1], self.num_heads * width
        kernel = self.weight(x, f"{name}/kernel", (features, self.num_heads, width))
        y = x @ ops.reshape(kernel, shape=(features, all_))
        if self.use_bias:
            bias = self.weight(x, f"{name}/bias", (self.num_heads, width))
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
        if (mask := value.tape.masks.get(value.node.index)) is not None:
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

    position_embeddings: (sequence_length, d); initializer, regularizer, constraint: how it begins, what its size adds
    to the loss, what is made of it after each update. Raises ShapeError for a longer sequence.
    """

    sequence_length: int
    initializer: First = "glorot_uniform"
    regularizer: Price = None
    constraint: Limit = None

    def __post_init__(self) -> None:
        weights.check(self)

    def __call__(self, x: Value) -> Value:
        steps, width = x.shape[-2:]
        if steps > self.sequence_length:
            raise ShapeError(
                f"PositionEmbedding(sequence_length={self.sequence_length}): x has {steps} steps; make it longer"
            )
        settings = (self.initializer, self.regularizer, self.constraint)
        table = self.weight(x, "position_embeddings", (self.sequence_length, width), *settings)
        return x + ops.columns(table, start=0, stop=steps, axis=0)


class TransformerBlock(Layer, Kernel, Bias):
    """What TransformerEncoder and TransformerDecoder have in common: two dense layers, and a way around each part."""

    intermediate_dim: int
    num_heads: int
    dropout: float = 0.0
    activation: Activation = "relu"
    layer_norm_epsilon: float = 1e-5
    normalize_first: bool = False

    def __post_init__(self) -> None:
        check_activation(self.activation)
        weights.check(self)
        self.inner = Dense(self.intermediate_dim, self.activation, **weights.kernel_and_bias(self))
        self.outer: Dense | None = None
        self.feedforward_norm = self._norm()
        self.drop = Dropout(self.dropout)

    def _norm(self) -> LayerNormalization:
        return LayerNormalization(epsilon=self.layer_norm_epsilon)

    def _attention(self, x: Value) -> MultiHeadAttention:
        """Heads that share x's features among them."""
        if x.ndim != 3 or x.shape[-1] % self.num_heads:
            raise ShapeError(
                f"{type(self).__name__}(num_heads={self.num_heads}) takes sequences (rows, steps, features) whose "
                f"features are a multiple of the heads, but x has shape {x.shape}"
            )
        width = x.shape[-1] // self.num_heads
        return MultiHeadAttention(self.num_heads, width, dropout=self.dropout, **weights.kernel_and_bias(self))

    def _feed_forward(self, x: Value) -> Value:
        outer = self.outer = self.outer or Dense(x.shape[-1], **weights.kernel_and_bias(self))
        return self._around(x, self.feedforward_norm, lambda h: outer(self.inner(h)))

    def _around(self, x: Value, norm: LayerNormalization, part: Callable[[Value], Value]) -> Value:
        """x plus what a part of the block makes of it, normalized before or after."""
        mask = x.tape.masks.get(x.node.index)

        def masked(value: Value) -> Value:
            if mask is not None:
                value.tape.masks[value.node.index] = mask
            return value

        if self.normalize_first:
            return masked(x + self.drop(part(masked(norm(x)))))
        return masked(norm(masked(x + self.drop(part(x)))))


class TransformerEncoder(TransformerBlock):
    """A Transformer block: each step looks at the others, then goes through two dense layers, each with a way around.

    x: (n, t, d), d a multiple of num_heads; y the same. normalize_first: LayerNormalization before each part (which
    trains deep stacks without a warm-up), not after. use_causal_mask: steps look back only, as in a generator. The
    settings of kernels and biases (kernel_regularizer, …) are those of the attention and both dense layers.

    Source: Vaswani et al. (2017), arXiv:1706.03762; Xiong et al. (2020), arXiv:2002.04745.
    """

    use_causal_mask: bool = False

    def __post_init__(self) -> None:
        self.attention: MultiHeadAttention | None = None
        self.attention_norm = self._norm()
        super().__post_init__()

    def __call__(self, x: Value) -> Value:
        attention = self.attention = self.attention or self._attention(x)  # its size is x's
        x = self._around(x, self.attention_norm, lambda h: attention(h, use_causal_mask=self.use_causal_mask))
        return self._feed_forward(x)


class TransformerDecoder(TransformerBlock):
    """A Transformer block that writes: it looks back at what is written, then at what was read, then goes through two
    dense layers, each with a way around.

    __call__(x, read): x: (n, t, d), looked at causally; read: (n, s, d'), what an encoder gave; without it a block that
    only looks back. Arguments as TransformerEncoder.

    Source: Vaswani et al. (2017), arXiv:1706.03762.
    """

    def __post_init__(self) -> None:
        self.back: MultiHeadAttention | None = None
        self.across: MultiHeadAttention | None = None
        self.back_norm, self.across_norm = self._norm(), self._norm()
        super().__post_init__()

    def __call__(self, x: Value, read: Value | None = None) -> Value:
        back = self.back = self.back or self._attention(x)
        x = self._around(x, self.back_norm, lambda h: back(h, use_causal_mask=True))
        if read is not None:
            across = self.across = self.across or self._attention(x)
            x = self._around(x, self.across_norm, lambda h: across(h, read))
        return self._feed_forward(x)
