"""Two engines run the one step: NumPy, eagerly, on an open tape; XLA, compiled, many steps a call.

    state, report = engine.run(state, batches, count)

`batches` holds several batches, one after the other along a first axis; the first `count` are trained on,
so that one compiled program serves any number of steps up to the length of that axis.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any, Literal, NamedTuple, Protocol

import numpy

from pellucid.autodiff import Array, namespace
from pellucid.data.dataset import Batch
from pellucid.data.named import each
from pellucid.engine import disk_cache
from pellucid.engine.fidelity import Fidelity
from pellucid.engine.programs import Programs, programs_of
from pellucid.engine.step import Arrays, Pass, Report, State, Step, given, packed, unpacked
from pellucid.errors import UsageError

EngineName = Literal["xla", "numpy"]
PACK_BELOW = 20_000
"""Models with fewer weights train faster with all of them in one vector: one update instead of one for each
array. Above it, copying the vector costs more than it saves."""


class Engine(Protocol):
    """What the loop asks of an engine."""

    step: Step

    def start(self, state: State) -> State:
        """The state as arrays of this engine."""
        ...

    def run(self, state: State, batches: Batch, count: int) -> tuple[State, Report]:
        """Trains on the first `count` batches; each number of the report has a first axis of `count`."""
        ...

    def tap(self, state: State, batches: Batch, fidelity: Fidelity) -> tuple[State, Tapped]:
        """Trains on the first batch alone, and keeps as many numbers of its pass as the fidelity says."""
        ...

    def compiled(self, key: Hashable, program: Callable[..., Any]) -> Any:
        """program(step, …) as this engine runs it. XLA keeps what it compiled by the key, so that the program may know
        of nothing but the step that it is given."""
        ...

    def predict(self, state: State, batch: Batch) -> tuple[numpy.ndarray[Any, Any], Any]:
        """What each row adds to the loss, which is their mean, and what the network gives, with nothing dropped out."""
        ...


class Tapped(NamedTuple):
    """A pass with the numbers of its tape."""

    done: Pass
    """Which rows the tape has; where the step was compiled, their outputs stand for numbers."""
    outputs: list[Array | None]
    """Each row's numbers; None for those that the program does not keep (see Fidelity)."""
    gradients: Arrays
    """Empty where they are not kept."""


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
        return state.map(numpy.asarray)

    def run(self, state: State, batches: Batch, count: int) -> tuple[State, Report]:
        reports: list[Report] = []
        for i in range(count):
            with numpy.errstate(all="ignore"):  # the loop looks for numbers that are not finite, and says so
                state, report = self.step(state, batches.map(lambda array: array[i]))  # noqa: B023
            reports.append(report)
        losses = numpy.asarray([report.loss for report in reports])
        metrics = {
            name: {key: numpy.stack([r.metrics[name][key] for r in reports]) for key in reports[0].metrics[name]}
            for name in reports[0].metrics
        }
        return state, Report(losses, metrics)

    def tap(self, state: State, batches: Batch, fidelity: Fidelity) -> tuple[State, Tapped]:
        with numpy.errstate(all="ignore"):
            after, _, done = self.step.opened(state, batches.map(lambda array: array[0]))
        return after, Tapped(done, [row.output for row in done.loss.tape.nodes], done.gradients)

    def predict(self, state: State, batch: Batch) -> tuple[numpy.ndarray[Any, Any], Any]:
        with numpy.errstate(all="ignore"):
            return _evaluate(self.step, self.start(state), batch)  # which another engine may have trained

    def compiled(self, key: Hashable, program: Callable[..., Any]) -> Any:
        return partial(program, self.step)


class XlaEngine:
    """Compiles the step once for each shape of batch, and runs many steps in one call."""

    def __init__(self, step: Step, dtype: str) -> None:
        import jax  # the only engine that needs it; `import pellucid` stays fast

        disk_cache.switch_on()
        self.wide = dtype == "float64" or step.method is not None
        self._jax = jax
        self._take(programs_of(step, self.wide))
        self.step = replace(step, model=self.programs.step.model)  # so that an engine keeps no weights alive

    def _take(self, programs: Programs) -> None:
        jax = self._jax
        self.programs = programs
        self._many = self.programs.get("train", lambda: jax.jit(partial(_train, self.programs)))
        self._tap = self.programs.get("tap", lambda: jax.jit(partial(_opened, self.programs), static_argnums=3))
        self._evaluate = self.programs.get("evaluate", lambda: jax.jit(partial(_evaluate, self.programs.step)))

    def precision(self) -> AbstractContextManager[Any]:
        """JAX has 32-bit numbers unless told otherwise; finite differences need 64."""
        return self._jax.enable_x64(True) if self.wide else nullcontext()

    def start(self, state: State) -> State:
        with self.precision():
            return state.map(self._jax.numpy.asarray)

    def run(self, state: State, batches: Batch, count: int) -> tuple[State, Report]:
        with self.precision():
            after, report = self._many(state, batches, count)
            if not self.programs.serves(self.step):  # as was found while it was traced
                self._take(programs_of(self.step, self.wide))
                after, report = self._many(state, batches, count)
            losses, metrics = self._jax.tree.map(lambda a: numpy.asarray(a)[:count], tuple(report))
        return after.ordered(state), Report(losses, metrics)

    def predict(self, state: State, batch: Batch) -> tuple[numpy.ndarray[Any, Any], Any]:
        with self.precision():
            rows, y_pred = self._evaluate(state, batch)
            return numpy.asarray(rows), each(numpy.asarray, y_pred)

    def tap(self, state: State, batches: Batch, fidelity: Fidelity) -> tuple[State, Tapped]:
        with self.precision():
            after, kept, gradients = self._tap(state, batches, 1, fidelity)
            done = self.programs.passes[batches.shape]
            numbers = iter(kept)
            outputs = [numpy.asarray(next(numbers)) if keep else None for keep in fidelity.kept(done)]
        return after.ordered(state), Tapped(done, outputs, gradients)

    def compiled(self, key: Hashable, program: Callable[..., Any]) -> Any:
        compiled = self.programs.get(key, lambda: self._jax.jit(partial(program, self.programs.step)))

        def run(*arguments: Any) -> Any:
            with self.precision():
                return compiled(*arguments)

        return run


