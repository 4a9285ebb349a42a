"""Activations: what a unit does with its sum. Each is one op with its own rule.

A textbook formula stands beside code that computes it without overflow; a test holds the two to be equal.
"""

from __future__ import annotations

import math
from typing import Any

from pellucid.autodiff.backend import erf
from pellucid.autodiff.op import op
from pellucid.autodiff.ops.arithmetic import exp, greater, multiply, square, where
from pellucid.autodiff.ops.reductions import sum
from pellucid.autodiff.tape import Array

SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805
INVERSE_SQRT_2 = 0.7071067811865476
INVERSE_SQRT_2PI = 0.3989422804014327


@op(formula="max(x, 0)", range=(0.0, math.inf), source="Nair and Hinton 2010, ICML", onnx="Relu")
def relu(xp: Any, x: Array) -> Array:
    """x where it is positive, else 0. At 0 the gradient is 0."""
    return xp.maximum(x, 0)


@relu.corner
def _(xp: Any, x: Array):
    return xp.sign(x)


@relu.fix
def _(xp: Any, side: Array, x: Array):
    return xp.where(side > 0, x, 0.0)


@relu.backward
def _(dy: Any, y: Any, x: Any):
    return dy * greater(x, 0.0)


@op(formula="x if x > 0 else negative_slope * x", source="Maas, Hannun and Ng 2013, ICML", onnx="LeakyRelu")
def leaky_relu(xp: Any, x: Array, *, negative_slope: float = 0.2) -> Array:
    """x where it is positive, else a small slope times x. At 0 the gradient is the slope."""
    return xp.where(x > 0, x, negative_slope * x)


@leaky_relu.corner
def _(xp: Any, x: Array, *, negative_slope: float = 0.2):
    return xp.sign(x)


@leaky_relu.fix
def _(xp: Any, side: Array, x: Array, *, negative_slope: float = 0.2):
    return xp.where(side > 0, x, negative_slope * x)


@leaky_relu.backward
def _(dy: Any, y: Any, x: Any, *, negative_slope: float = 0.2):
    return where(greater(x, 0.0), dy, negative_slope * dy)


@op(formula="x if x > 0 else alpha * (exp(x) - 1)", source="Clevert, Unterthiner and Hochreiter 2016, ICLR", onnx="Elu")
def elu(xp: Any, x: Array, *, alpha: float = 1.0) -> Array:
    """x where it is positive, else alpha · (eˣ - 1). At 0 the gradient is alpha."""
    return xp.where(x > 0, x, alpha * xp.expm1(xp.minimum(x, 0)))


@elu.corner
def _(xp: Any, x: Array, *, alpha: float = 1.0):
    return xp.sign(x)


@elu.fix
def _(xp: Any, side: Array, x: Array, *, alpha: float = 1.0):
    return xp.where(side > 0, x, alpha * xp.expm1(xp.where(side > 0, 0.0, x)))


@elu.backward
def _(dy: Any, y: Any, x: Any, *, alpha: float = 1.0):
    return where(greater(x, 0.0), dy, dy * alpha * exp(where(greater(x, 0.0), 0.0, x)))


@op(
    formula="1.0507009873554805 * (x if x > 0 else 1.6732632423543772 * (exp(x) - 1))",
    source="Klambauer et al. 2017, NeurIPS",
    onnx="Selu",
)
def selu(xp: Any, x: Array) -> Array:
    """An elu scaled so that layers keep mean 0 and variance 1. At 0 the gradient is the left one."""
    return SELU_SCALE * xp.where(x > 0, x, SELU_ALPHA * xp.expm1(xp.minimum(x, 0)))


@selu.corner
def _(xp: Any, x: Array):
    return xp.sign(x)


@selu.fix
def _(xp: Any, side: Array, x: Array):
    return SELU_SCALE * xp.where(side > 0, x, SELU_ALPHA * xp.expm1(xp.where(side > 0, 0.0, x)))


