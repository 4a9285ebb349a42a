"""What may be set of a layer's weights, by Keras' names: how each begins, what its size costs, what holds it.

    class Dense(Layer, Kernel, Bias):          Dense(8, kernel_regularizer="l2", bias_initializer="ones")

`Layer.weight(x, "kernel", shape)` reads the three settings of the kernel from these fields.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from pellucid.nn import initializers, regularizers
from pellucid.nn.initializers import Initializer
from pellucid.nn.regularizers import Constraint, Regularizer

First = str | Initializer
"""How a weight begins: "zeros", pellucid.HeNormal()."""
Price = str | Regularizer | None
"""What its size adds to the loss: "l2", pellucid.L2(0.001)."""
Limit = str | Constraint | None
"""What is made of it after each update: "max_norm", pellucid.MaxNorm(2)."""


@dataclass(eq=False, kw_only=True)
class Kernel:
    """Of the matrix that inputs meet."""

    kernel_initializer: First = "glorot_uniform"
    kernel_regularizer: Price = None
    kernel_constraint: Limit = None


@dataclass(eq=False, kw_only=True)
class Bias:
    """Of the numbers that are added."""

    bias_initializer: First = "zeros"
    bias_regularizer: Price = None
    bias_constraint: Limit = None


@dataclass(eq=False, kw_only=True)
class RecurrentKernel:
    """Of the matrix that a state meets from step to step."""

    recurrent_initializer: First = "orthogonal"
    recurrent_regularizer: Price = None
    recurrent_constraint: Limit = None


@dataclass(eq=False, kw_only=True)
class DepthwiseKernel:
    """Of the filters of each channel."""

    depthwise_initializer: First = "glorot_uniform"
    depthwise_regularizer: Price = None
    depthwise_constraint: Limit = None


@dataclass(eq=False, kw_only=True)
class PointwiseKernel:
    """Of the matrix that mixes channels."""

    pointwise_initializer: First = "glorot_uniform"
    pointwise_regularizer: Price = None
    pointwise_constraint: Limit = None


@dataclass(eq=False, kw_only=True)
class GammaBeta:
    """Whether, and by what, standardized numbers are stretched (gamma) and moved (beta)."""

    center: bool = True
    scale: bool = True
    beta_initializer: First = "zeros"
    beta_regularizer: Price = None
    beta_constraint: Limit = None
    gamma_initializer: First = "ones"
    gamma_regularizer: Price = None
    gamma_constraint: Limit = None


def check(layer: Any) -> None:
    """UsageError for an initializer, regularizer or constraint of a layer that is not known."""
    for field in fields(layer):
        value = getattr(layer, field.name)
        if field.name.endswith("initializer"):
            initializers.get(value)
        elif field.name.endswith("regularizer"):
            regularizers.regularizer(value)
        elif field.name.endswith("constraint"):
            regularizers.constraint(value)


def kernel_and_bias(layer: Any) -> dict[str, Any]:
    """The settings of a block's kernels and biases, for the layers inside it."""
    return {field.name: getattr(layer, field.name) for kind in (Kernel, Bias) for field in fields(kind)}
