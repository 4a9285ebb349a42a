"""Cross-entropy from logits, fused: exact where a probability would round to 0 or 1.

The gradient is the textbook's `probability - target`, with nothing to divide by.
"""

from __future__ import annotations

from typing import Any

from pellucid.autodiff.op import op
from pellucid.autodiff.ops.activations import log_softmax, sigmoid, softmax
from pellucid.autodiff.ops.arithmetic import multiply
from pellucid.autodiff.ops.movement import place, reshape
from pellucid.autodiff.ops.reductions import sum
from pellucid.autodiff.tape import Array


@op(formula="log(1 + exp(x)) - target * x", probabilities=sigmoid)
def sigmoid_crossentropy(xp: Any, x: Array, target: Array) -> Array:
    """-target·log(p) - (1-target)·log(1-p) for p = sigmoid(x)."""
    return xp.maximum(x, 0) - x * target + xp.log1p(xp.exp(-xp.abs(x)))


@sigmoid_crossentropy.backward
def _(dy: Any, y: Any, x: Any, target: Any):
    return dy * (sigmoid(x) - target), -dy * x


@op(
    "... c, ... c -> ...",
    formula="sum(target * (log(sum(exp(x))) - x))",
    probabilities=softmax,
    onnx="SoftmaxCrossEntropyLoss",
)
def softmax_crossentropy(xp: Any, x: Array, target: Array) -> Array:
    """-Σ target·log(softmax(x)) over the last axis."""
    shifted = x - xp.max(x, axis=-1, keepdims=True)
    log_p = shifted - xp.log(xp.sum(xp.exp(shifted), axis=-1, keepdims=True))
    return -xp.sum(target * log_p, axis=-1)


@softmax_crossentropy.backward
def _(dy: Any, y: Any, x: Any, target: Any):
    each = reshape(dy, shape=(*dy.shape, 1))
    total = sum(multiply(target, 1.0), axis=-1, keepdims=True)
    return each * (softmax(x) * total - target), -each * log_softmax(x)


@op("... c, ... -> ...", formula="log(sum(exp(x))) - x[target]", probabilities=softmax, onnx="SoftmaxCrossEntropyLoss")
def sparse_softmax_crossentropy(xp: Any, x: Array, target: Array) -> Array:
    """-log(softmax(x)) at the place of the target's class."""
    shifted = x - xp.max(x, axis=-1, keepdims=True)
    chosen = xp.take_along_axis(shifted, xp.expand_dims(target, axis=-1), axis=-1)
    return xp.log(xp.sum(xp.exp(shifted), axis=-1)) - xp.squeeze(chosen, axis=-1)


@sparse_softmax_crossentropy.backward
def _(dy: Any, y: Any, x: Any, target: Any):
    each = reshape(dy, shape=(*dy.shape, 1))
    return each * softmax(x) - place(dy, target, count=x.shape[-1]), None
