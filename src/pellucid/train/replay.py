"""Opens a past step: the run is run again up to it, then that step with every value of its pass.

The step is run twice from the same state: by the program of the run, whose loss and weights are the recorded
ones bit for bit on the same versions and hardware, and by a tapped one, which does the same arithmetic and
returns every number of it. XLA may round a sum otherwise when its parts are asked for too: `tape_drift` says
how far the tape's loss is from the run's, and it is 0 or a few units in the last place.
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
    loss: Any
    """As the run computed it."""
    tape: Tape
    """Each number of forward and backward pass, as NumPy arrays."""
    output: Value
    """The loss on that tape."""
    prediction: Value
    gradients: Arrays

    @property
    def tape_drift(self) -> float:
        """The loss on the tape minus the loss of the run."""
        return float(self.output.array) - float(self.loss)

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
        length = self.plan.chunk(self.data.row_bytes()) if len(places) == self.plan.batch_size else 1
        after, report = self.engine.run(state, self.data.stack([places], length), 1)
        return self._tapped(state, after, report.loss[0], places, number)

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

    def _tapped(self, state: State, after: State, loss: Any, places: Numbers, number: int) -> OpenStep:
        """The step once more, with its tape: compiled where the engine compiles."""
        batch = self.data.take(places)
        program, passes = self._program
        outputs, gradients = program(state, batch)
        done = passes[batch.x.shape]
        tape = _rebuilt(done.loss.tape, [numpy.asarray(a) for a in outputs], state, self.step.seed)
        return OpenStep(
            number,
            batch,
            places,
            _numpy(state, state),
            _numpy(after, state),
            loss,
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
            return [row.output for row in done.loss.tape.rows], done.gradients

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