@selu.backward
def _(dy: Any, y: Any, x: Any):
    inside = exp(where(greater(x, 0.0), 0.0, x))
    return where(greater(x, 0.0), SELU_SCALE * dy, SELU_SCALE * SELU_ALPHA * dy * inside)


@op(formula="x * (1 + erf(x / sqrt(2))) / 2", source="Hendrycks and Gimpel 2016, arXiv:1606.08415", onnx="Gelu")
def gelu(xp: Any, x: Array) -> Array:
    """x times the probability that a standard normal number is below x."""
    return x * 0.5 * (1 + erf(xp, x * INVERSE_SQRT_2))


@gelu.backward
def _(dy: Any, y: Any, x: Any):
    return dy * (normal_probability(x) + x * INVERSE_SQRT_2PI * exp(square(x) * -0.5))


@op(formula="(1 + erf(x / sqrt(2))) / 2")
def normal_probability(xp: Any, x: Array) -> Array:
    """The probability that a standard normal number is below x."""
    return 0.5 * (1 + erf(xp, x * INVERSE_SQRT_2))


@normal_probability.backward
def _(dy: Any, y: Any, x: Any):
    return dy * INVERSE_SQRT_2PI * exp(square(x) * -0.5)


@op(formula="1 / (1 + exp(-x))", range=(0.0, 1.0), onnx="Sigmoid")
def sigmoid(xp: Any, x: Array) -> Array:
    """Squeezes any number into 0 to 1."""
    z = xp.exp(-xp.abs(x))  # never overflows
    return xp.where(x >= 0, 1, z) / (1 + z)


@sigmoid.backward
def _(dy: Any, y: Any, x: Any):
    return dy * y * (1.0 - y)


@op(range=(-1.0, 1.0), onnx="Tanh")
def tanh(xp: Any, x: Array) -> Array:
    """The hyperbolic tangent: squeezes any number into -1 to 1."""
    return xp.tanh(x)


@tanh.backward
def _(dy: Any, y: Any, x: Any):
    return dy * (1.0 - y * y)


@op(formula="log(1 + exp(x))", range=(0.0, math.inf), source="Dugas et al. 2001, NeurIPS", onnx="Softplus")
def softplus(xp: Any, x: Array) -> Array:
    """A smooth relu."""
    return xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x)))


@softplus.backward
def _(dy: Any, y: Any, x: Any):
    return dy * sigmoid(x)


@op(formula="x / (1 + exp(-x))", source="Ramachandran, Zoph and Le 2017, arXiv:1710.05941")
def swish(xp: Any, x: Array) -> Array:
    """x times its own sigmoid (also called silu)."""
    z = xp.exp(-xp.abs(x))
    return x * (xp.where(x >= 0, 1, z) / (1 + z))


@swish.backward
def _(dy: Any, y: Any, x: Any):
    s = sigmoid(x)
    return dy * (s + y * (1.0 - s))


@op("... c -> ... c", formula="exp(x[c]) / sum(exp(x))", range=(0.0, 1.0), onnx="Softmax")
def softmax(xp: Any, x: Array) -> Array:
    """Turns the last axis into probabilities that add up to 1."""
    e = xp.exp(x - xp.max(x, axis=-1, keepdims=True))  # the largest exponent is 0: no overflow
    return e / xp.sum(e, axis=-1, keepdims=True)


@softmax.backward
def _(dy: Any, y: Any, x: Any):
    return y * (dy - sum(multiply(dy, y), axis=-1, keepdims=True))


@op("... c -> ... c", formula="x[c] - log(sum(exp(x)))", range=(-math.inf, 0.0), onnx="LogSoftmax")
def log_softmax(xp: Any, x: Array) -> Array:
    """The logarithm of the softmax, exact where the softmax itself would round to 0."""
    shifted = x - xp.max(x, axis=-1, keepdims=True)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=-1, keepdims=True))


@log_softmax.backward
def _(dy: Any, y: Any, x: Any):
    return dy - exp(y) * sum(dy, axis=-1, keepdims=True)
