"""One training step, written once: forward, loss, backward, update.

    step(state, batch) -> state, report

It is a pure function of its arguments. With NumPy arrays it runs, row by row, on a tape that can be looked
at; with JAX tracers the same lines become one compiled program. There is no other training step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pellucid.autodiff import Array, FiniteDifference, Tape, Value, gradients, namespace
from pellucid.autodiff.seam import is_numpy
from pellucid.nn.layer import Layer
from pellucid.nn.losses import Loss
from pellucid.nn.metrics import Metric
from pellucid.optim import Optimizer

Arrays = dict[str, Array]


class State(NamedTuple):
    """What changes from step to step: the parameters and the optimizer's state, two flat dicts."""

    parameters: Arrays
    optimizer: Arrays


class Batch(NamedTuple):
    """Rows that are trained on together. x (n, …), y (n, …), weight (n,) or None where all count alike."""

    x: Array
    y: Array
    weight: Array | None = None


class Report(NamedTuple):
    """What a step tells: its loss, and the statistics of each metric."""

    loss: Array
    metrics: dict[str, Arrays]


@dataclass(frozen=True)
class Step:
    """What stays the same from step to step."""

    model: Layer
    loss: Loss
    optimizer: Optimizer
    metrics: tuple[Metric, ...] = ()
    seed: int = 0
    method: FiniteDifference | None = None
    """None: gradients by back-propagation."""

    def __call__(self, state: State, batch: Batch) -> tuple[State, Report]:
        """The state after the step, and what it reports."""
        number = state.optimizer["step"]
        if self.method is None:
            done = self.backprop(state.parameters, batch, number)
        else:
            done = self.measure(state.parameters, batch, number, self.method)
        after = self.updated(state, done.gradients)
        xp = namespace(done.loss.array)
        read = self.loss.prediction(done.y_pred.array)
        statistics = {m.name: m.statistics(xp, batch.y, read, batch.weight) for m in self.metrics}
        return after, Report(done.loss.array, statistics)

    def updated(self, state: State, found: Arrays) -> State:
        """The state after these gradients."""
        if not state.parameters:  # nothing to learn, as a network of Flatten alone
            return State({}, {"step": state.optimizer["step"] + 1})
        changes, optimizer = self.optimizer.update(found, state.optimizer, state.parameters)
        return State({path: w + changes[path] for path, w in state.parameters.items()}, optimizer)

    def forward(self, parameters: Arrays, batch: Batch, number: Any, training: bool = True) -> Pass:
        """One forward pass: the loss and the prediction, on their tape."""
        tape = Tape(parameters, self.seed, number, training)
        y_pred = self.model(tape.given("x", batch.x))
        weight = None if batch.weight is None else tape.given("weight", batch.weight)
        return Pass(self.loss(tape.given("y", batch.y), y_pred, weight), y_pred)

    def backprop(self, parameters: Arrays, batch: Batch, number: Any, training: bool = True) -> Pass:
        """A forward pass and, on the same tape, each gradient by back-propagation."""
        done = self.forward(parameters, batch, number, training)
        tape = done.loss.tape
        found = gradients(done.loss, [tape.parameter(path) for path in parameters])
        return done._replace(gradients={p: g.array for p, g in zip(parameters, found, strict=True)})

    def measure(self, parameters: Arrays, batch: Batch, number: Any, how: FiniteDifference) -> Pass:
        """A forward pass, and each gradient by changing each weight in turn, in float64."""
        done = self.forward(parameters, batch, number)
        xp = namespace(done.loss.array)
        wide = {path: xp.astype(w, xp.float64) for path, w in parameters.items()}
        batch = Batch(*(_wider(xp, part) for part in batch))

        def value(vector: Array) -> Array:
            return self.forward(unpacked(xp, vector, wide), batch, number).loss.array

        found = unpacked(xp, _slopes(xp, value, packed(xp, wide), how), wide)
        return done._replace(gradients={p: xp.astype(found[p], w.dtype) for p, w in parameters.items()})


class Pass(NamedTuple):
    """What a pass ends with: two Values of one tape and, after the way back, the gradients."""

    loss: Value
    y_pred: Value
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


def _wider(xp: Any, array: Array | None) -> Array | None:
    if array is None or not xp.isdtype(array.dtype, "real floating"):
        return array
    return xp.astype(array, xp.float64)


def _slopes(xp: Any, value: Callable[[Array], Array], w: Array, how: FiniteDifference) -> Array:
    """(f(w + h) - f(w - h)) / 2h, or (f(w + h) - f(w)) / h, for each number of the vector w."""
    h = how.change(xp, w)
    here = value(w) if how.scheme == "forward" else None
    place = xp.arange(w.shape[0])

    def slope(i: Any) -> Array:
        up = xp.where(place == i, w + h, w)
        down = w if here is not None else xp.where(place == i, w - h, w)
        low = value(down) if here is None else here
        return (value(up) - low) / (up[i] - down[i])

    if is_numpy(xp):
        return xp.asarray([slope(i) for i in range(w.shape[0])])
    from jax import lax  # arrays that are not NumPy's are JAX's

    return lax.map(slope, place)
