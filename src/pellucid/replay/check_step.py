"""Both gradients of one step, compared: of every weight, or of as many as a minute allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pellucid.arguments import whole
from pellucid.autodiff import Value
from pellucid.autodiff.random import permutation
from pellucid.data.dataset import Batch
from pellucid.engine.step import State, Step
from pellucid.gradcheck import GradientReport, check
from pellucid.gradcheck.restart import Progress, Restart

CHECK_ALL, WORK = 200_000, 10**10
"""A network is checked whole where it has no more weights, and where changing them all computes no more numbers again:
about a minute of two cores."""
SAMPLE, LEAST = 2_000, 10
"""Of another, so many weights are drawn, or fewer that stay within that work, but so many for each parameter. All
parameters have the same share, as far as they are large enough."""


def check_step(
    step: Step,
    state: State,
    batch: Batch,
    number: int,
    *,
    training: bool,
    tolerance: float = 1e-6,
    sample: int | None = None,
    progress: Progress | None = None,
) -> GradientReport:
    """Both gradients of one step, compared. state and batch: NumPy arrays, the real numbers in float64.

    progress: called with how many weights are done, and how many there are. The rest as for `check_gradients`.
    """
    done = step.backprop(state, batch, number, training)
    values = {path: done.loss.tape.parameter(path) for path in state.parameters}
    at = _places(done.loss, values, sample)
    return check(done.loss, values, done.gradients, tolerance=tolerance, at=at, progress=progress)


def _places(loss: Value, values: Mapping[str, Value], sample: int | None) -> dict[str, Any] | None:
    """Which numbers of each parameter are checked; None for all."""
    if sample is not None:
        whole("sample", sample)
    sizes = {path: value.array.size for path, value in values.items()}
    total = sum(sizes.values())
    left = sample or _affordable(loss, values)
    if left >= total:
        return None
    chosen: dict[str, Any] = {}
    # From the smallest on, so that what a bias can not use of its share falls to the others.
    for k, path in enumerate(sorted(sizes, key=lambda path: sizes[path])):
        share = min(sizes[path], left // (len(sizes) - k))
        chosen[path], left = permutation(sizes[path], 0, "check", path)[:share], left - share
    return chosen


def _affordable(loss: Value, values: Mapping[str, Value]) -> int:
    """How many weights are checked when nobody says: all, or a sample."""
    rows = loss.tape.nodes
    work = [Restart(rows, value.node.index, (loss.node.index,)).numbers for value in values.values()]
    sizes = [value.array.size for value in values.values()]
    if sum(sizes) <= CHECK_ALL and sum(size * each for size, each in zip(sizes, work, strict=True)) <= WORK:
        return sum(sizes)
    return max(LEAST * len(sizes), min(SAMPLE, WORK * len(work) // max(1, sum(work))))
