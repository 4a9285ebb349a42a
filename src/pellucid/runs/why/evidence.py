"""What the detectors look at, gathered once: a few replayed states, the loss of every step, a sample of the rows.

States are reached by the run's own program. What they do to the sample is computed by the same step on NumPy, where
every number can be looked at.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy

from pellucid.autodiff import Node, Op
from pellucid.data.dataset import Batch, Numbers
from pellucid.engine.step import Arrays, Pass, State, Step, last_node
from pellucid.fit.history import History
from pellucid.nn.losses import WeightedSum
from pellucid.replay.checkpoint import Checkpoint
from pellucid.runs.why.baseline import classes_of, constant_loss

SAMPLE_ROWS = 1024
"""A share of 1 % is then known to 0.3 % (one standard deviation), which is finer than any threshold needs."""
DATA_ROWS = 5_000
PROBES = 6
ODD = 10.0
"""A row is odd whose largest number is so many times that which 95 % of the rows stay below."""
WORK = 500_000_000
"""Weights times rows of one pass over the sample, at most: about a second of arithmetic for all probes."""


@dataclass(frozen=True)
class Probe:
    """The run before one of its steps."""

    number: int
    state: State
    step: Step
    rows: Batch
    """The sample."""
    places: Numbers
    """The rows of the batch that the step trains on; empty after the last step."""
    batch: Batch

    @cached_property
    def passed(self) -> Pass:
        """The sample forth and back, as in training: batch statistics, and with numbers dropped out."""
        with numpy.errstate(all="ignore"):
            return self.step.backprop(self.state, self.rows, self.number)

    @cached_property
    def loss(self) -> float:
        """The loss of the sample: the lower one of training and evaluation, since dropout costs in the one, and
        running means are late in the other. Infinite where it is not finite."""
        with numpy.errstate(all="ignore"):
            evaluated = self.step.forward(self.state, self.rows, self.number, False).loss.array
        found = [float(evaluated), float(self.passed.loss.array)]
        return min((x for x in found if numpy.isfinite(x)), default=numpy.inf)

    @cached_property
    def taken(self) -> tuple[State, Pass]:
        """The step itself: the state after it, and its pass."""
        with numpy.errstate(all="ignore"):
            after, _, done = self.step.run(self.state, self.batch)
        return after, done

    @cached_property
    def ratio(self) -> float:
        """How much the step changes the weights: the largest |Δw| / |w| of the weight matrices."""
        after, found = self.taken[0].parameters, [0.0]
        for path, w in self.state.parameters.items():
            norm = numpy.linalg.norm(w.astype(numpy.float64))
            if w.ndim > 1 and norm > 0:
                change = numpy.linalg.norm(after[path].astype(numpy.float64) - w)
                found.append(float(change / norm) if numpy.isfinite(change) else numpy.inf)
        return max(found)

    @cached_property
    def forward(self) -> list[Node]:
        """The rows of the tape that computed the prediction of the sample."""
        last = last_node(self.passed.y_pred)
        return [row for row in self.passed.loss.tape.nodes[: last + 1] if row.op is not None]

    def slope(self, row: Node) -> Numbers | None:
        """The gradient of the loss with respect to a row's output; None where none arrived."""
        tape = self.passed.loss.tape
        at = tape.slopes.get(row.index)
        return None if at is None else numpy.asarray(tape.nodes[at].output)


