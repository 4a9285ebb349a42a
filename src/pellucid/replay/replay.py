"""Any past step of a run again: from the nearest checkpoint, by the run's own program, held to the recorded losses.

The step that is opened is run twice from the same state: by the program of the run, whose loss and weights are
the recorded ones bit for bit on the same versions and hardware, and by a tapped one, which does the same
arithmetic in the same loop and keeps its numbers. The two have to end in the same state, bit for bit. Where they do
not, since XLA rounds a sum otherwise when its parts are wanted too, fewer numbers are kept, and the others are
worked out from those.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy

from pellucid.autodiff import Node, Tape, Value
from pellucid.data.dataset import Batch, Dataset, Numbers, Plan, chunks
from pellucid.data.named import each
from pellucid.engine.engines import Engine, Tapped
from pellucid.engine.fidelity import Fidelity
from pellucid.engine.loop import Totals
from pellucid.engine.step import Arrays, State, Step
from pellucid.errors import RunError
from pellucid.replay.checkpoint import Checkpoint
from pellucid.replay.open_step import Naming, OpenBatch, OpenStep

NEAR = 4
"""Points that were reached last are kept, so that the steps beside them open at once."""


@dataclass
class Replay:
    """What a run was made from, which is all it takes to run it again."""

    step: Step
    engine: Engine
    plan: Plan
    data: Dataset
    start: Checkpoint
    losses: Numbers = field(default_factory=lambda: numpy.zeros(0, numpy.float32))
    """The recorded loss of each step, which replayed ones are compared with; NaN where the record lost it."""
    checkpoint: Callable[[int], Checkpoint | None] = lambda _: None
    """The last recorded point at or before a step, if there is one."""
    naming: Naming = field(default_factory=Naming)
    elsewhere: str = ""
    """What was otherwise where the run was recorded, versions or hardware; empty where nothing was."""
    drift: dict[int, float] = field(default_factory=dict[int, float])
    """Of each replayed step whose loss is not the recorded one, bit for bit: the difference."""
    _near: list[Checkpoint] = field(default_factory=list[Checkpoint])
    _fidelity: dict[tuple[int, ...], Fidelity] = field(default_factory=dict[tuple[int, ...], Fidelity])
    """By shape of the batches: how many numbers are kept so that the step's bits stay as they are."""

    def open(self, number: int) -> OpenStep:
        """Step `number`, with every number of it."""
        before = self.at(number)
        places = self.plan.at(number)
        length = self.plan.chunk(self.data.row_bytes()) if len(places) == self.plan.batch_size else 1
        batches = self.data.stack([places], length)
        state = self.engine.start(before.state)
        after, report = self.engine.run(state, batches, 1)
        tapped, fidelity, faithful = self._tapped(state, batches, after)
        loss = report.loss[0]
        self._compare(number, report.loss)
        totals = Totals(self.step.metrics, before.totals)
        totals.add(report.metrics)
        self._keep(Checkpoint(number + 1, after, totals.kept if (number + 1) % self.plan.steps else {}))
        tape = _rebuilt(tapped, before.state, self.step.seed, loss)
        gradients = tapped.gradients or _gradients(tape, before.state)
        x, y, weight = self.data.take(places)
        return OpenStep(
            number=number,
            batch=OpenBatch(x, y, weight, places),
            before=_numpy(before.state, self.start.state),
            after=_numpy(after, self.start.state),
            loss=loss,
            tape=tape,
            output=Value(tape, tape.nodes[tapped.done.loss.node.index]),
            prediction=each(lambda value: Value(tape, tape.nodes[value.node.index]), tapped.done.y_pred),
            gradients={path: numpy.asarray(gradients[path]) for path in self.start.state.parameters},
            step=self.step,
            naming=self.naming,
            recorded=self._recorded(number),
            drift=max(self.drift.values(), key=abs, default=0.0),
            faithful=faithful,
            fidelity=fidelity,
            elsewhere=self.elsewhere,
        )

    def at(self, number: int) -> Checkpoint:
        """The point before step `number`, run again from the nearest one that is known."""
        known = [p for p in (self.start, *self._near, self.checkpoint(number)) if p is not None and p.step <= number]
        if not known:
            raise RunError(
                f"step {number} cannot be reached: the checkpoints before it are torn; the first step that can be "
                f"opened is {self.start.step}"
            )
        point = max(known, key=lambda p: p.step)
        if point.step == number:
            return point
        state = self.engine.start(point.state)
        totals = Totals(self.step.metrics, point.totals)
        step = point.step
        while step < number:
            epoch, within = divmod(step, self.plan.steps)
            if within == 0:
                totals = Totals(self.step.metrics)
            stop = min(self.plan.steps, within + number - step)
            for batches, count, _ in chunks(self.plan, self.data, epoch, within, stop):
                state, report = self.engine.run(state, batches, count)
                totals.add(report.metrics)
                self._compare(step, report.loss)
                step += count
        found = Checkpoint(number, state, totals.kept if number % self.plan.steps else {})
        self._keep(found)
        return found

    def _tapped(self, state: State, batches: Batch, after: State) -> tuple[Tapped, Fidelity, bool]:
        """The step with as many of its numbers as leave its bits alone, how many that is, and whether it does."""
        shape = batches.shape
        finest = self._fidelity.get(shape, Fidelity.EVERY_NUMBER)
        for fidelity in Fidelity:
            if fidelity < finest:
                continue
            again, tapped = self.engine.tap(state, batches, fidelity)
            if _same(after, again):
                self._fidelity[shape] = fidelity
                return tapped, fidelity, True
        return self.engine.tap(state, batches, finest)[1], finest, False

    def _recorded(self, number: int) -> Any:
        known = number < len(self.losses) and not numpy.isnan(self.losses[number])
        return self.losses[number] if known else None

    def _compare(self, first: int, losses: Numbers) -> None:
        recorded = self.losses[first : first + len(losses)]
        for i in numpy.flatnonzero((losses[: len(recorded)] != recorded) & ~numpy.isnan(recorded)):
            self.drift[first + int(i)] = float(losses[i]) - float(recorded[i])

    def _keep(self, point: Checkpoint) -> None:
        self._near = [*(p for p in self._near if p.step != point.step), point][-NEAR:]


