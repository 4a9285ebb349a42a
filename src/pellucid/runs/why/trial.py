"""A step tried otherwise: some steps of the run again, from one of its states, with another rate or size of batch."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy

from pellucid.data.dataset import Numbers, Plan
from pellucid.engine.step import State
from pellucid.runs.why.evidence import Evidence, Probe

STEPS = 50
WORK = 1_000_000_000
"""Weights times rows of all steps of a trial, at most."""


def steps_of(evidence: Evidence) -> int:
    """How many steps a trial takes: 50, fewer for large networks and short runs, at least 5."""
    weights = sum(a.size for a in evidence.start.state.parameters.values())
    afford = WORK // max(1, weights * evidence.plan.batch_size)
    return int(min(STEPS, max(5, min(afford, evidence.last - evidence.first))))


def tried(evidence: Evidence, start: Probe, rate: float, steps: int, batch_size: int | None = None) -> float:
    """The loss of the sample after so many steps from a state, at a constant rate; infinite where it diverged.

    The batches are those of the run unless another size is given, without rows that are far larger than the others:
    what those do is not the rate's fault.
    """
    optimizer = replace(evidence.step.optimizer, learning_rate=rate)
    step = replace(evidence.step, optimizer=optimizer)
    plan = evidence.plan
    if batch_size is not None:
        plan = Plan(plan.rows, min(batch_size, plan.rows), plan.seed, plan.shuffle)
    first = start.number if batch_size is None else 0
    state: State = start.state
    with numpy.errstate(all="ignore"):
        for places in itertools.islice(_batches(plan, first), steps):
            batch = evidence.data.take(places)
            if len(odd := evidence.odd(batch)) and len(odd) < len(places):
                batch = evidence.data.take(numpy.delete(places, odd))
            state, report = step(state, batch)
            if not numpy.isfinite(report.loss):
                return numpy.inf
    return replace(start, number=start.number + steps, state=state).loss


def _batches(plan: Plan, first: int) -> Iterator[Numbers]:
    """The rows of each batch from a step on."""
    epoch, within = divmod(first, plan.steps)
    for number in itertools.count(epoch):
        yield from plan.batches(number, within if number == epoch else 0)
