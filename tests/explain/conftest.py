"""What a printed formula is worth, worked out in Python; and a step to explain, made by hand."""

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.autodiff import OPS, Op, Tape, gradients
from pellucid.explain.step_view import StepView

NAMES: dict[str, Any] = {
    **{name: getattr(math, name) for name in ("exp", "log", "sqrt", "erf", "tanh")},
    "max": max,
    "min": min,
    "maximum": max,
    "minimum": min,
    "absolute": abs,
    "abs": abs,
    "remainder": math.fmod,
    "as_index": int,
    "ones_like": lambda _: 1,
    "sign": lambda x: (x > 0) - (x < 0),
    "where": lambda condition, x, y: x if condition else y,
}


def by_the_op(op: Op) -> Callable[..., float]:
    """For an op that is printed as name(…): the op itself, number by number."""
    return lambda *x: float(op.forward(np, *map(np.float64, x)))


def worked_out(text: str) -> float:
    """The value of a formula as pellucid prints it."""
    text = re.sub(r" from \d+ smaller terms", "", text)
    for shown, python in ((" = ", " == "), ("×", "*"), ("^", "**"), ("²", "**2"), ("≥", ">="), ("[", "("), ("]", ")")):
        text = text.replace(shown, python)
    new = {name: by_the_op(op) for name, op in OPS.items() if op.elementwise and name not in NAMES}
    return float(eval(text, {"__builtins__": {}}, new | NAMES))


@pytest.fixture(scope="session")
def worth() -> Callable[[str], float]:
    return worked_out


def stepped(model: pl.Sequential, x: Any, y: Any, number: int = 0, batch: int = 4, **more: Any) -> StepView:
    """Step `number` of a training in float64 that takes the rows from the last to the first, as a view."""
    optimizer, loss = model.compiled.optimizer, model.compiled.loss
    assert loss is not None
    first = Tape({}, training=True, dtype="float64")
    model(first.given("x", x))
    after = dict(first.parameters)
    slots = optimizer.init(after)
    for n in range(number + 1):
        parameters, before = after, slots
        rows = np.roll(np.arange(len(x))[::-1], -n * batch)[:batch]
        tape = Tape(dict(parameters), step=n, training=True)
        y_pred = model(tape.given("x", x[rows]))
        total = loss(tape.given("y", y[rows]), y_pred)
        values = gradients(total, [tape.parameter(path) for path in parameters])
        found = {path: g.array for path, g in zip(parameters, values, strict=True)}
        changes, slots = optimizer.update(found, before, parameters)
        after = {path: w + changes[path] for path, w in parameters.items()}
    return StepView(tape, total, found, parameters, after, optimizer, before, number, rows.tolist(), **more)


@pytest.fixture(scope="session")
def step_of() -> Callable[..., StepView]:
    return stepped
