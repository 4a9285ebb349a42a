"""One training step, written once: forward, loss, backward, update.

    step(state, batch) -> state, report

It is a pure function of its arguments. With NumPy arrays it runs, row by row, on a tape that can be looked
at; with JAX tracers the same lines become one compiled program. There is no other training step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pellucid.autodiff import Array, Tape, Value, gradients, namespace
from pellucid.data.dataset import Batch
from pellucid.data.named import Named, each, first, flat, gathered
from pellucid.gradcheck import SPSA, FiniteDifference, measured
from pellucid.nn.losses import Loss
from pellucid.nn.metrics import Metric
from pellucid.optim import Optimizer

Arrays = dict[str, Array]


class State(NamedTuple):
    """What changes from step to step, as flat dicts of path to array."""

    parameters: Arrays
    optimizer: Arrays = {}  # noqa: RUF012
    untrained: Arrays = {}  # noqa: RUF012
    """What layers remember that no gradient changes, as running means."""

    def map(self, work: Callable[[Array], Array]) -> State:
        """The same with `work` done to every array."""
        return State(*({path: work(array) for path, array in arrays.items()} for arrays in self))

    def ordered(self, like: State) -> State:
        """The same with the keys in the order of `like`: JAX sorts those of a dict."""
        return State(*({path: arrays[path] for path in others} for arrays, others in zip(self, like, strict=True)))


class Report(NamedTuple):
    """What a step tells: its loss, and the statistics of each metric."""

    loss: Array
    metrics: dict[str, Arrays]


@dataclass(frozen=True)
class Step:
    """What stays the same from step to step."""

    model: Callable[[Named], Named]
    """What the network gives for an input on a tape."""
    loss: Loss
    optimizer: Optimizer
    metrics: tuple[Metric, ...] = ()
    seed: int = 0
    method: FiniteDifference | SPSA | None = None
    """None: gradients by back-propagation."""

    def __call__(self, state: State, batch: Batch) -> tuple[State, Report]:
        """The state after the step, and what it reports."""
        after, report, _ = self.run(state, batch)
        return after, report

    def run(self, state: State, batch: Batch) -> tuple[State, Report, Pass]:
        """The step, with the pass whose gradients it used."""
        number = state.optimizer["step"]
        if self.method is None:
            done = self.backprop(state, batch, number)
        else:
            done = self.measure(state, batch, number, self.method)
        after = self.updated(state, done)
        xp = namespace(done.loss.array)
        y_pred = each(lambda value: value.array, done.y_pred)
        return after, Report(done.loss.array, self.statistics(xp, batch, y_pred)), done

    def statistics(self, xp: Any, batch: Batch, y_pred: Named) -> dict[str, Arrays]:
        """What a batch adds to each metric, by its name; y_pred as the network gives it."""
        read = self.loss.prediction(y_pred)
        return {m.name: m.statistics(xp, batch.y, y_pred if m.raw else read, batch.weight) for m in self.metrics}

    def opened(self, state: State, batch: Batch) -> tuple[State, Report, Pass]:
        """The step, with a pass whose tape also goes back, whichever way the gradients were found."""
        after, report, done = self.run(state, batch)
        if self.method is not None:
            done = self.backprop(state, batch, state.optimizer["step"])._replace(gradients=done.gradients)
        return after, report, done

    def updated(self, state: State, done: Pass) -> State:
        """The state after a pass with its gradients."""
        untrained = state.untrained | {p: v.array for p, v in done.loss.tape.next_untrained.items()}
        if not state.parameters:  # nothing to learn, as a network of Flatten alone
            return State({}, {"step": state.optimizer["step"] + 1}, untrained)
        changes, optimizer = self.optimizer.update(done.gradients, state.optimizer, state.parameters)
        parameters = {path: w + changes[path] for path, w in state.parameters.items()}
        for path, limited in done.loss.tape.constraints.items():
            parameters[path] = limited(namespace(parameters[path]), parameters[path])
        return State(parameters, optimizer, untrained)

    def forward(self, state: State, batch: Batch, number: Any, training: bool = True) -> Pass:
        """One forward pass: the loss and the prediction, on their tape."""
        tape = Tape(state.parameters, self.seed, number, training, untrained=state.untrained)
        y_pred = self.model(given(tape, "x", each(lambda x: _real(x, state.parameters), batch.x)))
        weight = None if batch.weight is None else tape.given("weight", batch.weight)
        loss = self.loss(given(tape, "y", batch.y), y_pred, weight)
        penalties = [price(tape.parameter(path)) for path, price in tape.penalties.items()]
        return Pass(loss + sum(penalties[1:], penalties[0]) if penalties else loss, y_pred)

    def backprop(self, state: State, batch: Batch, number: Any, training: bool = True) -> Pass:
        """A forward pass and, on the same tape, each gradient by back-propagation."""
        done = self.forward(state, batch, number, training)
        tape = done.loss.tape
        found = gradients(done.loss, [tape.parameter(path) for path in state.parameters])
        return done._replace(gradients={p: g.array for p, g in zip(state.parameters, found, strict=True)})

    def measure(self, state: State, batch: Batch, number: Any, how: FiniteDifference | SPSA) -> Pass:
        """A forward pass, and each gradient by changing weights and measuring the loss, in float64."""
        done = self.forward(state, batch, number)
        xp = namespace(done.loss.array)
        wide = state._replace(  # in one order in both engines (JAX sorts keys), so that a direction is the same one
            parameters={path: _wider(xp, state.parameters[path]) for path in sorted(state.parameters)},
            untrained={path: _wider(xp, a) for path, a in state.untrained.items()},
        )
        batch = batch.map(lambda array: _wider(xp, array))
        if isinstance(how, FiniteDifference):
            loss = self.forward(wide, batch, number).loss
            slopes = measured(loss, [loss.tape.parameter(path) for path in wide.parameters], how)
            found = dict(zip(wide.parameters, slopes, strict=True))
        else:

            def value(vector: Array) -> Array:
                at = wide._replace(parameters=unpacked(xp, vector, wide.parameters))
                return self.forward(at, batch, number).loss.array

            slope = how.estimate(xp, value, packed(xp, wide.parameters), self.seed, number)
            found = unpacked(xp, slope, wide.parameters)
        return done._replace(gradients={p: xp.astype(found[p], w.dtype) for p, w in state.parameters.items()})


class Pass(NamedTuple):
    """What a pass ends with: Values of one tape and, after the way back, the gradients."""

    loss: Value
    y_pred: Named
    """A Value, or one for each output."""
    gradients: Arrays = {}  # noqa: RUF012


def packed(xp: Any, arrays: Mapping[str, Array]) -> Array:
    """All numbers of a flat dict in one vector."""
    return xp.concatenate([xp.reshape(array, (-1,)) for array in arrays.values()])


def unpacked(xp: Any, vector: Array, like: Mapping[str, Array]) -> Arrays:
    """The flat dict again: the vector cut into the shapes of `like`."""
    out: Arrays = {}
    start = 0
    for path, array in like.items():
        size = 1
        for n in array.shape:
            size *= int(n)
        out[path] = xp.reshape(vector[start : start + size], array.shape)
        start += size
    return out


def given(tape: Tape, name: str, arrays: Named) -> Named:
    """Puts on the tape what a pass is given: one array, or several by name."""
    return gathered(name, {path: tape.given(path, array) for path, array in flat(name, arrays).items()})


def last_node(y_pred: Named) -> int:
    """The row of the tape where the prediction is whole."""
    return max(value.node.index for value in flat("", y_pred).values())


def _real(array: Array, parameters: Arrays) -> Array:
    """Whole numbers, as pictures and words have them, in the precision of the weights."""
    xp = namespace(array)
    if xp.isdtype(array.dtype, "real floating"):
        return array
    return xp.astype(array, first(parameters).dtype if parameters else xp.float32)


def _wider(xp: Any, array: Array) -> Array:
    return xp.astype(array, xp.float64) if xp.isdtype(array.dtype, "real floating") else array
