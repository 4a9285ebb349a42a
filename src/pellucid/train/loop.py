"""The loop of training: a generator of what happened, chunk by chunk and epoch by epoch.

A progress bar, early stopping, recording and callbacks consume it; none of them is known here.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy

from pellucid.errors import NotFiniteError
from pellucid.nn.metrics import Metric
from pellucid.train.dataset import Dataset, Numbers, Plan
from pellucid.train.engine import Engine
from pellucid.train.step import Arrays, Batch, Report, State

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


@dataclass
class Loop:
    """Everything a run of epochs needs."""

    engine: Engine
    plan: Plan
    data: Dataset
    metrics: tuple[Metric, ...]
    validation: Dataset | None = None
    _pace: int = 4

    def epochs(self, state: State, first: int, count: int) -> Generator[Progress, None, None]:
        """Trains, telling of it after each call and each epoch."""
        step = first * self.plan.steps
        for epoch in range(first, first + count):
            losses: list[Numbers] = []
            sizes: list[Numbers] = []
            totals = Totals(self.metrics)
            for batches, steps, rows in self._chunks(epoch):
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
                sizes.append(numpy.full(steps, rows))
                step += steps
                yield Progress(epoch, step, state, report.loss)
            logs = {"loss": float(numpy.average(numpy.concatenate(losses), weights=numpy.concatenate(sizes)))}
            logs |= totals.results()
            if self.validation is not None:
                found = evaluate(self.engine, state.parameters, self.validation, self.metrics)
                logs |= {f"val_{name}": value for name, value in found.items()}
            yield Progress(epoch, step, state, logs=logs)

    def _chunks(self, epoch: int) -> Iterator[tuple[Batch, int, int]]:
        """The epoch's batches, several at a time, with how many and how many rows each: (batches, n, rows).

        Whole batches lie in arrays of one length, so that one compiled program serves every chunk; the
        smaller batch at the end of an epoch is a chunk of its own.
        """
        size, length = self.plan.batch_size, self.plan.chunk(self.data.row_bytes())
        waiting: list[Numbers] = []
        for places in self.plan.batches(epoch):
            if len(places) < size:
                if waiting:
                    yield self.data.stack(waiting, length), len(waiting), size
                    waiting = []
                yield self.data.stack([places], 1), 1, len(places)
                continue
            waiting.append(places)
            if len(waiting) == min(length, self._pace):
                yield self.data.stack(waiting, length), len(waiting), size
                waiting = []
        if waiting:
            yield self.data.stack(waiting, length), len(waiting), size

    def _adapt(self, steps: int, seconds: float, batches: Batch) -> None:
        """Steps of the next call, from the time the last one took (the first holds the compilation)."""
        if steps == 1 and batches.x.shape[1] != self.plan.batch_size:
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
        return state, Batch(*(None if a is None else a[done] for a in batches)), step + done


class Diverged(NotFiniteError):
    """The loss or a weight stopped being finite at `step`; `state` holds the last finite weights."""

    def __init__(self, state: State, batch: Batch, step: int) -> None:
        super().__init__(f"the loss is not finite at step {step}")
        self.state, self.batch, self.step = state, batch, step


class Totals:
    """The statistics of metrics, batch after batch, as one."""

    def __init__(self, metrics: tuple[Metric, ...]) -> None:
        self.metrics = metrics
        self.kept: dict[str, dict[str, list[Numbers]]] = {m.name: {} for m in metrics}

    def add(self, statistics: dict[str, Arrays]) -> None:
        """Adds the statistics of several steps, each with a first axis for the steps."""
        for metric in self.metrics:
            for key, value in statistics[metric.name].items():
                value = numpy.asarray(value)
                if metric.merge == "sum":
                    wide = numpy.int64 if numpy.isdtype(value.dtype, "integral") else numpy.float64
                    value = value.sum(axis=0, dtype=wide)
                else:
                    value = value.reshape(-1, *value.shape[2:])
                self.kept[metric.name].setdefault(key, []).append(value)

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


def predictions(
    engine: Engine, parameters: Arrays, data: Dataset, rows: int = 1024
) -> Iterator[tuple[Batch, Numbers, Numbers]]:
    """Batch by batch: the rows, the loss of each, the prediction.

    The last batch is filled up to a whole one with rows it already has, and what they give is cut off
    again, so that one compiled program serves all.
    """
    rows = min(rows, 1 << max(0, len(data) - 1).bit_length())
    for start in range(0, len(data), rows):
        places = numpy.arange(start, min(start + rows, len(data)))
        batch = data.take(places)
        full = data.take(numpy.resize(places, rows)) if len(places) < rows else batch
        losses, y_pred = engine.predict(parameters, full)
        yield batch, losses[: len(places)], numpy.asarray(y_pred)[: len(places)]


def evaluate(engine: Engine, parameters: Arrays, data: Dataset, metrics: tuple[Metric, ...]) -> dict[str, Any]:
    """The loss and each metric over all rows."""
    totals = Totals(metrics)
    loss = 0.0
    for batch, losses, y_pred in predictions(engine, parameters, data):
        losses = losses.reshape(len(losses), -1).mean(axis=1)
        weighed = losses if batch.weight is None else losses * batch.weight
        loss += float(weighed.sum(dtype=numpy.float64))
        found = {m.name: m.statistics(numpy, batch.y, y_pred, batch.weight) for m in metrics}
        totals.add({name: {k: numpy.asarray(v)[None] for k, v in s.items()} for name, s in found.items()})
    return {"loss": loss / len(data)} | totals.results()
