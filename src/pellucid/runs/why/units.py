"""Units that have stopped: relus that give 0 for every row, sigmoids and tanhs at the ends of their range."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy

from pellucid.autodiff import Node, Op
from pellucid.autodiff.ops import relu
from pellucid.data.dataset import Numbers
from pellucid.runs.why.evidence import Evidence, Probe, as_one, lower
from pellucid.runs.why.finding import Finding

DEAD = 0.5
"""The share of a layer's units that give 0 for every row of the sample, from which it is reported; a quarter where the
run has not learned. A unit of a healthy network is 0 for half of the rows: that one is 0 for all of 1,024 by chance
does not happen, but training lets single units die, and does well."""
DEAD_UNLEARNED = 0.25
SATURATED = 0.75
"""The share of a layer's outputs within 1 % of an end of their range, where the slope is below 0.02 (tanh) or 0.01
(sigmoid), from which it is reported."""
LEARNED = 0.5
END = 0.01
"""How near to an end of its range an output counts as at it."""


def dead_units(e: Evidence) -> Iterable[Finding]:
    """Relu units that are 0 for every row of the sample: no gradient goes through them, so they stay so. (Lu et al.
    2020, arXiv:1903.06733.)"""
    limit = DEAD if e.skill >= LEARNED else DEAD_UNLEARNED
    for path, share in _by_layer(e.end, _is_relu, _dead).items():
        if share < limit:
            continue
        step = _first_step(e, path, _is_relu, _dead, limit)
        now = e.probe(step)
        units = _outputs(now, path, _is_relu).shape[-1]
        rate = float(e.step.optimizer.rate(numpy, max(step - 1, 0)))
        begun = step == e.first
        size = e.probe(step - 1).ratio if not begun else 0.0
        yield Finding(
            "dead relu units",
            f"before step {step}, {_by_layer(now, _is_relu, _dead)[path]:.0%} of the {units} units of {path} "
            "are 0 for all "
            f"{len(e.places):,} rows looked at, at the end {share:.0%}"
            + ("" if begun else f"; step {step - 1} changed the weights by {size:.2g} of their size"),
            "the units are below 0 from the start: initial weights or biases are too negative for these inputs"
            if begun
            else "an update pushed their sums below 0 for every row, from where no gradient leads back",
            "draw the first weights with kernel_initializer='he_normal' and biases of 0, or use leaky_relu"
            if begun
            else f"a learning rate of {lower(rate):g} in place of {rate:g}, or leaky_relu",
            step=step,
            layer=path,
            rewind=_leaky(e, path) if begun else {"learning_rate": lower(rate)},
            at=e.first if begun else max(e.first, step - 1),
        )


def saturated_units(e: Evidence) -> Iterable[Finding]:
    """Sigmoids and tanhs, but the output's, that are at an end of their range for nearly every row."""
    if e.skill >= LEARNED and max(_by_layer(e.start, _saturates, _saturated).values(), default=0) < SATURATED:
        return
    for path, share in _by_layer(e.end, _saturates, _saturated).items():
        if share < SATURATED or path == e.output_layer:
            continue
        step = _first_step(e, path, _saturates, _saturated, SATURATED)
        x = numpy.sqrt(numpy.mean(numpy.square(numpy.asarray(as_one(e.sample).x, numpy.float64))))
        begun = step == e.first
        rate = float(e.step.optimizer.rate(numpy, max(step - 1, 0)))
        yield Finding(
            "saturated units",
            f"before step {step}, {_by_layer(e.probe(step), _saturates, _saturated)[path]:.0%} of the outputs of "
            f"{path} are within "
            f"1 % of an end of their range, at the end {share:.0%}; the inputs of the network have size {x:.3g}",
            "the sums are too large from the start: inputs out of scale, or initial weights too large"
            if begun
            else "updates made the weights so large",
            "standardise the inputs, or draw smaller initial weights (glorot_uniform)"
            if begun
            else f"a learning rate of {lower(rate):g} in place of {rate:g}",
            step=step,
            layer=path,
            rewind={} if begun else {"learning_rate": lower(rate)},
            at=e.first if begun else max(e.first, step - 1),
        )


Kind = Callable[[Op], bool]
Measure = Callable[[Node], float]


def _dead(row: Node) -> float:
    y = numpy.asarray(row.output)
    return float((y.reshape(-1, y.shape[-1]) == 0).all(axis=0).mean())


def _saturated(row: Node) -> float:
    assert row.op is not None
    assert row.op.range is not None
    (low, high), y = row.op.range, numpy.asarray(row.output)
    return float(((y < low + END) | (y > high - END)).mean())


def _is_relu(op: Op) -> bool:
    return op is relu


def _saturates(op: Op) -> bool:
    return op.saturates


def _by_layer(probe: Probe, kind: Kind, measure: Measure) -> dict[str, float]:
    """What is measured of each layer with an activation of this kind."""
    return {row.path: measure(row) for row in probe.forward if row.op and kind(row.op) and row.path}


def _outputs(probe: Probe, path: str, kind: Kind) -> Numbers:
    return next(row.output for row in probe.forward if row.op and kind(row.op) and row.path == path)


def _first_step(e: Evidence, path: str, kind: Kind, measure: Measure, limit: float) -> int:
    """The step before which it has come about: between the last probe without it and the next, by bisection."""
    over = [probe.number for probe in e.probes if _by_layer(probe, kind, measure).get(path, 0) >= limit]
    high = over[0]
    before = [probe.number for probe in e.probes if probe.number < high]
    if not before:
        return high
    low = before[-1]
    while high - low > 1:
        middle = (low + high) // 2
        if _by_layer(e.probe(middle), kind, measure).get(path, 0) >= limit:
            high = middle
        else:
            low = middle
    return high


def _leaky(e: Evidence, path: str) -> dict[str, str]:
    return {f"{path}.activation": "leaky_relu"} if "/" not in path and path in e.run.model.children() else {}
