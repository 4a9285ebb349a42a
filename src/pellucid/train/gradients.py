"""The gradients of a model at given rows, both ways, without training it."""

from __future__ import annotations

from typing import Any

import numpy

from pellucid.autodiff import GradientReport, compare, finite_difference, ops
from pellucid.autodiff.comparison import EPS64
from pellucid.data.arrays import as_array
from pellucid.errors import ShapeError, UsageError
from pellucid.train.dataset import Numbers, target_of
from pellucid.train.engine import XlaEngine
from pellucid.train.model import Model
from pellucid.train.step import Arrays, Batch, Step


def gradients(
    model: Model, x: Any, y: Any, *, engine: str = "numpy", dtype: str = "float64"
) -> tuple[float, dict[str, Numbers]]:
    """The loss of these rows and its gradient with respect to each weight, by back-propagation.

    Returns: the loss; {path: array of the weight's shape}. Dropout is off. Errors as for `model.fit`.

    >>> import numpy as np, pellucid as pl
    >>> model = pl.Sequential([pl.Dense(1, kernel_initializer="zeros")])
    >>> model.compile(loss="mean_squared_error")
    >>> loss, g = pl.gradients(model, np.array([[1.0], [2.0]]), np.array([[1.0], [3.0]]))
    >>> loss, g["dense/kernel"].tolist(), g["dense/bias"].tolist()
    (5.0, [[-7.0]], [-4.0])
    """
    step, parameters, batch = _prepared(model, x, y, dtype)

    def both(parameters: Arrays, batch: Batch) -> Any:
        done = step.backprop(parameters, batch, 0, training=False)
        return done.loss.array, done.gradients

    if engine == "xla":
        loss, found = XlaEngine(step, dtype).tapped(both)(parameters, batch)
    elif engine == "numpy":
        loss, found = both(parameters, batch)
    else:
        raise UsageError(f"engine={engine!r} is not known; it is 'xla' or 'numpy'")
    return float(loss), {path: numpy.asarray(found[path]) for path in parameters}


def check_gradients(model: Model, x: Any, y: Any, *, tolerance: float = 1e-6) -> GradientReport:
    """Every weight's gradient at these rows by back-propagation and by finite differences, in float64.

    report.ok: no number is wrong; report.worst: the largest relative distance; report.weights[path]: both
    arrays, their distances and a verdict for each number (agree, rounding, kink, wrong).

    Cost: two forward passes for each weight; meant for small networks and a few rows.
    """
    step, parameters, batch = _prepared(model, x, y, "float64")
    return check_step(step, parameters, batch, 0, training=False, tolerance=tolerance)


def check_step(
    step: Step, parameters: Arrays, batch: Batch, number: int, *, training: bool, tolerance: float = 1e-6
) -> GradientReport:
    """Both gradients of one step, compared."""

    def value(at: Arrays) -> Any:
        return step.forward(at, batch, number, training).loss

    done = step.backprop(parameters, batch, number, training)

    def loss_at(path: str, index: tuple[int, ...], change: float) -> float:
        moved = parameters[path].copy()
        moved[index] += change
        return float(value(parameters | {path: moved}).array)

    def slopes(path: str, index: tuple[int, ...]) -> tuple[float, float, float]:
        here, h = loss_at(path, index, 0.0), 1e-6 * max(1.0, abs(float(parameters[path][index])))
        left = (here - loss_at(path, index, -h)) / h
        right = (loss_at(path, index, h) - here) / h
        return left, right, 16 * EPS64 * max(1.0, abs(here)) / h

    def f(values: Any) -> Any:
        return value({path: v.array for path, v in values.items()})

    by_change = finite_difference(f, parameters)
    return compare(done.gradients, by_change, float(done.loss.array), slopes, tolerance)


def feed_forward(x: Any, y: Any, weights: list[Any]) -> Numbers:
    """The squared error of each row of a network with one sigmoid hidden layer, given as plain arrays.

    x: (n, i); y: (n, o); weights: [W0 (i, h), b0 (h,), W1 (h, o), b1 (o,)]. Returns (n,): the mean of
    (output - y)² over a row's outputs.

    >>> W0, W1 = [[0.8, 0.4, 0.3], [0.2, 0.9, 0.5]], [[0.3], [0.5], [0.9]]
    >>> feed_forward([[1.0, 1.0]], [[0.0]], [W0, [0.0] * 3, W1, [0.0]]).round(6).tolist()
    [1.520812]
    """
    x, y = as_array(x, "x"), as_array(y, "y")
    w0, b0, w1, b1 = (as_array(w, f"weights[{i}]") for i, w in enumerate(weights))
    output = ops.sigmoid(x @ w0 + b0) @ w1 + b1
    if output.shape != y.shape:
        raise ShapeError(f"the network gives shape {output.shape}, but y has shape {y.shape}; they have to be equal")
    return ops.mean(ops.square(output - y), axis=1)


def _prepared(model: Model, x: Any, y: Any, dtype: str) -> tuple[Step, Arrays, Batch]:
    now = model.compiled
    if now.loss is None:
        raise UsageError("the model has no loss yet; call model.compile(optimizer, loss) first")
    rows = as_array(x, "x").astype(dtype)
    model.build(rows)
    target = target_of(now.loss, y, dtype)
    now.loss.check_targets(target, now.units)
    parameters = {path: array.astype(dtype) for path, array in model.parameters().items()}
    return Step(model, now.loss, now.optimizer), parameters, Batch(rows, target)
