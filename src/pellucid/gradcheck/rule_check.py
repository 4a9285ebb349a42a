"""Which op's backward rule is wrong: each node of a pass, tested alone on the numbers it met.

A rule says what a small change of an op's input does to a weighted sum of its outputs. That is measured, with the
op's branches fixed (`Op.fix`), along random directions: no other op, and no weight, has a part in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
from numpy.typing import NDArray

from pellucid.autodiff.backprop import depends_on, sent_back
from pellucid.autodiff.tape import Node, Tape, Value
from pellucid.gradcheck.difference import central, extrapolated

Numbers = NDArray[numpy.float64]
EPS64 = float(numpy.finfo(numpy.float64).eps)
STEPS = (1e-3, 1e-5)
"""How far the inputs are moved, as a share of each. The wide step is exact on smooth ops; the narrow one seldom
meets a corner that an op has not declared."""
DIRECTIONS = 3


@dataclass(frozen=True)
class Culprit:
    """An op whose backward rule and measurement differ."""

    op: str
    layer: str
    """The path of the layer that called it."""
    input: int
    """Which of its inputs, from 0."""
    relative: float
    """The largest relative distance between the two, over the directions tried."""
    factor: float | None
    """What the rule gives is this many times the measurement, where it is the same in all directions."""

    def __str__(self) -> str:
        where = f" in {self.layer}" if self.layer else ""
        of = f" for input {self.input}" if self.input else ""
        if self.factor is None:
            off = f"its gradient{of} is {self.relative:.2g} of its size away from what the measurement gives"
        else:
            off = f"its gradient{of} is {self.factor:.6g} times what the measurement gives"
        return f"the backward rule of {self.op}{where} is wrong: {off}"


def check_rules(output: Value, wrt: Sequence[Value], tolerance: float = 1e-6) -> list[Culprit]:
    """Every op between `wrt` and `output` whose rule is wrong at the numbers on the tape, in the tape's order.

    One for each op and layer: the input where it is worst. NumPy, float64.

    >>> import numpy as np
    >>> from pellucid.autodiff import ops
    >>> tape = Tape({"w": np.array([1.0, -2.0])})
    >>> w = tape.parameter("w")
    >>> check_rules(ops.sum(ops.relu(w) * ops.tanh(w)), [w])
    []
    """
    forward = output.tape.nodes[: output.node.index + 1]
    reached = depends_on(forward, [value.node for value in wrt])
    found: dict[tuple[str, str], Culprit] = {}
    for node in forward:
        if node.op is None or node.index not in reached:
            continue
        for k, source in enumerate(node.inputs):
            if isinstance(source, Value) and source.node.index in reached and source.array.size:
                culprit = _test(node, k, tolerance)
                before = found.get((node.op.name, node.path))
                if culprit is not None and (before is None or before.relative < culprit.relative):
                    found[node.op.name, node.path] = culprit
    return list(found.values())


def _test(node: Node, k: int, tolerance: float) -> Culprit | None:
    """The rule of one node for its input number k, along a few directions; None where it agrees in any."""
    assert node.op is not None
    draw = numpy.random.default_rng(node.index)
    by_rule: list[float] = []
    by_change: list[float] = []
    with numpy.errstate(all="ignore"):
        for _ in range(DIRECTIONS):
            counts: Numbers = draw.normal(size=node.output.shape)
            direction = _scale(node.inputs[k].array) * draw.choice([-1.0, 1.0], node.inputs[k].shape)
            terms = _sent(node, k, counts) * direction
            rule = float(terms.sum())
            slope = _slope(_along(node, k, counts, direction), rule, float(numpy.linalg.norm(terms)), tolerance)
            if slope is None:
                return None
            by_rule.append(rule)
            by_change.append(slope)
    a, b = numpy.asarray(by_rule), numpy.asarray(by_change)
    relative = float((numpy.abs(a - b) / numpy.maximum(numpy.abs(a), numpy.abs(b))).max())
    factor = float(a @ b / (b @ b)) if b.any() else numpy.nan
    steady = a.any() and bool((numpy.abs(a - factor * b) <= 1e-5 * numpy.abs(a).max()).all())
    return Culprit(node.op.name, node.path, k, relative, factor if steady else None)


def _slope(f: Callable[[float], tuple[float, float]], rule: float, size: float, tolerance: float) -> float | None:
    """The measured slope of f at 0; None where the rule agrees with it or it can not be told.

    f gives a sum and the size of its terms. size: that of the terms of the rule's sum.
    """
    slope = None
    for step in STEPS:
        fine, error = extrapolated(lambda distance: central(lambda t: f(t)[0], 0.0, distance), step / 4)
        rounding = 16 * EPS64 * f(0.0)[1] / step
        allowed = tolerance * (size + abs(rule) + abs(fine)) + 8 * error + rounding
        if not abs(rule - fine) > allowed:  # NaN too: at a number without a slope there is nothing to compare
            return None
        slope = fine if slope is None else slope
    return slope


def _along(node: Node, k: int, counts: Numbers, direction: Numbers) -> Callable[[float], tuple[float, float]]:
    """t to the weighted sum of the op's outputs with input k moved by t · direction, and the size of its terms."""
    op, arrays = node.op, [v.array if isinstance(v, Value) else v for v in node.inputs]
    assert op is not None
    forward = op.forward
    ahead: list[Any] = []
    if op.side is not None and op.fixed is not None:
        ahead, forward = [op.side.forward(numpy, *arrays, **node.settings)], op.fixed.forward

    def f(t: float) -> tuple[float, float]:
        moved = [*arrays[:k], arrays[k] + t * direction, *arrays[k + 1 :]]
        terms = counts * forward(numpy, *ahead, *moved, **node.settings)
        return float(terms.sum()), float(numpy.abs(terms).sum())

    return f


def _sent(node: Node, k: int, counts: Numbers) -> Numbers:
    """What the rule sends back to input k where the output's gradient is `counts`."""
    assert node.op is not None
    tape = Tape({})
    inputs = tuple(tape.given("input", v.array) if isinstance(v, Value) else v for v in node.inputs)
    output = tape.record(node.op, inputs, node.settings, node.output)
    with tape.backward(output.node):
        for source, gradient in sent_back(output.node, tape.given("d", counts), tape):
            if source is inputs[k]:
                return numpy.asarray(gradient.array)
    return numpy.zeros(inputs[k].shape)


def _scale(x: Numbers) -> Numbers:
    """How far each number is moved: its own size, so that a small positive one stays positive; for a 0 the size
    of the others."""
    size = numpy.abs(x)
    typical = float(numpy.sqrt((size**2).mean())) or 1.0
    return numpy.where(size > 0, size, typical)
