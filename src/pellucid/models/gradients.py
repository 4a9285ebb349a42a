"""The gradients of a model at given rows, both ways, without training it."""

from __future__ import annotations

from typing import Any

import numpy

from pellucid.autodiff import ops
from pellucid.data.arrays import as_array
from pellucid.data.dataset import Batch, Numbers, input_of
from pellucid.data.named import each
from pellucid.engine import engines
from pellucid.engine.step import Arrays, State, Step
from pellucid.errors import ShapeError, UsageError
from pellucid.gradcheck import GradientReport
from pellucid.models.arguments import check_outputs, target_of
from pellucid.models.model import Model
from pellucid.replay.check_step import check_step


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
    step, state, batch = _prepared(model, x, y, dtype)

    found_by = engines.make(engine, step, dtype).compiled("gradients", _both)
    loss, found = found_by(state, batch)
    return float(loss), {path: numpy.asarray(found[path]) for path in state.parameters}


def _both(step: Step, state: State, batch: Batch) -> tuple[Any, Arrays]:
    done = step.backprop(state, batch, 0, training=False)
    return done.loss.array, done.gradients


def check_gradients(
    model: Model, x: Any, y: Any, *, tolerance: float = 1e-6, sample: int | None = None
) -> GradientReport:
    """The weights' gradients at these rows by back-propagation and by finite differences, in float64.

    report.ok: no number and no op's rule is wrong; report.worst: the largest relative distance;
    report.weights[path]: both arrays, their distances and a verdict for each number (agree, rounding, kink,
    wrong); report.kinks and report.culprits: which corners, and which op's rule. Dropout is off.

    sample: how many weights to check, drawn with a fixed seed; None for all of them, or up to 2,000 where all would
    be more than 200,000 or take minutes. The rule of each op is tested in either case.

    Errors as for `model.fit`, UsageError for a sample below 1.

    >>> import numpy as np, pellucid as pl
    >>> model = pl.Sequential([pl.Dense(3, "tanh"), pl.Dense(1)])
    >>> model.compile(loss="mean_squared_error")
    >>> report = pl.check_gradients(model, np.array([[0.5, -1.0], [2.0, 0.3]]), np.array([[1.0], [0.0]]))
    >>> report.ok, report.count, report.worst < 1e-6
    (True, 13, True)
    """
    step, state, batch = _prepared(model, x, y, "float64")
    return check_step(step, state, batch, 0, training=False, tolerance=tolerance, sample=sample)


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


def _prepared(model: Model, x: Any, y: Any, dtype: str) -> tuple[Step, State, Batch]:
    now = model.compiled
    if now.loss is None:
        raise UsageError("the model has no loss yet; call model.compile(optimizer, loss) first")
    rows = each(lambda a: a.astype(dtype), input_of(x, dtype))
    model.build(rows)
    target = target_of(now.loss, y, dtype)
    check_outputs(now.loss, now.units)
    now.loss.check_targets(target, now.units)
    trained, untrained = (
        {path: array.astype(dtype) for path, array in arrays.items()}
        for arrays in (model.parameters(), model.untrained())
    )
    return Step(model, now.loss, now.optimizer), State(trained, untrained=untrained), Batch(rows, target)