def _train(programs: Programs, state: State, batches: Batch, count: Any) -> tuple[State, Report]:
    """The compiled program: a loop of `count` steps."""

    def one(now: State, batch: Batch) -> tuple[State, Report, tuple[()]]:
        after, report, done = programs.step.run(now, batch)
        programs.traced(done)
        return after, report, ()

    after, reports, _ = _loop(one, state, batches, count)
    return after, reports


def _opened(
    programs: Programs, state: State, batches: Batch, count: Any, fidelity: Fidelity
) -> tuple[State, list[Array], Arrays]:
    """The same loop with the numbers of its last pass kept.

    It is the same loop so that XLA rounds alike: a single step outside of one is rounded otherwise.
    """

    def one(now: State, batch: Batch) -> tuple[State, Report, tuple[list[Array], Arrays]]:
        after, report, done = programs.step.opened(now, batch)
        programs.passes[batches.shape] = done
        programs.traced(done)
        nodes = done.loss.tape.nodes
        kept = [node.output for node, keep in zip(nodes, fidelity.kept(done), strict=True) if keep]
        # Measured gradients are on no tape, so that they cannot be worked out from one.
        wanted = fidelity <= Fidelity.PRODUCTS or programs.step.method is not None
        return after, report, (kept, done.gradients if wanted else {})

    after, _, (kept, gradients) = _loop(one, state, batches, count)
    return after, kept, gradients


def _loop(step: Any, state: State, batches: Batch, count: Any) -> tuple[State, Report, Any]:
    import jax

    layout = _Packing(state)

    def one(i: Any, carried: tuple[Any, Report, Any]) -> tuple[Any, Report, Any]:
        held, reports, _ = carried
        batch = batches.map(lambda array: array[i])
        now, report, kept = step(layout.open(held), batch)
        noted = jax.tree.map(lambda all_, this: all_.at[i].set(this), reports, report)
        return layout.close(now), noted, kept

    _, shapes, kept = jax.eval_shape(step, state, batches.map(lambda array: array[0]))
    length = batches.shape[0]
    empty = jax.tree.map(lambda s: jax.numpy.zeros((length, *s.shape), s.dtype), shapes)
    none = jax.tree.map(lambda s: jax.numpy.zeros(s.shape, s.dtype), kept)
    held, reports, kept = jax.lax.fori_loop(0, count, one, (layout.close(state), empty, none))
    return layout.open(held), reports, kept


class _Packing:
    """Carries a small state through the loop as one vector for the parameters and one for each slot."""

    def __init__(self, state: State) -> None:
        self.like = state.parameters
        self.slots: dict[str, Arrays] = {}
        """By slot, the parameters that have it: "v/dense/kernel" is slot v of dense/kernel."""
        for key in state.optimizer:
            slot, _, path = key.partition("/")
            if path:
                self.slots.setdefault(slot, {})[path] = self.like[path]
        dtypes = {array.dtype for array in self.like.values()}
        size = sum(array.size for array in self.like.values())
        self.used = len(dtypes) == 1 and 0 < size < PACK_BELOW

    def close(self, state: State) -> Any:
        if not self.used:
            return state
        xp = next(iter(self.like.values())).__array_namespace__()
        slots = [packed(xp, {p: state.optimizer[f"{slot}/{p}"] for p in like}) for slot, like in self.slots.items()]
        return packed(xp, state.parameters), slots, state.optimizer["step"], state.untrained

    def open(self, held: Any) -> State:
        if not self.used:
            return held
        vector, slots, number, untrained = held
        xp = vector.__array_namespace__()
        optimizer: Arrays = {"step": number}
        for (slot, like), values in zip(self.slots.items(), slots, strict=True):
            optimizer |= {f"{slot}/{path}": a for path, a in unpacked(xp, values, like).items()}
        return State(unpacked(xp, vector, self.like), optimizer, untrained)


def _evaluate(step: Step, state: State, batch: Batch) -> tuple[Any, Any]:
    """What each row adds to the loss, with its weight and the price of the weights; and what the network gives."""
    done = step.forward(state, batch, 0, training=False)
    tape = done.loss.tape
    rows = step.loss.rows(given(tape, "y", batch.y), done.y_pred).array
    xp = namespace(rows)
    rows = xp.mean(xp.reshape(rows, (rows.shape[0], -1)), axis=1)
    if batch.weight is not None:
        rows = rows * batch.weight
    for path, price in tape.penalties.items():
        rows = rows + price(tape.parameter(path)).array
    return rows, each(lambda value: value.array, done.y_pred)
