"""Two engines run the one step: NumPy, eagerly, on an open tape; XLA, compiled, many steps a call.

    state, report = engine.run(state, batches, count)

`batches` holds several batches, one after the other along a first axis; the first `count` are trained on,
so that one compiled program serves any number of steps up to the length of that axis.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, Protocol

import numpy

from pellucid.autodiff import Array
from pellucid.errors import UsageError
from pellucid.train.step import Arrays, Batch, Report, State, Step, packed, unpacked

EngineName = Literal["xla", "numpy"]
PACK_BELOW = 20_000
"""Models with fewer weights train faster with all of them in one vector: one update instead of one for each
array. Above it, copying the vector costs more than it saves."""


class Engine(Protocol):
    """What the loop asks of an engine."""

    def start(self, state: State) -> State:
        """The state as arrays of this engine."""
        ...

    def run(self, state: State, batches: Batch, count: int) -> tuple[State, Report]:
        """Trains on the first `count` batches; each number of the report has a first axis of `count`."""
        ...

    def predict(self, parameters: Arrays, batch: Batch) -> tuple[numpy.ndarray[Any, Any], Array]:
        """The loss of each row and the prediction, with nothing dropped out."""
        ...


def make(name: str, step: Step, dtype: str) -> Engine:
    """The engine of that name."""
    if name == "numpy":
        return NumpyEngine(step)
    if name == "xla":
        return XlaEngine(step, dtype)
    raise UsageError(f"engine={name!r} is not known; it is 'xla' (compiled) or 'numpy' (eager)")


class NumpyEngine:
    """Runs the step as it stands."""

    def __init__(self, step: Step) -> None:
        self.step = step

    def start(self, state: State) -> State:
        return State(_to_numpy(state.parameters), _to_numpy(state.optimizer))

    def run(self, state: State, batches: Batch, count: int) -> tuple[State, Report]:
        reports: list[Report] = []
        for i in range(count):
            with numpy.errstate(all="ignore"):  # the loop looks for numbers that are not finite, and says so
                state, report = self.step(state, Batch(*(None if a is None else a[i] for a in batches)))
            reports.append(report)
        losses = numpy.asarray([report.loss for report in reports])
        metrics = {
            name: {key: numpy.stack([r.metrics[name][key] for r in reports]) for key in reports[0].metrics[name]}
            for name in reports[0].metrics
        }
        return state, Report(losses, metrics)

    def predict(self, parameters: Arrays, batch: Batch) -> tuple[numpy.ndarray[Any, Any], Array]:
        with numpy.errstate(all="ignore"):
            return _evaluate(self.step, parameters, batch)


class XlaEngine:
    """Compiles the step once for each shape of batch, and runs many steps in one call."""

    def __init__(self, step: Step, dtype: str) -> None:
        import jax  # the only engine that needs it; `import pellucid` stays fast

        self.step = step
        self.wide = dtype == "float64" or step.method is not None
        self._jax = jax
        self._many = jax.jit(self._train)
        self._evaluate = jax.jit(lambda parameters, batch: _evaluate(step, parameters, batch))

    def precision(self) -> AbstractContextManager[Any]:
        """JAX has 32-bit numbers unless told otherwise; finite differences need 64."""
        return self._jax.enable_x64(True) if self.wide else nullcontext()

    def start(self, state: State) -> State:
        with self.precision():
            return _in_order(self._jax.tree.map(self._jax.numpy.asarray, state), state)

    def run(self, state: State, batches: Batch, count: int) -> tuple[State, Report]:
        with self.precision():
            after, report = self._many(state, batches, count)
            losses, metrics = self._jax.tree.map(lambda a: numpy.asarray(a)[:count], tuple(report))
        return _in_order(after, state), Report(losses, metrics)

    def predict(self, parameters: Arrays, batch: Batch) -> tuple[numpy.ndarray[Any, Any], Array]:
        with self.precision():
            rows, y_pred = self._evaluate(parameters, batch)
            return numpy.asarray(rows), numpy.asarray(y_pred)

    def tapped(self, program: Any) -> Any:
        """Compiles a program that returns every row of its tape, once for each shape of its arguments."""
        compiled = self._jax.jit(program)

        def run(*arguments: Any) -> Any:
            with self.precision():
                return compiled(*arguments)

        return run

    def _train(self, state: State, batches: Batch, count: Any) -> tuple[State, Report]:
        """The compiled program: a loop of `count` steps."""
        jax, step = self._jax, self.step
        layout = _Packing(state, step)

        def one(i: Any, carried: tuple[Any, Report]) -> tuple[Any, Report]:
            held, reports = carried
            batch = Batch(*(None if a is None else a[i] for a in batches))
            now, report = step(layout.open(held), batch)
            noted = jax.tree.map(lambda all_, this: all_.at[i].set(this), reports, report)
            return layout.close(now), noted

        first = Batch(*(None if a is None else a[0] for a in batches))
        shapes = jax.eval_shape(step, state, first)[1]
        length = batches.x.shape[0]
        empty = jax.tree.map(lambda s: jax.numpy.zeros((length, *s.shape), s.dtype), shapes)
        held, reports = jax.lax.fori_loop(0, count, one, (layout.close(state), empty))
        return layout.open(held), reports


class _Packing:
    """Carries a small state through the loop as one vector for the parameters and one for each slot."""

    def __init__(self, state: State, step: Step) -> None:
        self.like = state.parameters
        self.slots = [slot for slot in step.optimizer.slots if slot not in step.optimizer.unused()]
        dtypes = {array.dtype for array in self.like.values()}
        size = sum(array.size for array in self.like.values())
        self.used = len(dtypes) == 1 and 0 < size < PACK_BELOW

    def close(self, state: State) -> Any:
        if not self.used:
            return state
        xp = next(iter(self.like.values())).__array_namespace__()
        slots = [packed(xp, {path: state.optimizer[f"{slot}/{path}"] for path in self.like}) for slot in self.slots]
        return packed(xp, state.parameters), slots, state.optimizer["step"]

    def open(self, held: Any) -> State:
        if not self.used:
            return held
        vector, slots, number = held
        xp = vector.__array_namespace__()
        optimizer: Arrays = {"step": number}
        for slot, values in zip(self.slots, slots, strict=True):
            optimizer |= {f"{slot}/{path}": a for path, a in unpacked(xp, values, self.like).items()}
        return State(unpacked(xp, vector, self.like), optimizer)


def _evaluate(step: Step, parameters: Arrays, batch: Batch) -> tuple[Any, Array]:
    done = step.forward(parameters, batch, 0, training=False)
    y = done.loss.tape.given("y", batch.y)
    rows = step.loss.rows(y, done.y_pred).array
    return rows, step.loss.prediction(done.y_pred).array


def _in_order(state: State, like: State) -> State:
    """The same state with the keys in the order of `like`: JAX sorts them."""
    return State(*({path: a[path] for path in b} for a, b in zip(state, like, strict=True)))


def _to_numpy(arrays: Arrays) -> Arrays:
    return {path: numpy.asarray(array) for path, array in arrays.items()}
