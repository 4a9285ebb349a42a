"""Arithmetic number by number. Shapes broadcast; backprop sums a gradient back to its input's shape."""

from __future__ import annotations

from typing import Any

from pellucid.autodiff.op import op
from pellucid.autodiff.tape import Array


@op(formula="x + y", joined="sum", called="sum", onnx="Add")
def add(xp: Any, x: Array, y: Array) -> Array:
    """x + y"""
    return x + y


@add.backward
def _(dz: Any, z: Any, x: Any, y: Any):
    return dz, dz


@op(formula="x - y", onnx="Sub")
def subtract(xp: Any, x: Array, y: Array) -> Array:
    """x - y"""
    return x - y


@subtract.backward
def _(dz: Any, z: Any, x: Any, y: Any):
    return dz, -dz


@op(formula="x * y", scales=True, onnx="Mul")
def multiply(xp: Any, x: Array, y: Array) -> Array:
    """x · y"""
    return x * y


@multiply.backward
def _(dz: Any, z: Any, x: Any, y: Any):
    return dz * y, dz * x


@op(formula="x / y", scales=True, onnx="Div")
def divide(xp: Any, x: Array, y: Array) -> Array:
    """x / y"""
    return x / y


@divide.backward
def _(dz: Any, z: Any, x: Any, y: Any):
    return dz / y, -dz * z / y


@op(formula="-x", onnx="Neg")
def negative(xp: Any, x: Array) -> Array:
    """-x"""
    return -x


@negative.backward
def _(dy: Any, y: Any, x: Any):
    return -dy


@op(formula="x ** exponent", onnx="Pow")
def power(xp: Any, x: Array, *, exponent: float) -> Array:
    """x to a fixed power. x⁰ is 1 everywhere, and has no gradient."""
    return x**exponent


@power.backward
def _(dy: Any, y: Any, x: Any, *, exponent: float):
    return None if exponent == 0 else dy * exponent * power(x, exponent=exponent - 1)


@op(formula="x ** 2", onnx="Pow")
def square(xp: Any, x: Array) -> Array:
    """x²"""
    return x * x


@square.backward
def _(dy: Any, y: Any, x: Any):
    return dy * 2.0 * x


@op(onnx="Sqrt")
def sqrt(xp: Any, x: Array) -> Array:
    """√x"""
    return xp.sqrt(x)


@sqrt.backward
def _(dy: Any, y: Any, x: Any):
    return dy * 0.5 / y


@op(onnx="Exp")
def exp(xp: Any, x: Array) -> Array:
    """e to the power x."""
    return xp.exp(x)


@exp.backward
def _(dy: Any, y: Any, x: Any):
    return dy * y


@op(onnx="Log")
def log(xp: Any, x: Array) -> Array:
    """The natural logarithm of x."""
    return xp.log(x)


@log.backward
def _(dy: Any, y: Any, x: Any):
    return dy / x


@op(onnx="Abs")
def absolute(xp: Any, x: Array) -> Array:
    """|x|. At 0 the gradient is 0."""
    return xp.abs(x)


@absolute.corner
def _(xp: Any, x: Array):
    return xp.sign(x)


@absolute.fix
def _(xp: Any, side: Array, x: Array):
    return side * x


@absolute.backward
def _(dy: Any, y: Any, x: Any):
    return dy * sign(x)


@op(onnx="Sign")
def sign(xp: Any, x: Array) -> Array:
    """-1, 0 or 1. Its gradient is 0."""
    return xp.sign(x)


@sign.corner
def _(xp: Any, x: Array):
    return xp.sign(x)


@sign.fix
def _(xp: Any, side: Array, x: Array):
    return side


@op(onnx="ConstantOfShape")
def ones_like(xp: Any, x: Array) -> Array:
    """1 in the place of each number of x, in its precision. It has no gradient."""
    return xp.ones_like(x)


