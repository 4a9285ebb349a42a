"""Opens a past step: the run is run again up to it, then that step with every value of its pass.

The plain program of the run and the tapped one do the same arithmetic, so the loss of an opened step is
the recorded one, bit for bit, on the same versions and hardware.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy

from pellucid.autodiff import Row, Tape, Value
from pellucid.train.dataset import Dataset, Numbers, Plan
from pellucid.train.engine import Engine, XlaEngine
from pellucid.train.step import Arrays, Batch, Pass, State, Step


@dataclass(frozen=True)
class OpenStep:
    """One step with the lid off."""

    number: int
    batch: Batch
    places: Numbers
    """Which rows of the training data are in the batch."""
    before: State
    after: State
    tape: Tape
    """Each number of forward and backward pass, as NumPy arrays."""
    output: Value
    """The loss on that tape."""
    prediction: Value
    gradients: Arrays

    @property
    def loss(self) -> float:
        return self.output.array[()]

    @property
    def values(self) -> dict[str, Numbers]:
        """What each layer gave, by path."""
        forward = [row for row in self.tape.rows if row.op is not None and row.backward_of is None]
        return {row.path: row.output for row in forward if row.path}


@dataclass(frozen=True)
class Replay:
    """What a run was made from, which is all it takes to run it again."""

    step: Step
    engine: Engine
    plan: Plan
    data: Dataset
    start: State

    def open(self, number: int) -> OpenStep:
        """Step `number`; the steps before it are run again."""
        state = self.engine.start(self.start)
        for batches, count in self._until(number):
            state, _ = self.engine.run(state, batches, count)
        places = self.plan.at(number)
        return self.tapped(state, self.data.take(places), places, number)

    def _until(self, number: int) -> Iterator[tuple[Batch, int]]:
        """The batches of steps 0 to number - 1, those of one size together, in compiled lengths."""
        size, length = self.plan.batch_size, self.plan.chunk(self.data.row_bytes())
        waiting: list[Numbers] = []
        for n in range(number):
            epoch, within = divmod(n, self.plan.steps)
            if within == 0:
                order = self.plan.batches(epoch)
            places = next(order)  # pyright: ignore[reportPossiblyUnboundVariable]
            if waiting and (len(places) != size or len(waiting) == length):
                yield self.data.stack(waiting, length), len(waiting)
                waiting = []
            if len(places) != size:
                yield self.data.stack([places], 1), 1
            else:
                waiting.append(places)
        if waiting:
            yield self.data.stack(waiting, length), len(waiting)

    def tapped(self, state: State, batch: Batch, places: Numbers, number: int) -> OpenStep:
        """One step, with its tape: compiled like the plain one where the engine compiles."""
        program, passes = self._program
        outputs, after, gradients = program(state, batch)
        done = passes[batch.x.shape]
        tape = _rebuilt(done.loss.tape, [numpy.asarray(a) for a in outputs], state, self.step.seed)
        return OpenStep(
            number,
            batch,
            places,
            _numpy(state, state),
            _numpy(after, state),
            tape,
            Value(tape, tape.rows[done.loss.row.index]),
            Value(tape, tape.rows[done.y_pred.row.index]),
            {path: numpy.asarray(gradients[path]) for path in state.parameters},
        )

    @cached_property
    def _program(self) -> tuple[Any, dict[tuple[int, ...], Pass]]:
        """The step that gives every number of its tape, and, by shape of batch, the pass it was traced on.

        Made once for a run, so that only the first opened step waits for the compiler.
        """
        passes: dict[tuple[int, ...], Pass] = {}

        def program(state: State, batch: Batch) -> Any:
            done = self.step.backprop(state.parameters, batch, state.optimizer["step"])
            passes[batch.x.shape] = done
            after = self.step.updated(state, done.gradients)
            return [row.output for row in done.loss.tape.rows], after, done.gradients

        return (self.engine.tapped(program) if isinstance(self.engine, XlaEngine) else program), passes


def _rebuilt(traced: Tape, outputs: list[Numbers], state: State, seed: int) -> Tape:
    """The tape again, with numbers in the place of what was traced."""
    tape = Tape({p: numpy.asarray(a) for p, a in state.parameters.items()}, seed, training=True)
    tape.slopes.update(traced.slopes)
    for row, output in zip(traced.rows, outputs, strict=True):
        inputs = tuple(Value(tape, tape.rows[v.row.index]) if isinstance(v, Value) else v for v in row.inputs)
        output.flags.writeable = False
        tape.rows.append(Row(row.index, row.op, inputs, row.settings, output, row.path, row.backward_of))
    return tape


def _numpy(state: State, like: State) -> State:
    """NumPy arrays, in the order of `like`: JAX sorts the keys of a dict."""
    return State(*({path: numpy.asarray(a[path]) for path in b} for a, b in zip(state, like, strict=True)))
