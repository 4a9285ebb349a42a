"""The loop of training: a generator of what happened, chunk by chunk and epoch by epoch.

A progress bar, early stopping, recording and callbacks consume it; none of them is known here.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy

from pellucid.data.dataset import Batch, Dataset, Numbers, Plan, chunks
from pellucid.data.named import each
from pellucid.engine.engines import Engine
from pellucid.engine.step import Arrays, Report, State
from pellucid.errors import NotFiniteError
from pellucid.nn.metrics import Metric

Statistics = dict[str, dict[str, list[Numbers]]]
"""By metric and by the name of a statistic: its arrays, call after call."""

CALL_SECONDS = 0.1
"""A compiled call is kept about this short, so that a bar moves and Ctrl-C is heard."""


@dataclass
class Progress:
    """Where training stands, told after each compiled call and at the end of each epoch."""

    epoch: int
    step: int
    """Steps done since the start of the run."""
    state: State
    losses: Numbers = field(default_factory=lambda: numpy.zeros(0, numpy.float32))
    """Of the steps done since the last one told."""
    logs: dict[str, Any] | None = None
    """At the end of an epoch: loss, metrics, and the same with `val_`."""
    totals: Totals | None = None
    """The statistics of the epoch's metrics so far."""


@dataclass
class Loop:
    """Everything a run of epochs needs."""

    engine: Engine
    plan: Plan
    data: Dataset
    metrics: tuple[Metric, ...]
    validation: Dataset | None = None
    _pace: int = 4

    def epoch(self, state: State, epoch: int, begun: Begun | None = None) -> Generator[Progress, None, None]:
        """Trains one epoch, or the rest of one, telling of it after each call and at its end."""
        begun = begun or Begun(Totals(self.metrics))
        step = epoch * self.plan.steps + len(begun.losses)
        losses, totals = [begun.losses], begun.totals
        for batches, steps, _ in chunks(self.plan, self.data, epoch, len(begun.losses), pace=lambda: self._pace):
            before = state
            started = time.perf_counter()
            state, report = self.engine.run(state, batches, steps)
            self._adapt(steps, time.perf_counter() - started, batches)
            if not numpy.isfinite(report.loss).all():
                last, batch, at = self._last_finite(before, batches, report, step)
                if at > step:  # the finite steps of this call happened, and are told
                    yield Progress(epoch, at, last, report.loss[: at - step])
                raise Diverged(last, batch, at)
            totals.add(report.metrics)
            losses.append(report.loss)
            step += steps
            yield Progress(epoch, step, state, report.loss, totals=totals)
        logs = {"loss": float(numpy.average(numpy.concatenate(losses), weights=self.plan.sizes()))} | totals.results()
        if self.validation is not None:
            found = evaluate(self.engine, state, self.validation)
            logs |= {f"val_{name}": value for name, value in found.items()}
        yield Progress(epoch, step, state, logs=logs)

    def _adapt(self, steps: int, seconds: float, batches: Batch) -> None:
        """Steps of the next call, from the time the last one took (the first holds the compilation)."""
        if steps == 1 and batches.shape[1] != self.plan.batch_size:
            return
        fit = int(CALL_SECONDS * steps / max(seconds, 1e-6))
        self._pace = max(1, min(fit, 4 * self._pace))

    def _last_finite(self, before: State, batches: Batch, report: Report, step: int) -> tuple[State, Batch, int]:
        """The last weights that are finite, the batch they fail on, and the number of that step."""
        bad = int(numpy.flatnonzero(~numpy.isfinite(report.loss))[0])
        for done in range(bad, -1, -1):
            state = self.engine.run(before, batches, done)[0] if done else before
            if all(numpy.isfinite(numpy.asarray(w)).all() for w in state.parameters.values()):
                break
        else:
            state, done = before, 0
        return state, batches.map(lambda array: array[done]), step + done


@dataclass
class Begun:
    """What there is of an epoch that is gone on with: its metrics so far and the losses of its steps."""

    totals: Totals
    losses: Numbers = field(default_factory=lambda: numpy.zeros(0, numpy.float32))


class Diverged(NotFiniteError):
    """The loss or a weight stopped being finite at `step`; `state` holds the last finite weights."""

    def __init__(self, state: State, batch: Batch, step: int) -> None:
        super().__init__(f"the loss is not finite at step {step}")
        self.state, self.batch, self.step = state, batch, step


class Totals:
    """The statistics of metrics, batch after batch, as one."""

    def __init__(self, metrics: tuple[Metric, ...], kept: Statistics | None = None) -> None:
        self.metrics = metrics
        self.kept: Statistics = {m.name: {k: list(v) for k, v in (kept or {}).get(m.name, {}).items()} for m in metrics}

    def copy(self) -> Totals:
        """The same so far, to be gone on with apart."""
        return Totals(self.metrics, self.kept)

    def add(self, statistics: dict[str, Arrays]) -> None:
        """Adds the statistics of several steps, each with a first axis for the steps."""
        for metric in self.metrics:
            for key, value in statistics[metric.name].items():
                value = numpy.asarray(value)
                kept = self.kept[metric.name].setdefault(key, [])
                if metric.merge == "sum":
                    # One step after the other, so that the sum is the same however many steps a call had.
                    wide = numpy.int64 if numpy.isdtype(value.dtype, "integral") else numpy.float64
                    so_far = [numpy.expand_dims(total, 0) for total in kept]
                    kept[:] = [numpy.add.accumulate(numpy.concatenate([*so_far, value.astype(wide)]), axis=0)[-1]]
                else:
                    kept.append(value.reshape(-1, *value.shape[2:]))

    def results(self) -> dict[str, Any]:
        """Each metric's value."""
        out: dict[str, Any] = {}
        for metric in self.metrics:
            merged = {
                key: numpy.sum(values, axis=0) if metric.merge == "sum" else numpy.concatenate(values)
                for key, values in self.kept[metric.name].items()
            }
            out[metric.name] = metric.result(merged)
        return out


def predictions(engine: Engine, state: State, data: Dataset, rows: int = 1024) -> Iterator[tuple[Batch, Numbers, Any]]:
    """Batch by batch: the rows, what each adds to the loss, what the network gives.

    The last batch is filled up to a whole one with rows it already has, and what they give is cut off
    again, so that one compiled program serves all.
    """
    rows = min(rows, 1 << max(0, len(data) - 1).bit_length())
    state = State(state.parameters, {}, state.untrained)
    for start in range(0, len(data), rows):
        places = numpy.arange(start, min(start + rows, len(data)))
        batch = data.take(places)
        full = data.take(numpy.resize(places, rows)) if len(places) < rows else batch
        losses, y_pred = engine.predict(state, full)
        count = len(places)
        yield batch, losses[:count], each(lambda part: numpy.asarray(part)[:count], y_pred)  # noqa: B023


def evaluate(engine: Engine, state: State, data: Dataset) -> dict[str, Any]:
    """The loss and each metric over all rows."""
    totals = Totals(engine.step.metrics)
    loss = 0.0
    for batch, losses, y_pred in predictions(engine, state, data):
        loss += float(losses.sum(dtype=numpy.float64))
        found = engine.step.statistics(numpy, batch, y_pred)
        totals.add({name: {k: numpy.asarray(v)[None] for k, v in s.items()} for name, s in found.items()})
    return {"loss": loss / len(data)} | totals.results()