@op(formula="x > y", onnx="Greater")
def greater(xp: Any, x: Array, y: Array) -> Array:
    """1 where x > y, else 0. Its gradient is 0."""
    return (x > y) * xp.ones_like(x + y)


@greater.corner
def _(xp: Any, x: Array, y: Array):
    return xp.sign(x - y)


@greater.fix
def _(xp: Any, side: Array, x: Array, y: Array):
    return xp.where(side > 0, 1.0, 0.0)


@op(formula="x >= y", onnx="GreaterOrEqual")
def greater_equal(xp: Any, x: Array, y: Array) -> Array:
    """1 where x ≥ y, else 0. Its gradient is 0."""
    return (x >= y) * xp.ones_like(x + y)


@greater_equal.corner
def _(xp: Any, x: Array, y: Array):
    return xp.sign(x - y)


@greater_equal.fix
def _(xp: Any, side: Array, x: Array, y: Array):
    return xp.where(side >= 0, 1.0, 0.0)


@op(formula="x == y", onnx="Equal")
def equal(xp: Any, x: Array, y: Array) -> Array:
    """1 where x = y, else 0. Its gradient is 0."""
    return (x == y) * xp.ones_like(x + y)


@equal.corner
def _(xp: Any, x: Array, y: Array):
    return xp.sign(x - y)


@equal.fix
def _(xp: Any, side: Array, x: Array, y: Array):
    return xp.where(side == 0, 1.0, 0.0)


@op(onnx="Max")
def maximum(xp: Any, x: Array, y: Array) -> Array:
    """The larger of x and y. Where they are equal, x takes the gradient."""
    return xp.maximum(x, y)


@maximum.corner
def _(xp: Any, x: Array, y: Array):
    return xp.sign(x - y)


@maximum.fix
def _(xp: Any, side: Array, x: Array, y: Array):
    return xp.where(side >= 0, x, y)


@maximum.backward
def _(dz: Any, z: Any, x: Any, y: Any):
    first = greater_equal(x, y)
    return dz * first, dz * (1.0 - first)


@op(onnx="Min")
def minimum(xp: Any, x: Array, y: Array) -> Array:
    """The smaller of x and y. Where they are equal, x takes the gradient."""
    return xp.minimum(x, y)


@minimum.corner
def _(xp: Any, x: Array, y: Array):
    return xp.sign(y - x)


@minimum.fix
def _(xp: Any, side: Array, x: Array, y: Array):
    return xp.where(side >= 0, x, y)


@minimum.backward
def _(dz: Any, z: Any, x: Any, y: Any):
    first = greater_equal(y, x)
    return dz * first, dz * (1.0 - first)


@op(formula="min(max(x, low), high)", onnx="Clip")
def clip(xp: Any, x: Array, *, low: float, high: float) -> Array:
    """x kept between low and high. Inside and at the edges the gradient passes, outside it is 0."""
    return xp.clip(x, low, high)


@clip.corner
def _(xp: Any, x: Array, *, low: float, high: float):
    return xp.sign(x - low) + xp.sign(x - high)


@clip.fix
def _(xp: Any, side: Array, x: Array, *, low: float, high: float):
    return xp.where(side < -1, low, xp.where(side > 1, high, x))


@clip.backward
def _(dy: Any, y: Any, x: Any, *, low: float, high: float):
    return dy * greater_equal(x, low) * greater_equal(high, x)


@op(onnx="Where")
def where(xp: Any, condition: Array, x: Array, y: Array) -> Array:
    """x where the condition is not 0, else y. The condition has no gradient."""
    return xp.where(condition != 0, x, y)


@where.corner
def _(xp: Any, condition: Array, x: Array, y: Array):
    return xp.broadcast_arrays(condition != 0, x, y)[0]


@where.fix
def _(xp: Any, side: Array, condition: Array, x: Array, y: Array):
    return xp.where(side, x, y)


@where.backward
def _(dz: Any, z: Any, condition: Any, x: Any, y: Any):
    return None, where(condition, dz, 0.0), where(condition, 0.0, dz)