class Evidence:
    """A run, looked at."""

    def __init__(self, run: History) -> None:
        self.run = run
        self.replay = run.replay
        self.step = replace(self.replay.step, method=None, metrics=())
        self.plan, self.data = self.replay.plan, self.replay.data
        self.losses = numpy.asarray(run.step_history["loss"], numpy.float64)
        self.first, self.last = run.first, run.steps
        """The first step, and the number of steps: the state before step `last` is the final one."""
        self.failed = run.status == "not finite"
        weights = sum(a.size for a in self.replay.start.state.parameters.values())
        rows = int(min(SAMPLE_ROWS, max(64, WORK // max(1, weights))))
        self.places = evenly(len(self.data), rows)
        ordinary = numpy.ones(len(self.places), bool)
        ordinary[self.odd(self.data.take(self.places))] = False  # one of them would outweigh all others
        self.places = self.places[ordinary] if ordinary.any() else self.places
        self.sample = self.data.take(self.places)
        self._states: dict[int, State] = {}
        self._probes: dict[int, Probe] = {}

    @property
    def loss(self) -> Any:
        return self.step.loss

    def state(self, number: int) -> State:
        """The state before a step, replayed from the nearest one that was looked at."""
        if number not in self._states:
            known = max((n for n in self._states if n <= number), default=None)
            replay = self.replay
            if known is not None:
                replay = replace(replay, start=Checkpoint(known, self._states[known]), _near=[])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a torn checkpoint is not what is looked for
                found = replay.at(number).state
            like = self.replay.start.state
            self._states[number] = found.ordered(like).map(numpy.asarray)
        return self._states[number]

    def probe(self, number: int) -> Probe:
        """The run before step `number`."""
        if number not in self._probes:
            places = self.plan.at(number)
            batch = self.data.take(places)
            self._probes[number] = Probe(number, self.state(number), self.step, self.sample, places, batch)
        return self._probes[number]

    @cached_property
    def probes(self) -> list[Probe]:
        """The first state, the final one, and some evenly spaced between them; in order."""
        numbers = sorted({int(n) for n in numpy.linspace(self.first, self.last, PROBES + 1)} | {self.first, self.last})
        return [self.probe(number) for number in numbers]

    @property
    def start(self) -> Probe:
        return self.probes[0]

    @property
    def end(self) -> Probe:
        return self.probes[-1]

    @cached_property
    def constant(self) -> float | None:
        """The loss of the best constant prediction on the sample."""
        return constant_loss(self.loss, self.sample)

    def skill_of(self, loss: float) -> float:
        """1 for a loss of 0, 0 for that of the best constant prediction; against the first loss where that "
        "is not known."""
        reference = self.constant if self.constant is not None else self.start.loss
        return 1 - loss / reference if reference > 0 and numpy.isfinite(loss) else -numpy.inf

    @cached_property
    def skill(self) -> float:
        """Of the final state."""
        return self.skill_of(self.end.loss)

    @cached_property
    def progress(self) -> float:
        """The share of the first loss that is gone at the end."""
        return 1 - self.end.loss / self.start.loss if 0 < self.start.loss < numpy.inf else 0.0

    @cached_property
    def classes(self) -> Numbers | None:
        """The class of each row of `table`, if they have one."""
        return classes_of(self.loss, self.table.y)

    @cached_property
    def table(self) -> Batch:
        """Rows for statistics of the data; several inputs, or targets, side by side."""
        return as_one(self.data.take(self.table_places))

    @property
    def several(self) -> bool:
        """Whether the network has several outputs: then no one of them is judged by its targets."""
        return isinstance(self.loss, WeightedSum)

    @cached_property
    def table_places(self) -> Numbers:
        return evenly(len(self.data), DATA_ROWS)

    def odd(self, batch: Batch) -> Numbers:
        """Places in a batch of rows that are far larger than the others of the data, in inputs or targets."""
        batch = as_one(batch)
        found = numpy.zeros(batch.shape[0], bool)
        for part, usual in zip((batch.x, batch.y), self._usual, strict=True):
            if numpy.isdtype(part.dtype, "real floating"):
                found |= _largest(part) > ODD * usual
        return numpy.flatnonzero(found)

    @cached_property
    def _usual(self) -> tuple[float, float]:
        """What the largest number of 95 % of the rows stays below, in inputs and targets."""
        x, y = (float(numpy.quantile(_largest(part), 0.95)) for part in (self.table.x, self.table.y))
        return max(x, 1e-30), max(y, 1e-30)

    @cached_property
    def rates(self) -> tuple[Numbers, Numbers]:
        """Steps, and the learning rate at each."""
        steps = numpy.unique(numpy.linspace(self.first, max(self.first, self.last - 1), 1000).astype(int))
        return steps, numpy.asarray([float(self.step.optimizer.rate(numpy, int(n))) for n in steps])

    @property
    def clipped(self) -> dict[str, Any]:
        """Limited gradients, as a rewind takes them; empty where the optimizer limits them already."""
        limits = (getattr(self.step.optimizer, name) for name in ("clipnorm", "clipvalue", "global_clipnorm"))
        return {} if any(limit is not None for limit in limits) else {"global_clipnorm": 1.0}

    @property
    def output_op(self) -> Op | None:
        """The op that makes the prediction; None where there are several."""
        return None if self.several else self.start.passed.y_pred.node.op

    @property
    def output(self) -> str:
        """Its name; empty where there are several."""
        return "" if self.output_op is None else self.output_op.name

    @property
    def output_layer(self) -> str:
        return "" if self.several else self.start.passed.y_pred.node.path

    def rows(self, places: Sequence[int] | Numbers) -> tuple[int, ...]:
        """The numbers that training rows have where they came from."""
        return tuple(int(row) for row in self.replay.naming.row(numpy.asarray(places, numpy.int64)))

    def layers(self, parameters: Arrays | None = None) -> dict[str, list[str]]:
        """The paths of the weights, by the layer that holds them, in the order of the pass."""
        found: dict[str, list[str]] = {}
        for path in parameters or self.replay.start.state.parameters:
            found.setdefault(path.rpartition("/")[0], []).append(path)
        return found


def lower(rate: float) -> float:
    """A tenth of a rate, in digits that can be typed.

    >>> lower(0.3)
    0.03
    """
    return float(f"{rate / 10:.3g}")


def as_one(batch: Batch) -> Batch:
    """A batch whose several inputs, or targets, by name stand side by side, (n, all of their numbers)."""

    def beside(parts: Any) -> Numbers:
        if not isinstance(parts, dict):
            return parts
        return numpy.concatenate([parts[name].reshape(len(parts[name]), -1) for name in sorted(parts)], axis=1)

    return Batch(beside(batch.x), beside(batch.y), batch.weight)


def _largest(array: Numbers) -> Numbers:
    return numpy.abs(array.reshape(len(array), -1)).max(axis=1)


def evenly(count: int, most: int) -> Numbers:
    """So many places of `count`, evenly spaced.

    >>> evenly(10, 5).tolist(), evenly(3, 5).tolist()
    ([0, 2, 4, 6, 9], [0, 1, 2])
    """
    return numpy.unique(numpy.linspace(0, count - 1, min(count, most)).astype(numpy.int64))