def _rebuilt(tapped: Tapped, state: State, seed: int, loss: Numbers) -> Tape:
    """The tape again, with numbers in the place of what was traced, and the run's own loss at its end."""
    done = tapped.done
    traced = done.loss.tape
    tape = Tape({p: numpy.asarray(a) for p, a in state.parameters.items()}, seed, training=True)
    tape.untrained = {p: numpy.asarray(a) for p, a in state.untrained.items()}
    tape.slopes.update(traced.slopes)
    tape.constraints.update(traced.constraints)
    for row, output in zip(traced.nodes, tapped.outputs, strict=True):
        inputs = tuple(Value(tape, tape.nodes[v.node.index]) if isinstance(v, Value) else v for v in row.inputs)
        if row.index == done.loss.node.index:
            output = numpy.array(loss)
        elif output is None:
            assert row.op is not None
            with numpy.errstate(all="ignore"):
                arrays = [v.array if isinstance(v, Value) else v for v in inputs]
                output = numpy.array(row.op.forward(numpy, *arrays, **row.settings))
        else:
            output = numpy.asarray(output)
        output.flags.writeable = False
        tape.nodes.append(Node(row.index, row.op, inputs, row.settings, output, row.path, row.backward_of))
    tape.next_untrained.update({p: Value(tape, tape.nodes[v.node.index]) for p, v in traced.next_untrained.items()})
    return tape


def _gradients(tape: Tape, state: State) -> Arrays:
    """The gradients that stand on a tape."""
    rows = {row.path: row.index for row in tape.nodes if row.op is None and row.backward_of is None}
    slopes = {path: tape.slopes.get(rows[path]) if path in rows else None for path in state.parameters}
    return {
        path: numpy.zeros_like(state.parameters[path]) if slope is None else tape.nodes[slope].output
        for path, slope in slopes.items()
    }


def _numpy(state: State, like: State) -> State:
    """NumPy arrays that nobody writes to, in the order of `like`."""
    return state.ordered(like).map(_read_only)


def _read_only(array: Any) -> Numbers:
    found = numpy.asarray(array).view()
    found.flags.writeable = False
    return found


def _same(a: State, b: State) -> bool:
    """Whether two states are equal, bit for bit."""
    return all(
        numpy.asarray(one[path]).tobytes() == numpy.asarray(other[path]).tobytes()
        for one, other in zip(a, b, strict=True)
        for path in one
    )
